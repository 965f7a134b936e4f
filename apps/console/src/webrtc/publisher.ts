import { ExchangeError, endSession, exchange, whenServerCloses } from './exchange.ts';
import { type PeerFact, PeerFacts } from './peer-facts.ts';

export type PublisherPhase = 'connecting' | 'live' | 'lost' | 'failed';

export interface PublisherOptions {
  readonly url: string;
  readonly stream: MediaStream;
  /** Name of the only video codec that is offered, such as `H264`; empty for all. */
  readonly codec: string;
  /** Most kilobits a second of the picture; 0 for what the browser chooses. */
  readonly maxKbits: number;
  onPhase(phase: PublisherPhase, message: string): void;
}

/** Publishes what is captured to a WHIP address; after `failed` nothing comes any more. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #peer = new RTCPeerConnection();
  readonly #facts = new PeerFacts(this.#peer, 'outbound');
  readonly #aborter = new AbortController();
  #resource: string | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#peer.addEventListener('connectionstatechange', () => this.#onState());
  }

  /** Begins to connect; what comes of it is told by `onPhase`. Once. */
  start(): void {
    this.#options.onPhase('connecting', '');
    void this.#begin();
  }

  facts(): Promise<readonly PeerFact[]> {
    return this.#facts.read();
  }

  /** Stops publishing and tells the server so. Idempotent. */
  close(): void {
    if (this.#aborter.signal.aborted) return;
    this.#aborter.abort();
    endSession(this.#peer, this.#resource);
  }

  #send(track: MediaStreamTrack): void {
    const { stream, codec, maxKbits } = this.#options;
    const sendEncodings = track.kind === 'video' && maxKbits > 0 ? [{ maxBitrate: maxKbits * 1000 }] : [];
    const transceiver = this.#peer.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings });
    if (track.kind !== 'video' || codec === '') return;
    const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
    const wanted = codecs.filter(({ mimeType }) => [`video/${codec}`, 'video/rtx'].includes(mimeType));
    transceiver.setCodecPreferences(wanted);
  }

  async #begin(): Promise<void> {
    const { signal } = this.#aborter;
    try {
      for (const track of this.#options.stream.getTracks()) this.#send(track);
      const resource = await exchange(this.#peer, this.#options.url, signal);
      if (signal.aborted) return endSession(this.#peer, resource);
      this.#resource = resource;
      whenServerCloses(this.#peer, () => this.#onServerClosed());
    } catch (error) {
      if (signal.aborted) return;
      this.#options.onPhase('failed', explain(error));
    }
  }

  #onServerClosed(): void {
    this.#resource = undefined;
    if (!this.#aborter.signal.aborted) this.#options.onPhase('failed', 'The server ended the connection.');
  }

  #onState(): void {
    if (this.#aborter.signal.aborted) return;
    const { connectionState } = this.#peer;
    const { onPhase } = this.#options;
    if (connectionState === 'connected') onPhase('live', '');
    else if (connectionState === 'disconnected') onPhase('lost', 'The connection is interrupted…');
    else if (connectionState === 'failed')
      onPhase('failed', 'No way to the server was found: UDP may be blocked, or its address wrong.');
  }
}

function explain(error: unknown): string {
  if (error instanceof ExchangeError && error.status === 409)
    return 'Another publisher has this name already. Choose another name.';
  return error instanceof Error ? error.message : String(error);
}

/** Names of video codecs that this browser can send, for a choice. */
export function sendableCodecs(): string[] {
  const sender = (globalThis as { RTCRtpSender?: typeof RTCRtpSender }).RTCRtpSender;
  const names = (sender?.getCapabilities('video')?.codecs ?? []).map(({ mimeType }) => mimeType.replace('video/', ''));
  return [...new Set(names)].filter((name) => !/^(rtx|red|ulpfec|flexfec-03)$/.test(name));
}
