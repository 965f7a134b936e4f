import { pictureSize } from '@sluice/media';
import {
  type AdaptedStream,
  FanOutViewer,
  type MediaSession,
  type MediaSocket,
  type MediaSocketRequest,
  type MediaSocketSession,
  type PeerEndReason,
  type PeerStats,
  type SessionDescription,
  type SessionFacts,
  viewerFacts,
} from '../../../core/index.ts';
import type { MseOptions } from '../options.ts';
import type { MseDeps, MsePlace } from '../server.ts';
import type { PlayedKinds } from './acceptance.ts';
import { mpeg1Size } from './wsplayer-format.ts';

/** What the gateway gives to a player. */
export interface SdkPlayerParts {
  /** In the form that the player takes; given back by the player. */
  readonly lease: AdaptedStream;
  readonly kinds: PlayedKinds;
  readonly answer: string;
  readonly options: Pick<MseOptions, 'viewerWriteBytes' | 'viewerStallTimeoutMs'>;
  /** Finds it a place in what goes out; given back by `onOver`. */
  place(): MsePlace;
  /** It is over; once. */
  onOver(place: MsePlace | undefined): void;
}

interface Playback {
  readonly place: MsePlace;
  readonly viewer: FanOutViewer;
}

const CODEC_NAMES = {
  MSE: { video: 'H264', audio: 'mpeg4-generic' },
  WSPlayer: { video: 'MPV', audio: 'PCMU' },
} as const;

/** One player of the Web SDK over a WebSocket: answered first, playing once its socket is there. */
export class SdkPlayer implements MediaSocketSession, MediaSession {
  readonly mediaSessionId: string;
  readonly answer: string;
  readonly videoCodec: string | undefined;
  readonly audioCodec: string | undefined;
  readonly #request: MediaSocketRequest;
  readonly #deps: MseDeps;
  readonly #parts: SdkPlayerParts;
  readonly #registration: Disposable;
  readonly #createdAt = Date.now();
  #socket: MediaSocket | undefined;
  #playback: Playback | undefined;
  #size: { readonly width: number; readonly height: number } | undefined;
  #over = false;

  constructor(request: MediaSocketRequest, deps: MseDeps, parts: SdkPlayerParts) {
    this.mediaSessionId = request.mediaSessionId;
    this.answer = parts.answer;
    const names = CODEC_NAMES[request.provider];
    this.videoCodec = parts.kinds.video ? names.video : undefined;
    this.audioCodec = parts.kinds.audio ? names.audio : undefined;
    this.#request = request;
    this.#deps = deps;
    this.#parts = parts;
    this.#registration = deps.sessions.add(this);
  }

  attach(socket: MediaSocket): void {
    if (this.#over || this.#socket !== undefined) return;
    this.#socket = socket;
    socket.onGone(() => this.end('peer_closed', 'the media socket is closed'));
    const { lease, options } = this.#parts;
    // The stream may have ended while the socket was on its way.
    if (lease.source.ended) return this.end('publisher_stopped', '');
    const place = this.#parts.place();
    const viewer = new FanOutViewer(socket, place.fanOut, {
      maxWriteBytes: options.viewerWriteBytes,
      stallTimeoutMs: options.viewerStallTimeoutMs,
      onEnded: (reason) => this.end('publisher_stopped', reason),
    });
    this.#playback = { place, viewer };
    place.fanOut.stream.addViewers(1);
    // In the status that says that it plays.
    this.#tellSize();
    this.#request.events.onActive();
    if (this.#over) return;
    viewer.pump();
    lease.source.viewerReady();
  }

  /** Called about once a second. */
  check(nowMs: number): void {
    const { lease, kinds, options } = this.#parts;
    if (lease.source.ended) return this.end('publisher_stopped', '');
    // The answer has promised both: a player waits for ever for what does not come.
    const missing = (kinds.video && lease.leftOut.video) || (kinds.audio && lease.leftOut.audio);
    if (typeof missing === 'string') return this.end('not_playable', missing);
    this.#tellSize();
    if (this.#playback?.viewer.isStalled(nowMs) !== true) return;
    this.#deps.counters.count('mse_slow_viewers');
    this.end('ice_keep_alive', `player has not read for ${options.viewerStallTimeoutMs} ms`);
  }

  /** By the operator. */
  close(reason?: string): void {
    if (reason === undefined) this.#release();
    else this.end('terminated', reason);
  }

  /** Ends it and tells signalling, which ends the socket where it is not for others. Idempotent. */
  end(reason: PeerEndReason, detail: string): void {
    if (this.#release()) this.#request.events.onEnded(reason, detail);
  }

  stats(): PeerStats {
    const { source } = this.#parts.lease;
    const { packetsSent = 0, bytesSent = 0 } = this.#playback?.viewer ?? {};
    return {
      videoBitrateBps: this.#parts.kinds.video ? Math.round(source.videoRate.bitsPerSecond) : 0,
      audioBitrateBps: this.#parts.kinds.audio ? Math.round(source.audioRate.bitsPerSecond) : 0,
      rttMs: undefined,
      packetsLost: 0,
      packets: packetsSent,
      bytes: bytesSent,
    };
  }

  describe(): SessionDescription {
    const { sessionId, appKey, provider, streamName, remoteAddress, custom } = this.#request;
    const viewer = this.#playback?.viewer;
    return {
      sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey,
      protocol: 'mse',
      mediaProvider: provider,
      mediaType: 'play',
      streamName,
      status: this.#over ? 'STOPPED' : viewer === undefined ? 'PENDING' : 'PLAYING',
      createDate: this.#createdAt,
      transport: 'TCP',
      remoteAddress,
      bytesIn: 0,
      bytesOut: viewer?.bytesSent ?? 0,
      packets: viewer?.packetsSent ?? 0,
      queuedBytes: this.#socket?.queuedBytes ?? 0,
      drops: viewer === undefined ? {} : { slow_viewer: viewer.dropped },
      custom,
    };
  }

  explain(): SessionFacts {
    const connection = { queuedBytes: this.#socket?.queuedBytes ?? 0, secure: this.#socket?.secure === true };
    if (this.#playback === undefined) return { tcp: connection, media: [] };
    const { place, viewer } = this.#playback;
    return viewerFacts({ ...place, viewer, wants: this.#parts.kinds, ...connection }, this.#deps.adaptations);
  }

  #tellSize(): void {
    const { lease, kinds } = this.#parts;
    const { log } = lease.stream;
    const packet = kinds.video ? log.at(log.lastStartPoint)?.packet : undefined;
    const [picture] = packet?.units ?? [];
    if (packet === undefined || packet.track.kind !== 'video' || picture === undefined) return;
    const size = packet.track.codec === 'mpeg1' ? mpeg1Size(picture) : pictureSize(packet);
    if (size === undefined || (size.width === this.#size?.width && size.height === this.#size.height)) return;
    this.#size = size;
    this.#request.events.onResize?.(size.width, size.height);
  }

  /** False when it is over already. */
  #release(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#registration[Symbol.dispose]();
    const place = this.#playback?.place;
    this.#playback?.viewer.close();
    place?.fanOut.stream.addViewers(-1);
    this.#parts.onOver(place);
    this.#parts.lease[Symbol.dispose]();
    return true;
  }
}
