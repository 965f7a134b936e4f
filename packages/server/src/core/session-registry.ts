import type { Fields } from './access.ts';
import type { SessionFacts } from './explain.ts';
import { PastSessions } from './past-sessions.ts';

/** Protocols that sessions speak. */
export type SessionProtocol = 'rtmp' | 'flv' | 'hls' | 'mse' | 'vod' | 'webrtc' | 'rtsp' | 'mpegts' | 'srt';

/**
 * Why packets of a session did not go through. `slow_viewer`: the viewer did not read in time. `broken`: the
 * bitstream can not be parsed. `overflow`: a publisher's in-buffer was full. `not_carried`: a track that the viewer's
 * player, its protocol or the settings do not take.
 */
export type DropReason = 'slow_viewer' | 'broken' | 'overflow' | 'not_carried';

/** What every protocol tells about a session, in the terms of the REST API (rest-api.md §3, Stream object). */
export interface SessionDescription {
  /** Identifies the connection: `/<client ip>:<port>/<server ip>:<port>`. */
  readonly sessionId: string;
  /** Identifies this publication or playback. */
  readonly mediaSessionId: string;
  readonly appKey: string;
  readonly protocol: SessionProtocol;
  /** WCS's name of the provider: `Flash` for RTMP, `HLS`, `MSE`, `WSPlayer`, `VOD`, `WebRTC`, `RTSP`, `MPEGTS`, `SRT`. */
  readonly mediaProvider: string;
  readonly mediaType: 'publish' | 'play';
  readonly streamName: string;
  readonly status: 'PENDING' | 'PUBLISHING' | 'PLAYING' | 'STOPPED';
  readonly createDate: number;
  readonly transport: 'TCP' | 'UDP';
  readonly remoteAddress: string;
  /** Bytes of this publication or playback; what its connection carried before or beside it does not count. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Packets received from the publisher, or sent to the player where its protocol can tell. */
  readonly packets: number;
  /** Bytes that wait in the server for this peer: unsent for a player, buffered for a publisher. */
  readonly queuedBytes: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  /** Packets that the network lost for good on the way from or to this peer; absent where its protocol can't tell. */
  readonly lostPackets?: number | undefined;
  readonly custom: Fields;
  /** What offer and answer came to, where the protocol has them (WebRTC); absent until then. */
  readonly negotiated?: NegotiatedDescription | undefined;
}

/** What a peer and the server have agreed on. */
export interface NegotiatedDescription {
  /** The server's answer, without its ICE password. */
  readonly sdp: string;
  /** Names in SDP (`H264`, `opus`); undefined for media that is not exchanged. */
  readonly videoCodec: string | undefined;
  readonly audioCodec: string | undefined;
  /** Limits that the client asked for, bits a second; 0 for none. */
  readonly minBitrateBps: number;
  readonly maxBitrateBps: number;
  /** The orientation of the picture is told by an RTP extension (CVO). */
  readonly videoOrientation: boolean;
}

/** A publication or playback as the control side sees it, the same for all protocols. */
export interface MediaSession {
  readonly mediaSessionId: string;
  describe(): SessionDescription;
  /** What its protocol knows of why there is, or isn't, picture and sound; costs something only when it is asked for. */
  explain?(): SessionFacts;
  /** Ends the session; the reason reaches the peer where its protocol can carry it. Idempotent. */
  close(reason: string): void;
}

/** What sessions of one protocol and direction have done since the server started, ended ones included. */
export interface SessionTotals {
  readonly protocol: SessionProtocol;
  readonly mediaType: 'publish' | 'play';
  /** Sessions of this moment. */
  active: number;
  /** Sessions since the start. */
  opened: number;
  bytesIn: number;
  bytesOut: number;
  packets: number;
  /** Packets that the network lost, where the protocol can tell. */
  lostPackets: number;
  /** Of this moment. */
  queuedBytes: number;
  readonly drops: Partial<Record<DropReason, number>>;
}

/** All publications and playbacks, by media session id. */
export class SessionRegistry {
  /** The last ones that failed, as far as their protocols tell. */
  readonly past = new PastSessions();
  readonly #sessions = new Map<string, MediaSession>();
  /** Sums over ended sessions; bounded by the number of protocols. */
  readonly #ended = new Map<string, SessionTotals>();

  get size(): number {
    return this.#sessions.size;
  }

  all(): IterableIterator<MediaSession> {
    return this.#sessions.values();
  }

  get(mediaSessionId: string): MediaSession | undefined {
    return this.#sessions.get(mediaSessionId);
  }

  /** Registers a session; dispose of the result when it is over. */
  add(session: MediaSession): Disposable {
    this.#sessions.set(session.mediaSessionId, session);
    return { [Symbol.dispose]: () => this.#remove(session) };
  }

  /** Sums by protocol and direction that never decrease, but for `active` and `queuedBytes`. */
  totals(): readonly SessionTotals[] {
    const totals = new Map<string, SessionTotals>();
    for (const [key, sum] of this.#ended) totals.set(key, { ...sum, drops: { ...sum.drops } });
    for (const session of this.#sessions.values()) {
      const description = session.describe();
      const sum = addTo(totals, description);
      sum.active++;
      sum.queuedBytes += description.queuedBytes;
    }
    return [...totals.values()];
  }

  #remove(session: MediaSession): void {
    if (this.#sessions.get(session.mediaSessionId) !== session) return;
    this.#sessions.delete(session.mediaSessionId);
    addTo(this.#ended, session.describe());
  }
}

function addTo(totals: Map<string, SessionTotals>, description: SessionDescription): SessionTotals {
  const { protocol, mediaType } = description;
  const key = `${protocol} ${mediaType}`;
  let sum = totals.get(key);
  if (sum === undefined) {
    const zero = { active: 0, opened: 0, bytesIn: 0, bytesOut: 0, packets: 0, lostPackets: 0, queuedBytes: 0 };
    sum = { protocol, mediaType, ...zero, drops: {} };
    totals.set(key, sum);
  }
  sum.opened++;
  sum.bytesIn += description.bytesIn;
  sum.bytesOut += description.bytesOut;
  sum.packets += description.packets;
  sum.lostPackets += description.lostPackets ?? 0;
  for (const [reason, count] of Object.entries(description.drops) as [DropReason, number][]) {
    sum.drops[reason] = (sum.drops[reason] ?? 0) + count;
  }
  return sum;
}
