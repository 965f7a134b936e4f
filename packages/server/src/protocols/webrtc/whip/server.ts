import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ProtocolError } from '@sluice/media';
import {
  type AccessControl,
  type Counters,
  ENDING_INFO,
  infoOfError,
  type Log,
  MediaServerError,
  type PeerGateway,
  type PeerRequest,
  type PeerSession,
  type SessionRegistry,
  type StreamAccess,
  startUsOf,
  type VideoForm,
} from '../../../core/index.ts';
import { type HttpMount, RateLimiter } from '../../../io/index.ts';
import { Answerer, ENDPOINT_METHODS, FRAGMENT_TYPE, SDP_TYPE, SESSION_METHODS } from './answer.ts';
import { credentialsOf } from './fragment.ts';
import { resolveWhipOptions, type WhipOptions } from './options.ts';
import {
  appKeyOf,
  customOf,
  endpointsOf,
  factsOf,
  hasBodyOf,
  introductionOf,
  matches,
  pictureOf,
  type Refusal,
  readBody,
  resourceIdOf,
  resourcePath,
  splitTarget,
  streamNameOf,
  type Target,
  wantsRecording,
} from './request.ts';
import { WhipSession } from './sessions.ts';

export interface WhipDeps {
  readonly gateway: PeerGateway;
  readonly sessions: SessionRegistry;
  /** Asked before a client publishes or plays. */
  readonly access: AccessControl;
  /** False for pages that may do neither (`allow_domains`). Default: all may. */
  readonly allowsOrigin?: ((origin: string | undefined) => boolean) | undefined;
  readonly log: Log;
  readonly counters: Counters;
}

/** One request with what was read from its URL. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
}

const FAULT_LINES_PER_SECOND = 5;

/**
 * Answers WHIP (RFC 9725) or WHEP (draft-ietf-wish-whep) under its prefix of the web port: a POST with an offer to
 * `<prefix><stream>` makes a session, whose own address takes PATCH and DELETE. A session ends with its peer.
 */
export class WhipMount implements HttpMount {
  readonly prefix: string;
  readonly #way: 'publish' | 'play';
  readonly #deps: WhipDeps;
  readonly #options: WhipOptions;
  readonly #answer: Answerer;
  readonly #sessions = new Map<string, WhipSession>();
  readonly #pending = new Set<Promise<void>>();
  readonly #faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #stopping = new AbortController();

  /** @throws MediaServerError CONFIG_INVALID for a header that can't be sent */
  constructor(way: 'publish' | 'play', deps: WhipDeps, options: Partial<WhipOptions> = {}) {
    this.prefix = way === 'publish' ? '/whip/' : '/whep/';
    this.#way = way;
    this.#deps = deps;
    this.#options = resolveWhipOptions(options);
    this.#answer = new Answerer(this.#options);
  }

  /** Sessions of this moment, with those that are being set up. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy());
    const exchange = { request, response, target: splitTarget(request.url ?? '', this.prefix) };
    const work = this.#route(exchange).catch((error: unknown) => this.#fail(exchange, error));
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  upgrade(request: IncomingMessage, socket: Duplex): void {
    this.#answer.refuseUpgrade(request, socket);
  }

  /** Ends all sessions; resolves when no request is left. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort();
    for (const session of this.#sessions.values()) session.close('the server stops', ENDING_INFO.shutdown);
    this.#sessions.clear();
    await Promise.all(this.#pending);
  }

  async #route(exchange: Exchange): Promise<void> {
    const { request, response, target } = exchange;
    const session = this.#sessions.get(resourceIdOf(target));
    const allow = session === undefined ? ENDPOINT_METHODS : SESSION_METHODS;
    switch (request.method) {
      case 'OPTIONS':
        return this.#answer.options(response, allow);
      case 'POST':
        if (session === undefined) return this.#create(exchange);
        break;
      case 'PATCH':
        return this.#patch(exchange, session);
      case 'DELETE':
        return this.#delete(exchange, session);
      default:
        break;
    }
    this.#refuse(exchange, { status: 405, message: `${request.method ?? ''} is not for this address`, allow });
  }

  async #create(exchange: Exchange): Promise<void> {
    const { request, response, target } = exchange;
    const streamName = streamNameOf(target, this.prefix);
    if (typeof streamName !== 'string') return this.#refuse(exchange, streamName);
    const picture = this.#way === 'play' ? pictureOf(target) : undefined;
    const refusal = this.#admit(request) ?? refusalOf(picture);
    if (refusal !== undefined) return this.#refuse(exchange, refusal);
    const offer = await this.#readBody(request);
    if (typeof offer !== 'string') return this.#refuse(exchange, offer);
    // Asked again: others may have come while the body did.
    const late = this.#admit(request);
    if (late !== undefined) return this.#refuse(exchange, late);
    const session = new WhipSession(this.#way, streamName, offer);
    this.#sessions.set(session.id, session);
    response.once('close', () => {
      if (!response.writableFinished) this.#end(session, 'the client left before it had the answer');
    });
    const peer = await this.#setUp(exchange, session, offer);
    if (peer !== undefined) session.begin(peer);
    if (peer === undefined || !session.isRunning)
      return this.#refuse(exchange, { status: 503, message: session.ended ?? 'the session is over' });
    const location = resourcePath(this.prefix, streamName, session.id);
    this.#answer.created(response, { answer: peer.answer, location, etag: session.etag });
  }

  /** Undefined when it was aborted meanwhile. */
  async #setUp(exchange: Exchange, session: WhipSession, offer: string): Promise<PeerSession | undefined> {
    const { gateway } = this.#deps;
    let name = session.streamName;
    try {
      const access = await this.#ask(exchange, session, offer);
      if (access === undefined) return undefined;
      name = access.name;
      const request = {
        ...this.#peerRequest(exchange, session, { name, offer }),
        ...session.admission.recording(access),
      };
      return await (this.#way === 'publish' ? gateway.publish(request) : gateway.play(request));
    } catch (error) {
      this.#sessions.delete(session.id);
      if (session.ended !== undefined) return undefined;
      session.fail(infoOfError(error));
      // The message would tell a name that the back end keeps from its clients.
      if (error instanceof MediaServerError && name !== session.streamName)
        throw new MediaServerError(error.code, infoOfError(error), { cause: error });
      throw error;
    }
  }

  /** Undefined as soon as the session is over: the back end may take its time, and then it is told so. */
  async #ask({ request, target }: Exchange, session: WhipSession, offer: string): Promise<StreamAccess | undefined> {
    const introduction = introductionOf(target, request);
    const client = {
      ...introduction,
      sessionId: sessionIdOf(request, session),
      close: (reason: string) => this.#end(session, reason),
    };
    const { mediaSessionId, streamName, way } = session;
    const record = way === 'publish' && (this.#options.recordPublished || wantsRecording(target));
    const facts = factsOf({ mediaSessionId, streamName, way, record }, offer, customOf(target, request));
    const { signal } = session.abort;
    const over = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    return Promise.race([session.admission.ask(this.#deps.access, client, { way: this.#way, facts }), over]);
  }

  #peerRequest(
    { request, target }: Exchange,
    session: WhipSession,
    { name, offer }: { readonly name: string; readonly offer: string },
  ): PeerRequest {
    return {
      ...endpointsOf(request),
      sessionId: sessionIdOf(request, session),
      streamName: name,
      mediaSessionId: session.mediaSessionId,
      appKey: appKeyOf(target),
      mediaProvider: 'WebRTC',
      offer,
      videoOrientation: this.#options.videoOrientation,
      custom: customOf(target, request),
      waitMs: this.#way === 'play' ? this.#options.playWaitMs : undefined,
      picture: this.#way === 'play' ? formOf(pictureOf(target)) : undefined,
      startUs: startUsOf(customOf(target, request)['start']),
      signal: session.abort.signal,
      events: {
        onActive: () => {
          const active = this.#deps.sessions.get(session.mediaSessionId);
          if (active !== undefined) session.admission.active(active);
        },
        onEnded: (reason, detail) => {
          session.peerEnded(reason, detail);
          this.#sessions.delete(session.id);
        },
        onRecording: (event) => session.admission.recorded(event),
      },
    };
  }

  async #patch(exchange: Exchange, session: WhipSession | undefined): Promise<void> {
    const { request, response } = exchange;
    if (session?.isRunning !== true) return this.#refuse(exchange, noSession());
    if (!hasBodyOf(request, FRAGMENT_TYPE))
      return this.#refuse(exchange, { status: 415, message: `send ${FRAGMENT_TYPE}` });
    const ifMatch = request.headers['if-match'];
    if (ifMatch === undefined)
      return this.#refuse(exchange, { status: 428, message: 'send the ETag of the session as If-Match, or *' });
    const fragment = await this.#readBody(request);
    if (typeof fragment !== 'string') return this.#refuse(exchange, fragment);
    // The body took its time: the session may be over, or have another tag.
    if (!session.isRunning) return this.#refuse(exchange, noSession());
    if (!matches(ifMatch, session.etag))
      return this.#refuse(exchange, { status: 412, message: 'ICE was restarted since: the ETag is another one' });
    const remote = credentialsOf(fragment);
    // Candidates need not be looked at: the server is ICE-lite and learns them from the client's checks.
    if (remote === undefined || !session.isRestart(remote)) return this.#answer.done(response, 204);
    const restarted = session.restart(remote);
    if (restarted === undefined) return this.#refuse(exchange, noSession());
    this.#answer.restarted(response, { fragment: restarted, etag: session.etag });
  }

  async #delete(exchange: Exchange, session: WhipSession | undefined): Promise<void> {
    if (session === undefined) return this.#refuse(exchange, noSession());
    this.#end(session, 'the client ended it', ENDING_INFO.stoppedByUser);
    this.#answer.done(exchange.response, 200);
  }

  #readBody(request: IncomingMessage): ReturnType<typeof readBody> {
    const { maxBodyBytes, bodyTimeoutMs } = this.#options;
    return readBody(request, { maxBodyBytes, bodyTimeoutMs, signal: this.#stopping.signal });
  }

  #end(session: WhipSession, reason: string, info?: string): void {
    session.close(reason, info);
    this.#sessions.delete(session.id);
  }

  /** Why no offer can be taken from this request now. */
  #admit(request: IncomingMessage): Refusal | undefined {
    const { maxSessions } = this.#options;
    if (this.#stopping.signal.aborted) return { status: 503, message: 'the server stops' };
    if (this.#deps.allowsOrigin?.(request.headers.origin) === false)
      return { status: 403, message: 'pages of this origin may not publish or play here (allow_domains)' };
    if (!hasBodyOf(request, SDP_TYPE)) return { status: 415, message: `send the offer as ${SDP_TYPE}` };
    if (this.#sessions.size < maxSessions) return undefined;
    return { status: 503, message: `the limit of ${maxSessions} sessions is reached` };
  }

  /** Refuses; a client that is gone gets nothing. */
  #refuse({ request, response }: Exchange, refusal: (Refusal & { readonly allow?: string }) | undefined): void {
    if (refusal === undefined) return void response.destroy();
    this.#deps.counters.count('whip_refused');
    this.#answer.refuse(response, refusal);
    // A body that nobody reads would keep the connection from ever ending.
    request.resume();
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (error instanceof ProtocolError) return this.#refuse(exchange, { status: 400, message: error.message });
    if (error instanceof MediaServerError)
      return this.#refuse(exchange, { status: error.status, message: error.message || infoOfError(error) });
    const suppressed = this.#faults.take();
    if (suppressed >= 0) this.#deps.log.error({ err: error, mount: this.prefix, suppressed }, 'request failed');
    this.#refuse(exchange, { status: 500, message: 'internal error' });
  }
}

/** Differs for each session: one HTTP connection may carry several. */
function sessionIdOf(request: IncomingMessage, { mediaSessionId }: WhipSession): string {
  return `${endpointsOf(request).sessionId}/${mediaSessionId.slice(0, 8)}`;
}

function refusalOf(picture: ReturnType<typeof pictureOf>): Refusal | undefined {
  return picture !== undefined && 'status' in picture ? picture : undefined;
}

function formOf(picture: ReturnType<typeof pictureOf>): VideoForm | undefined {
  return picture === undefined || 'status' in picture ? undefined : picture;
}

function noSession(): Refusal {
  return { status: 404, message: 'no session has this address; it may have ended' };
}
