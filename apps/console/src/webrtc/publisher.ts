import { ExchangeError, endSession, exchange, whenServerCloses } from './exchange.ts';
import { iceServersOf, useIceServers } from './ice-servers.ts';
import { type PeerFact, PeerFacts } from './peer-facts.ts';

export type PublisherPhase = 'connecting' | 'live' | 'lost' | 'failed';

export interface PublisherOptions {
  readonly url: string;
  readonly stream: MediaStream;
  /** Name of the only video codec that is offered, such as `H264`; empty for all. */
  readonly codec: string;
  /** Most kilobits a second of the picture; 0 for what the browser chooses. */
  readonly maxKbits: number;
  /** The picture is sent in three sizes at once (simulcast). */
  readonly severalSizes: boolean;
  onPhase(phase: PublisherPhase, message: string): void;
}

/**
 * The picture's sides are divided by these: the largest is the picture itself. Browsers send as many as a picture of that
 * size is worth to them, the first ones, and leave the largest out when they are told of more.
 */
const SIZES = [
  { rid: 'quarter', scaleResolutionDownBy: 4 },
  { rid: 'half', scaleResolutionDownBy: 2 },
  { rid: 'full', scaleResolutionDownBy: 1 },
] as const;
/** Pixels of a picture from which on it is sent in three sizes, and in two (libwebrtc's table of them). */
const THREE_SIZES = 960 * 540;
const TWO_SIZES = 480 * 270;

/** The server has this long to answer, milliseconds. */
const ANSWER_MS = 10_000;

/** Publications of this page that are being ended: their names are taken until then. */
const ending = new Set<Promise<void>>();

/** Publishes what is captured to a WHIP address; after `failed` nothing comes any more. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #peer = new RTCPeerConnection();
  readonly #facts = new PeerFacts(this.#peer, 'outbound');
  #began: Promise<void> | undefined;
  #resource: string | undefined;
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#peer.addEventListener('connectionstatechange', () => this.#onState());
  }

  /** Begins to connect; what comes of it is told by `onPhase`. Once. */
  start(): void {
    this.#options.onPhase('connecting', '');
    this.#began = this.#begin();
  }

  facts(): Promise<readonly PeerFact[]> {
    return this.#facts.read();
  }

  /** Stops publishing and tells the server so. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A session whose answer is under way can be ended only when it is there.
    const ended = Promise.resolve(this.#began).then(() => endSession(this.#peer, this.#resource));
    ending.add(ended);
    void ended.finally(() => ending.delete(ended));
  }

  #send(track: MediaStreamTrack): void {
    const { stream, codec } = this.#options;
    const sendEncodings = track.kind === 'video' ? encodingsOf(track, this.#options) : [];
    const transceiver = this.#peer.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings });
    if (track.kind !== 'video' || codec === '') return;
    const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
    const wanted = codecs.filter(({ mimeType }) => [`video/${codec}`, 'video/rtx'].includes(mimeType));
    transceiver.setCodecPreferences(wanted);
  }

  /** Never fails. */
  async #begin(): Promise<void> {
    try {
      await Promise.all(ending);
      // A network that lets nothing else through needs them, and who publishes can wait for them.
      const iceServers = await iceServersOf(this.#options.url);
      if (this.#closed) return;
      useIceServers(this.#peer, iceServers);
      for (const track of this.#options.stream.getTracks()) this.#send(track);
      this.#resource = await exchange(this.#peer, this.#options.url, AbortSignal.timeout(ANSWER_MS));
      whenServerCloses(this.#peer, () => this.#onServerClosed());
    } catch (error) {
      this.#tell('failed', explain(error));
    }
  }

  #onServerClosed(): void {
    this.#resource = undefined;
    this.#tell('failed', 'The server ended the connection.');
  }

  #onState(): void {
    const { connectionState } = this.#peer;
    if (connectionState === 'connected') this.#tell('live', '');
    else if (connectionState === 'disconnected') this.#tell('lost', 'The connection is interrupted…');
    else if (connectionState === 'failed')
      this.#tell('failed', 'No way to the server was found: a firewall may be in it, or its address wrong.');
  }

  #tell(phase: PublisherPhase, message: string): void {
    if (!this.#closed) this.#options.onPhase(phase, message);
  }
}

/** What is sent of the picture; empty for what the browser chooses. The limit is that of the largest size. */
function encodingsOf(
  track: MediaStreamTrack,
  { severalSizes, maxKbits }: PublisherOptions,
): RTCRtpEncodingParameters[] {
  const count = severalSizes ? sizesOf(track) : 1;
  if (count === 1) return maxKbits > 0 ? [{ maxBitrate: maxKbits * 1000 }] : [];
  return SIZES.slice(-count).map((size) => ({
    ...size,
    ...(maxKbits > 0 ? { maxBitrate: (maxKbits * 1000) / size.scaleResolutionDownBy ** 2 } : {}),
  }));
}

/** In how many sizes browsers send the picture; as many as there are when its size is not known yet. */
function sizesOf(track: MediaStreamTrack): number {
  const { width = 0, height = 0 } = track.getSettings();
  const pixels = width * height;
  return pixels === 0 || pixels >= THREE_SIZES ? 3 : pixels >= TWO_SIZES ? 2 : 1;
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
