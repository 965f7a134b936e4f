import {
  type IceCredentials,
  MediaServerError,
  type PeerEndReason,
  type PeerGateway,
  type PeerRequest,
  type PeerSession,
  type PeerStats,
  type SessionDescription,
  type SessionRegistry,
  type StreamRegistry,
} from '../../../core/index.ts';

/** Codecs that this gateway knows, by their names in SDP. */
const VIDEO = ['H264', 'VP8'];
const AUDIO = ['opus', 'PCMA'];

/** Offers with sound and picture, as far as this gateway reads them. */
export const OFFER = [
  'v=0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=rtpmap:111 opus/48000/2',
  'm=video 9 UDP/TLS/RTP/SAVPF 102',
  'a=rtpmap:102 H264/90000',
  '',
].join('\r\n');
export const AUDIO_OFFER = OFFER.slice(0, OFFER.indexOf('m=video'));

interface Hub {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
}

/**
 * A gateway whose peers have signalling and places in the hub's registries but no transport: tests say when media
 * flows and what breaks.
 */
export class MemoryGateway implements PeerGateway {
  /** Those that are not over, by media session id. */
  readonly peers = new Map<string, MemoryPeer>();
  readonly requests: PeerRequest[] = [];
  /** Awaited before an answer is given, when there is one. */
  gate: Promise<unknown> | undefined;
  /** Called as soon as a peer exists, before its answer is given. */
  onPeer: (peer: MemoryPeer) => void = () => {};
  /** Thrown at requests, when there is one. */
  error: Error | undefined;
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** @throws Error when there is none of that id */
  peer(mediaSessionId: string): MemoryPeer {
    const peer = this.peers.get(mediaSessionId);
    if (peer === undefined) throw new Error(`no peer ${mediaSessionId}`);
    return peer;
  }

  async publish(request: PeerRequest): Promise<PeerSession> {
    const peer = this.#peer(request, 'publish');
    const { streams } = this.#hub;
    const publisher = { sessionId: request.mediaSessionId, close: (reason: string) => peer.end('terminated', reason) };
    const stream = streams.publish(request.streamName, publisher);
    peer.onOver(() => streams.unpublish(stream, publisher, 'peer is over'));
    this.#add(peer);
    await this.gate;
    return peer;
  }

  async play(request: PeerRequest): Promise<PeerSession> {
    const peer = this.#peer(request, 'play');
    const stream = await this.#hub.streams.waitFor(request.streamName, request.waitMs ?? 0, request.signal);
    if (stream === undefined) throw new MediaServerError('STREAM_NOT_FOUND', `no stream "${request.streamName}"`);
    const reader = stream.attach({
      startAt: 'live',
      onReadable: () => {},
      onEnd: (reason) => peer.end('publisher_stopped', reason),
    });
    peer.onOver(() => reader.close());
    this.#add(peer);
    await this.gate;
    return peer;
  }

  #peer(request: PeerRequest, mediaType: 'publish' | 'play'): MemoryPeer {
    this.requests.push(request);
    if (this.error !== undefined) throw this.error;
    const { mediaSessionId, offer } = request;
    if (!offer.includes('m=')) throw new MediaServerError('SDP_INVALID', 'the offer has no media');
    if (this.#hub.sessions.get(mediaSessionId) !== undefined)
      throw new MediaServerError('MEDIA_SESSION_BUSY', `id ${mediaSessionId} is in use`);
    const codecs = [...offer.matchAll(/a=rtpmap:\d+ ([^/]+)/g)].map((match) => match[1] ?? '');
    const peer = new MemoryPeer(request, mediaType, codecs);
    if (peer.videoCodec === undefined && peer.audioCodec === undefined)
      throw new MediaServerError('NO_COMMON_CODECS', 'no codec of the offer is known');
    return peer;
  }

  #add(peer: MemoryPeer): void {
    const registration = this.#hub.sessions.add(peer.mediaSession());
    this.peers.set(peer.mediaSessionId, peer);
    peer.onOver(() => {
      this.peers.delete(peer.mediaSessionId);
      registration[Symbol.dispose]();
    });
    this.onPeer(peer);
  }
}

/** One peer of a MemoryGateway, and the levers of it. */
export class MemoryPeer implements PeerSession {
  readonly mediaSessionId: string;
  readonly answer: string;
  readonly videoCodec: string | undefined;
  readonly audioCodec: string | undefined;
  /** How media goes, once that is known. */
  transport: 'udp' | 'tcp' | undefined;
  /** What `stats` gives for video. */
  videoBitrateBps = 0;
  readonly #request: PeerRequest;
  readonly #mediaType: 'publish' | 'play';
  readonly #createDate = Date.now();
  #onOver: (() => void)[] = [];
  #active = false;
  #over = false;

  constructor(request: PeerRequest, mediaType: 'publish' | 'play', codecs: readonly string[]) {
    this.#request = request;
    this.#mediaType = mediaType;
    this.mediaSessionId = request.mediaSessionId;
    this.videoCodec = codecs.find((codec) => VIDEO.includes(codec));
    this.audioCodec = codecs.find((codec) => AUDIO.includes(codec));
    this.answer =
      'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n';
  }

  /** Media flows. */
  activate(): void {
    this.#active = true;
    this.#request.events.onActive();
  }

  resize(width: number, height: number): void {
    this.#request.events.onResize?.(width, height);
  }

  /** The way to a player carries less than its stream takes. */
  thin(streamBps: number, availableBps: number): void {
    this.#request.events.onNotEnoughBandwidth?.(streamBps, availableBps);
  }

  /** It breaks, or somebody else ends it. */
  end(reason: PeerEndReason, detail = ''): void {
    if (!this.#release()) return;
    this.#request.events.onEnded(reason, detail);
  }

  close(): void {
    this.#release();
  }

  stats(): PeerStats {
    const { videoBitrateBps } = this;
    return { videoBitrateBps, audioBitrateBps: 0, rttMs: undefined, packetsLost: 0, packets: 0, bytes: 0 };
  }

  restartIce(): IceCredentials {
    throw new Error('a peer without a transport has no ICE');
  }

  onOver(listener: () => void): void {
    this.#onOver.push(listener);
  }

  mediaSession(): { mediaSessionId: string; describe(): SessionDescription; close(reason: string): void } {
    return {
      mediaSessionId: this.mediaSessionId,
      describe: () => this.#describe(),
      close: (reason) => this.end('terminated', reason),
    };
  }

  #release(): boolean {
    if (this.#over) return false;
    this.#over = true;
    for (const listener of this.#onOver) listener();
    this.#onOver = [];
    return true;
  }

  #describe(): SessionDescription {
    const { sessionId, appKey, mediaProvider, streamName, remoteAddress, custom } = this.#request;
    const active = this.#mediaType === 'publish' ? 'PUBLISHING' : 'PLAYING';
    return {
      ...{ sessionId, appKey, mediaProvider, streamName, remoteAddress, custom },
      mediaSessionId: this.mediaSessionId,
      protocol: 'webrtc',
      mediaType: this.#mediaType,
      status: this.#active ? active : 'PENDING',
      createDate: this.#createDate,
      transport: 'UDP',
      bytesIn: 0,
      bytesOut: 0,
      packets: 0,
      queuedBytes: 0,
      drops: {},
    };
  }
}
