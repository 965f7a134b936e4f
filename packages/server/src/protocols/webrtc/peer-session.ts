import type {
  DropReason,
  IceCredentials,
  Log,
  MediaSession,
  NegotiatedDescription,
  PastSessions,
  PeerEndReason,
  PeerRequest,
  PeerSession,
  PeerStats,
  SessionDescription,
  SessionFacts,
} from '../../core/index.ts';
import { iceFailure } from './explain/ice-failure.ts';
import { type ExplainedSession, sessionFacts } from './explain/session-facts.ts';
import type { WebRtcOptions } from './options.ts';
import type { Peer, PeerMedia } from './peer.ts';
import type { NegotiatedMedia } from './wire/offer-answer/index.ts';

/** What a session asks of the server that owns it. */
export interface PeerSessionContext {
  readonly log: Log;
  /** Codecs that the settings allow. */
  readonly codecs: Pick<WebRtcOptions, 'videoCodecs' | 'audioCodecs'>;
  /** Takes what is known of sessions that fail. */
  readonly past: PastSessions;
  /** The session is over and holds nothing any more. */
  sessionGone(session: BasePeerSession): void;
}

/** What kind of session it is, and how it looks from outside at this moment. */
interface MediaFacts {
  readonly packets: number;
  readonly queuedBytes: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly lostPackets: number;
}

/** Ends that nobody asks the reasons of, and that may come for many at once. */
const HARMLESS: ReadonlySet<PeerEndReason> = new Set([
  'publisher_stopped',
  'file_finished',
  'server_stops',
  'peer_closed',
]);

/** What publishing and playing have in common: one peer, its description, its end. */
export abstract class BasePeerSession implements PeerSession, MediaSession {
  readonly mediaSessionId: string;
  answer = '';
  videoCodec: string | undefined;
  audioCodec: string | undefined;
  /** What offer and answer agree on. */
  negotiated: NegotiatedMedia | undefined;
  protected readonly request: PeerRequest;
  protected readonly log: Log;
  protected active = false;
  protected over = false;
  readonly #context: PeerSessionContext;
  readonly #createdAt = Date.now();
  #peer: Peer | undefined;
  #lostPackets = 0;
  #described: NegotiatedDescription | undefined;

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
  /** What each kind of media comes to, and what the stream has. */
  protected abstract mediaFacts(nowMs: number): Pick<ExplainedSession, 'media' | 'source' | 'roundTripMs'>;
  /** Lets go of the stream; `deliberate` when the peer or its signalling wished it. */
  protected abstract release(reason: string, deliberate: boolean): void;

  /** Begins to listen for the peer, and gives our credentials for the answer. */
  protected run(peer: Peer, media: PeerMedia): IceCredentials {
    this.#peer = peer;
    return peer.start(media);
  }

  /** A TURN server's allocations carry UDP, whatever brings them there. */
  get transport(): 'udp' | 'tcp' | undefined {
    const via = this.#peer?.via;
    return via === 'relay' ? 'udp' : via;
  }

  describe(): SessionDescription {
    const facts = this.facts();
    // Packets that come late after all make a number smaller, which a sum over sessions must not become.
    this.#lostPackets = Math.max(this.#lostPackets, facts.lostPackets);
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
      transport: this.#peer?.via === 'tcp' ? 'TCP' : 'UDP',
      remoteAddress,
      bytesIn: this.#peer?.bytesIn ?? 0,
      bytesOut: this.#peer?.bytesOut ?? 0,
      ...facts,
      queuedBytes: facts.queuedBytes + (this.#peer?.queuedBytes ?? 0),
      lostPackets: this.#lostPackets,
      custom,
      negotiated: this.#describeNegotiated(),
    };
  }

  /** Made once: lists of sessions are asked for often. */
  #describeNegotiated(): NegotiatedDescription | undefined {
    if (this.answer === '' || this.negotiated === undefined) return undefined;
    const { answer } = this;
    this.#described ??= {
      // Made when somebody reads it: it would be kept a second time for each session.
      get sdp() {
        return answer.replace(/^a=ice-pwd:.*\r?\n/gm, '');
      },
      videoCodec: this.videoCodec,
      audioCodec: this.audioCodec,
      minBitrateBps: this.request.minBitrateBps ?? 0,
      maxBitrateBps: this.request.maxBitrateBps ?? 0,
      videoOrientation: this.negotiated.video?.extensions.videoOrientation !== undefined,
    };
    return this.#described;
  }

  explain(): SessionFacts {
    const nowMs = performance.now();
    return sessionFacts({
      request: this.request,
      answer: this.answer,
      negotiated: this.negotiated,
      codecs: this.#context.codecs,
      mediaType: this.mediaType,
      peer: this.#peer?.explain(nowMs),
      ...this.mediaFacts(nowMs),
    });
  }

  restartIce(remote: IceCredentials): IceCredentials {
    return this.#peer?.restartIce(remote) ?? remote;
  }

  /** By signalling, or by the operator with a reason, which then is told to the peer. */
  close(reason?: string): void {
    if (reason === undefined) {
      if (!this.active) this.#remember('client_left', 'the client ended it before media flowed');
      this.#finish('stopped by the client', true);
    } else this.end('terminated', reason);
  }

  /** Called by the peer's transport, and by what the session hangs on. */
  end(reason: PeerEndReason, detail: string): void {
    if (this.over) return;
    const told = this.#withTransport(reason, detail);
    if (!HARMLESS.has(reason)) this.#remember(reason, told);
    this.#finish(`${reason}: ${told}`, reason === 'terminated' || reason === 'peer_closed');
    this.request.events.onEnded(reason, told);
  }

  protected activate(): void {
    if (this.active || this.over) return;
    this.active = true;
    this.log.info({}, `${this.mediaType} started`);
    this.request.events.onActive();
  }

  /** What the transport can add to the reason, for those who have to find out why. */
  #withTransport(reason: PeerEndReason, detail: string): string {
    if (reason !== 'ice_timeout' && reason !== 'ice_keep_alive') return detail;
    const ice = this.explain().webrtc?.ice;
    return ice === undefined ? detail : iceFailure(detail, ice);
  }

  /** While all that there is to know is still there. */
  #remember(errorCode: string, error: string): void {
    if (this.over) return;
    const { sessionId, streamName, remoteAddress } = this.request;
    this.#context.past.add({
      ...{ mediaSessionId: this.mediaSessionId, sessionId, streamName, protocol: 'webrtc', mediaType: this.mediaType },
      ...{ remoteAddress, sinceMs: this.#createdAt, endedMs: Date.now(), errorCode, error },
      facts: this.explain(),
    });
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
