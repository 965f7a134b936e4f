import { validateHeaderName, validateHeaderValue } from 'node:http';
import { MediaServerError, type ProtocolDeps, type Renditions, type StreamPackaging } from '../../core/index.ts';
import type { Ticker, TlsIdentity } from '../../io/index.ts';
import { Answerer } from './answer.ts';
import { HlsChannels } from './channels.ts';
import { DvrStore } from './dvr/dvr-store.ts';
import type { Asking, Understood } from './http/desk.ts';
import { type Door, PlainDoor, SecureDoor } from './http/doors.ts';
import type { Exchange } from './http/exchange.ts';
import { MediaDesk } from './http/media-desk.ts';
import { PlaylistDesk, type PlaylistTarget } from './http/playlist-desk.ts';
import { Refusals } from './http/refusals.ts';
import { WaitingRoom } from './http/waiting-room.ts';
import { type HlsOptions, resolveHlsOptions } from './options.ts';
import { Preloader } from './preloader/preloader.ts';
import {
  type HlsTarget,
  isMediaFile,
  knownTarget,
  type MediaFile,
  parseDirectives,
  withoutDirectives,
} from './request.ts';
import { HlsViewers, type ViewerStatistics } from './viewers.ts';

export interface HlsServerDeps extends Omit<ProtocolDeps, 'connections'> {
  readonly ticker: Ticker;
  /** Qualities of streams; absent: there is only the one that is published. */
  readonly renditions?: Renditions | undefined;
}

const MAX_URL_CHARACTERS = 8192;
const REQUEST_TIMEOUT_MS = 10_000;
/** A client that reads nothing for this long is let go. */
const IDLE_SOCKET_MS = 60_000;
const SWEEP_EVERY_MS = 500;

/** Serves live streams over HTTP Live Streaming (RFC 8216, RFC 8216bis) and DASH, by HTTP/1.1 and HTTP/2. */
export class HlsServer {
  /** For the control side. */
  readonly packaging: StreamPackaging;
  readonly #deps: HlsServerDeps;
  readonly #options: HlsOptions;
  readonly #answer: Answerer;
  readonly #refuse: Refusals;
  readonly #channels: HlsChannels;
  readonly #viewers: HlsViewers;
  readonly #room: WaitingRoom;
  readonly #playlists: PlaylistDesk;
  readonly #media: MediaDesk;
  readonly #dvr: DvrStore | undefined;
  readonly #preloader: Preloader | undefined;
  readonly #plain: PlainDoor | undefined;
  readonly #secure: SecureDoor | undefined;
  #tick: Disposable | undefined;
  /** Requests whose viewers are being asked about. */
  #asking = 0;

  constructor(deps: HlsServerDeps, options: Partial<HlsOptions> = {}) {
    const { counters } = deps;
    this.#deps = deps;
    this.#options = resolveHlsOptions(options);
    const { archive, preloader, container, maxWaiting, maxViewers } = this.#options;
    this.#answer = new Answerer(this.#options);
    this.#refuse = new Refusals(this.#answer, counters);
    const dvr = archive && new DvrStore(deps, archive);
    this.#dvr = dvr;
    this.#preloader = preloader && new Preloader(deps, preloader, container);
    const openArchive = dvr && { openArchive: (streamName: string) => dvr.open(streamName) };
    this.#channels = new HlsChannels({ ...deps, ...openArchive }, this.#options);
    this.#viewers = new HlsViewers(deps.sessions, {
      max: maxViewers,
      explain: (streamName, silentMs) => this.#channels.explain(streamName, silentMs),
    });
    this.#room = new WaitingRoom(maxWaiting);
    const desk = {
      channels: this.#channels,
      viewers: this.#viewers,
      answer: this.#answer,
      refuse: this.#refuse,
      room: this.#room,
      preloader: this.#preloader,
      counters,
      options: this.#options,
    };
    this.#playlists = new PlaylistDesk(desk);
    this.#media = new MediaDesk(desk);
    this.#plain = this.#makePlainDoor();
    this.#secure = this.#makeSecureDoor();
    this.packaging = {
      names: () => this.#channels.names(),
      start: async (name) => (await this.#channels.open(name)) !== undefined,
      stop: (name) => this.#channels.stop(name, this.#viewers.watch(name)),
    };
  }

  /** The port that is listened on; 0 before `start` and when it is off. */
  get port(): number {
    return this.#plain?.port ?? 0;
  }

  /** The port of HTTPS; 0 before `start` and when it is off. */
  get securePort(): number {
    return this.#secure?.port ?? 0;
  }

  /** Requests that wait for the first segment of their stream. */
  get heldRequests(): number {
    return this.#playlists.held;
  }

  /** Requests that wait for a playlist, a part or the rest of a segment to come. */
  get waitingRequests(): number {
    return this.#room.size;
  }

  /** What is known of the requests of each viewer. */
  viewerStatistics(): readonly ViewerStatistics[] {
    return this.#viewers.statistics();
  }

  /** Takes another certificate for connections from now on. @throws when it can't be used; the old one stays then */
  setIdentity(identity: TlsIdentity): void {
    this.#secure?.setIdentity(identity);
  }

  /**
   * Begins to listen.
   * @throws MediaServerError PORT_IN_USE, CONFIG_INVALID
   */
  async start(): Promise<void> {
    checkHeaders(this.#options.extraHeaders);
    await this.#dvr?.start();
    await this.#preloader?.start();
    await this.#plain?.start();
    try {
      await this.#secure?.start();
    } catch (error) {
      await this.#plain?.close();
      throw error;
    }
    this.#channels.start();
    this.#tick = this.#deps.ticker.on((nowMs) => this.#sweep(nowMs), SWEEP_EVERY_MS);
    const { host } = this.#options;
    this.#deps.log.info({ host, port: this.port, securePort: this.securePort }, 'hls listens');
  }

  /** Stops listening, ends all requests and packagers; resolves when the ports and files are released. Idempotent. */
  async close(): Promise<void> {
    this.#tick?.[Symbol.dispose]();
    this.#room.close();
    this.#viewers.close();
    this.#channels.close();
    await Promise.all(this.#doors().map((door) => door.close()));
    await this.#dvr?.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #doors(): readonly Door[] {
    return [this.#plain, this.#secure].filter((door) => door !== undefined);
  }

  #makePlainDoor(): PlainDoor | undefined {
    const { port } = this.#options;
    return port === undefined ? undefined : new PlainDoor(this.#doorOptions(port));
  }

  #makeSecureDoor(): SecureDoor | undefined {
    const { secure } = this.#options;
    return secure && new SecureDoor(this.#doorOptions(secure.port), secure);
  }

  #doorOptions(port: number): ConstructorParameters<typeof PlainDoor>[0] {
    const { host, startWaitMs } = this.#options;
    return {
      ...this.#deps,
      host,
      port,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      idleMs: Math.max(IDLE_SOCKET_MS, startWaitMs * 2),
      onExchange: (exchange) => this.#receive(exchange),
    };
  }

  #sweep(nowMs: number): void {
    this.#room.sweep(nowMs);
    this.#preloader?.sweep(nowMs);
    this.#viewers.sweep(nowMs);
    this.#channels.sweep(nowMs);
    for (const door of this.#doors()) door.sweep(nowMs);
  }

  #receive(exchange: Exchange): void {
    this.#deps.counters.count('hls_requests');
    const { understood } = exchange;
    // As nearly always: nothing is read for each request.
    if (understood !== undefined && this.#viewers.isRegistered(understood.visitor)) this.#begin(exchange, understood);
    else this.#check(exchange);
  }

  #check(exchange: Exchange): void {
    const { url, method } = exchange;
    if (url.length > MAX_URL_CHARACTERS) {
      this.#refuse.fail(exchange, 414, `the URL has ${url.length} characters, ${MAX_URL_CHARACTERS} are allowed`);
      return;
    }
    if (method === 'OPTIONS') {
      this.#answer.preflight(exchange);
      return;
    }
    if (method !== 'GET' && method !== 'HEAD') {
      this.#refuse.fail(exchange, 405, `method ${method} is not allowed, use GET`);
      return;
    }
    const mark = url.indexOf('?');
    const target = knownTarget(mark < 0 ? url : url.slice(0, mark));
    if (target === 'malformed') this.#refuse.fail(exchange, 400, 'the path is not valid percent-encoded UTF-8');
    else if (target === undefined || !this.#serves(target)) {
      this.#refuse.notFound(exchange, 'play a stream at /<stream>/<stream>.m3u8 or /<stream>/index.m3u8');
    } else this.#read(exchange, { target, query: mark < 0 ? '' : url.slice(mark + 1) });
  }

  /** False for what is switched off by a setting. */
  #serves(target: HlsTarget): boolean {
    const { dash, container } = this.#options;
    return target.kind !== 'manifest' || (dash && container === 'fmp4');
  }

  #read(exchange: Exchange, { target, query: raw }: { target: HlsTarget; query: string }): void {
    const directives = parseDirectives(raw);
    if (directives === 'malformed') {
      const message = '_HLS_msn and _HLS_part have to be numbers, the second with the first; _HLS_skip is YES or v2';
      this.#refuse.fail(exchange, 400, message);
      return;
    }
    const query = withoutDirectives(raw);
    const { streamName } = target;
    const visitor = this.#viewers.recognize(exchange, { streamName, query, mediaProvider: providerOf(target) });
    const understood = { target, query, directives, visitor };
    exchange.understood = understood;
    this.#begin(exchange, understood);
  }

  #begin(exchange: Exchange, { target, query, directives, visitor }: Understood): void {
    const waits = directives.msn !== undefined || target.kind === 'part';
    const sinceMs = performance.now();
    exchange.onEnd = (status) =>
      this.#viewers.answered(visitor, status, waits ? undefined : performance.now() - sinceMs);
    this.#admit({ exchange, target, query, directives, visitor });
  }

  /** Answers once the viewer may watch; at once where that is known. */
  #admit(asking: Asking): void {
    const { exchange, visitor } = asking;
    if (this.#viewers.isBlocked(visitor, performance.now())) {
      this.#refuse.fail(exchange, 403, 'the session was closed by the server');
      return;
    }
    const question = this.#deps.access.view(visitor.introduction);
    if (question === undefined) {
      this.#route(asking);
      return;
    }
    let open = true;
    this.#asking++;
    question
      .finally(() => {
        open = false;
        this.#asking--;
      })
      .then(
        () => {
          if (!exchange.begun) this.#route(asking);
        },
        (error: unknown) => this.#refuse.deny(exchange, error),
      )
      .catch((error: unknown) => this.#failUnexpectedly(asking, error));
    if (this.#asking <= this.#options.maxHeldRequests) return;
    // What is in the cache is answered before that, whatever others do.
    setImmediate(() => {
      if (open) this.#turnAway(exchange);
    });
  }

  #turnAway(exchange: Exchange): void {
    // It waits behind another answer on its connection, where answers could pile up without end.
    if (exchange.isQueued) exchange.drop();
    else this.#refuse.fail(exchange, 503, 'too many requests wait for an answer of the back end, try again');
  }

  #route(asking: Asking): void {
    const answered = asksForMedia(asking)
      ? this.#media.send(asking)
      : this.#playlists.send(asking as Asking<PlaylistTarget>);
    answered?.catch((error: unknown) => this.#failUnexpectedly(asking, error));
  }

  #failUnexpectedly({ exchange, target }: Asking, error: unknown): void {
    this.#deps.log.error({ error: String(error), stream: target.streamName }, 'hls request failed');
    this.#refuse.fail(exchange, 500, 'the request failed, see the log of the server');
  }
}

function asksForMedia(asking: Asking): asking is Asking<MediaFile> {
  return isMediaFile(asking.target);
}

/** Tracks of their own outside of a ladder are what DASH plays. */
function providerOf(target: HlsTarget): 'HLS' | 'DASH' {
  if (target.kind === 'manifest') return 'DASH';
  return isMediaFile(target) && target.track !== 'main' && target.variant === undefined ? 'DASH' : 'HLS';
}

/** Refuses at the door what would make every answer fail. */
function checkHeaders(headers: HlsOptions['extraHeaders']): void {
  for (const [name, value] of headers) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch (cause) {
      throw new MediaServerError('CONFIG_INVALID', `"${name}: ${value}" is not a header (hls_access_control_headers)`, {
        cause,
      });
    }
  }
}
