/** What every protocol tells about a session, in the terms of the REST API (rest-api.md §3, Stream object). */
export interface SessionDescription {
  /** Identifies the connection: `/<client ip>:<port>/<server ip>:<port>`. */
  readonly sessionId: string;
  /** Identifies this publication or playback. */
  readonly mediaSessionId: string;
  readonly appKey: string;
  readonly protocol: 'rtmp' | 'hls' | 'vod';
  /** WCS's name of the provider: `Flash` for RTMP, `HLS`, `VOD`. */
  readonly mediaProvider: string;
  readonly mediaType: 'publish' | 'play';
  readonly streamName: string;
  readonly status: 'PENDING' | 'PUBLISHING' | 'PLAYING' | 'STOPPED';
  readonly createDate: number;
  readonly transport: 'TCP' | 'UDP';
  readonly remoteAddress: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Packets that this session was too slow for. */
  readonly dropped: number;
  readonly custom: Readonly<Record<string, string>>;
}

/** A publication or playback as the control side sees it, the same for all protocols. */
export interface MediaSession {
  readonly mediaSessionId: string;
  describe(): SessionDescription;
  /** Ends the session; the reason reaches the peer where its protocol can carry it. Idempotent. */
  close(reason: string): void;
}

/** All publications and playbacks, by media session id. */
export class SessionRegistry {
  readonly #sessions = new Map<string, MediaSession>();

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
    return { [Symbol.dispose]: () => void this.#sessions.delete(session.mediaSessionId) };
  }
}
