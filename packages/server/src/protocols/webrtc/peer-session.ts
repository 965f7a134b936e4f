import type {
  DropReason,
  IceCredentials,
  Log,
  MediaSession,
  PeerEndReason,
  PeerRequest,
  PeerSession,
  PeerStats,
  SessionDescription,
} from '../../core/index.ts';
import type { Peer, PeerMedia } from './peer.ts';

/** What a session asks of the server that owns it. */
export interface PeerSessionContext {
  readonly log: Log;
  /** The session is over and holds nothing any more. */
  sessionGone(session: BasePeerSession): void;
}

/** What kind of session it is, and how it looks from outside at this moment. */
interface MediaFacts {
  readonly packets: number;
  readonly queuedBytes: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
}

/** What publishing and playing have in common: one peer, its description, its end. */
export abstract class BasePeerSession implements PeerSession, MediaSession {
  readonly mediaSessionId: string;
  answer = '';
  videoCodec: string | undefined;
  audioCodec: string | undefined;
  protected readonly request: PeerRequest;
  protected readonly log: Log;
  protected active = false;
  protected over = false;
  readonly #context: PeerSessionContext;
  readonly #createdAt = Date.now();
  #peer: Peer | undefined;

  constructor(request: PeerRequest, context: PeerSessionContext) {
    this.request = request;
    this.mediaSessionId = request.mediaSessionId;
    this.#context = context;
    this.log = context.log.child({
      session: request.sessionId,
      mediaSessionId: request.mediaSessionId,
      stream: request.streamName,
    });
  }

  abstract readonly mediaType: 'publish' | 'play';
  abstract stats(): PeerStats;
  protected abstract facts(): MediaFacts;
  /** Lets go of the stream; `deliberate` when the peer or its signalling wished it. */
  protected abstract release(reason: string, deliberate: boolean): void;

  /** Begins to listen for the peer, and gives our credentials for the answer. */
  protected run(peer: Peer, media: PeerMedia): IceCredentials {
    this.#peer = peer;
    return peer.start(media);
  }

  describe(): SessionDescription {
    const { sessionId, appKey, mediaProvider, streamName, remoteAddress, custom } = this.request;
    const running = this.mediaType === 'publish' ? 'PUBLISHING' : 'PLAYING';
    return {
      sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey,
      protocol: 'webrtc',
      mediaProvider,
      mediaType: this.mediaType,
      streamName,
      status: this.over ? 'STOPPED' : this.active ? running : 'PENDING',
      createDate: this.#createdAt,
      transport: 'UDP',
      remoteAddress,
      bytesIn: this.#peer?.bytesIn ?? 0,
      bytesOut: this.#peer?.bytesOut ?? 0,
      ...this.facts(),
      custom,
    };
  }

  restartIce(remote: IceCredentials): IceCredentials {
    return this.#peer?.restartIce(remote) ?? remote;
  }

  /** By signalling, or by the operator with a reason, which then is told to the peer. */
  close(reason?: string): void {
    if (reason === undefined) this.#finish('stopped by the client', true);
    else this.end('terminated', reason);
  }

  /** Called by the peer's transport, and by what the session hangs on. */
  end(reason: PeerEndReason, detail: string): void {
    if (this.over) return;
    this.#finish(`${reason}: ${detail}`, reason === 'terminated' || reason === 'peer_closed');
    this.request.events.onEnded(reason, detail);
  }

  protected activate(): void {
    if (this.active || this.over) return;
    this.active = true;
    this.log.info({}, `${this.mediaType} started`);
    this.request.events.onActive();
  }

  #finish(reason: string, deliberate: boolean): void {
    if (this.over) return;
    this.over = true;
    this.#peer?.close();
    this.release(reason, deliberate);
    this.#context.sessionGone(this);
    this.log.info({ reason, ...this.facts() }, `${this.mediaType} ended`);
  }
}
