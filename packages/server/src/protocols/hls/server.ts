import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  validateHeaderName,
  validateHeaderValue,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { isValidStreamName, MediaServerError, type ProtocolDeps, type StreamPackaging } from '../../core/index.ts';
import type { Ticker } from '../../io/index.ts';
import { Answerer } from './answer.ts';
import { HlsChannels } from './channels.ts';
import { type HlsOptions, resolveHlsOptions } from './options.ts';
import type { HlsPackager } from './packager.ts';
import { safeQuery } from './playlist.ts';
import { type HlsTarget, parseTarget } from './request.ts';
import { HlsViewers, type Visitor } from './viewers.ts';

export interface HlsServerDeps extends Omit<ProtocolDeps, 'connections'> {
  readonly ticker: Ticker;
}

const MAX_URL_CHARACTERS = 8192;
const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
/** A client that reads nothing for this long is let go. */
const IDLE_SOCKET_MS = 60_000;
const SWEEP_EVERY_MS = 500;

/** One request on its way, with what was read from its URL. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Query as it came, without `?`. */
  readonly query: string;
  readonly visitor: Visitor;
}

/** Serves live streams over HTTP Live Streaming (RFC 8216). Segments live in memory; nothing is written to disk. */
export class HlsServer {
  /** For the control side. */
  readonly packaging: StreamPackaging;
  readonly #deps: HlsServerDeps;
  readonly #options: HlsOptions;
  readonly #answer: Answerer;
  readonly #channels: HlsChannels;
  readonly #viewers: HlsViewers;
  #server: Server | undefined;
  #tick: Disposable | undefined;
  #sweptMs = 0;
  #held = 0;
  /** Requests whose viewers are being asked about. */
  #asking = 0;

  constructor(deps: HlsServerDeps, options: Partial<HlsOptions> = {}) {
    this.#deps = deps;
    this.#options = resolveHlsOptions(options);
    this.#answer = new Answerer(this.#options);
    this.#channels = new HlsChannels(deps, this.#options);
    this.#viewers = new HlsViewers(deps.sessions, {
      max: this.#options.maxViewers,
      explain: (streamName, silentMs) => this.#channels.explain(streamName, silentMs),
    });
    this.packaging = {
      names: () => this.#channels.names(),
      start: async (name) => (await this.#channels.open(name)) !== undefined,
      stop: (name) => this.#channels.stop(name, this.#viewers.watch(name)),
    };
  }

  /** The port that is listened on; 0 before `start`. */
  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  /** Requests that wait for the first segment of their stream. */
  get heldRequests(): number {
    return this.#held;
  }

  /**
   * Begins to listen.
   * @throws MediaServerError PORT_IN_USE, CONFIG_INVALID
   */
  async start(): Promise<void> {
    checkHeaders(this.#options.extraHeaders);
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    server.timeout = Math.max(IDLE_SOCKET_MS, this.#options.startWaitMs * 2);
    server.on('request', (request, response) => this.#receive(request, response));
    await listen(server, this.#options);
    server.on('error', (error) => this.#deps.log.error({ error: String(error) }, 'hls listener failed'));
    this.#server = server;
    this.#channels.start();
    this.#tick = this.#deps.ticker.on((nowMs) => this.#sweep(nowMs));
    this.#deps.log.info({ host: this.#options.host, port: this.port }, 'hls listens');
  }

  /** Stops listening, ends all requests and packagers; resolves when the port is free. Idempotent. */
  async close(): Promise<void> {
    this.#tick?.[Symbol.dispose]();
    this.#viewers.close();
    this.#channels.close();
    const server = this.#server;
    if (server?.listening !== true) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_EVERY_MS) return;
    this.#sweptMs = nowMs;
    this.#viewers.sweep(nowMs);
    this.#channels.sweep(nowMs);
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    this.#deps.counters.count('hls_requests');
    response.on('error', () => response.destroy());
    const url = request.url ?? '/';
    if (url.length > MAX_URL_CHARACTERS) {
      this.#fail(response, 414, `the URL has ${url.length} characters, ${MAX_URL_CHARACTERS} are allowed`);
      return;
    }
    if (request.method === 'OPTIONS') {
      this.#answer.preflight(response);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      this.#fail(response, 405, `method ${request.method} is not allowed, use GET`);
      return;
    }
    const mark = url.indexOf('?');
    const target = parseTarget(mark < 0 ? url : url.slice(0, mark));
    if (target === 'malformed') this.#fail(response, 400, 'the path is not valid percent-encoded UTF-8');
    else if (target === undefined) {
      this.#notFound(response, 'play a stream at /<stream>/<stream>.m3u8 or /<stream>/index.m3u8');
    } else {
      const query = mark < 0 ? '' : url.slice(mark + 1);
      const visitor = this.#viewers.recognize(request, target.streamName, query);
      this.#admit(target, { request, response, query, visitor });
    }
  }

  /** Answers once the viewer may watch; at once where that is known. */
  #admit(target: HlsTarget, exchange: Exchange): void {
    const { response, visitor } = exchange;
    if (this.#viewers.isBlocked(visitor, performance.now())) {
      this.#fail(response, 403, 'the session was closed by the server');
      return;
    }
    const question = this.#deps.access.view(visitor.introduction);
    if (question === undefined) {
      this.#route(target, exchange);
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
          if (!response.destroyed && !response.headersSent) this.#route(target, exchange);
        },
        (error: unknown) => this.#deny(response, error),
      )
      .catch((error: unknown) => this.#failUnexpectedly(target, { response, error }));
    if (this.#asking <= this.#options.maxHeldRequests) return;
    // What is in the cache is answered before that, whatever others do.
    setImmediate(() => {
      if (open) this.#turnAway(exchange);
    });
  }

  #turnAway({ request, response }: Exchange): void {
    // It waits behind another answer on its connection, where answers could pile up without end.
    if (response.socket === null) request.socket.destroy();
    else this.#fail(response, 503, 'too many requests wait for an answer of the back end, try again');
  }

  #route(target: HlsTarget, exchange: Exchange): void {
    const { response } = exchange;
    if (target.kind === 'segment' || target.kind === 'init') {
      this.#sendMedia(target, exchange);
      return;
    }
    this.#sendPlaylist(target.kind, target.streamName, exchange).catch((error: unknown) => {
      if (error instanceof MediaServerError && error.status === 404)
        this.#notFound(response, error.message, error.code);
      else if (error instanceof MediaServerError) {
        const { code, message } = error;
        this.#answer.fail(response, { status: code === 'FILE_INVALID' ? 415 : error.status, code, message });
      } else this.#failUnexpectedly(target, { response, error });
    });
  }

  #failUnexpectedly(
    { streamName }: HlsTarget,
    { response, error }: { response: ServerResponse; error: unknown },
  ): void {
    this.#deps.log.error({ error: String(error), stream: streamName }, 'hls request failed');
    this.#fail(response, 500, 'the request failed, see the log of the server');
  }

  async #sendPlaylist(kind: 'media' | 'master', streamName: string, exchange: Exchange): Promise<void> {
    const { response, query, visitor } = exchange;
    if (
      this.#held >= this.#options.maxHeldRequests &&
      this.#channels.find(streamName, performance.now())?.ready !== true
    ) {
      this.#fail(response, 503, 'too many requests wait for a stream to start, try again');
      return;
    }
    if (this.#channels.isPersonal(streamName)) {
      this.#deps.counters.count('hls_refused');
      this.#fail(response, 415, `"${streamName}" plays to one viewer at a time and not by HLS: ask for vod-live://`);
      return;
    }
    const packager = isValidStreamName(streamName) ? await this.#openReady(streamName, response) : undefined;
    if (response.destroyed) return;
    if (packager === undefined) {
      this.#notFound(response, `no stream "${streamName}" is live; publish it first, then try again`);
      return;
    }
    if (!packager.ready) {
      const named = `stream "${streamName}"`;
      if (packager.ended) this.#notFound(response, `${named} ended before it could be played`);
      else if (packager.refusal !== undefined) {
        this.#deps.counters.count('hls_refused');
        this.#fail(response, 415, `${named} can not be played by HLS: ${packager.refusal}`);
      } else this.#fail(response, 503, `${named} has no segment yet; it needs a key frame, try again`);
      return;
    }
    const { stream, window } = packager;
    const { targetSeconds } = window;
    this.#viewers.visit({ visitor, stream, targetSeconds, nowMs: performance.now() });
    const uriQuery = safeQuery(query);
    const text = kind === 'media' ? packager.mediaPlaylist({ query: uriQuery }) : packager.masterPlaylist(uriQuery);
    this.#viewers.sent(visitor, this.#answer.playlist(response, { text, targetSeconds }));
  }

  /** Opens the packager and waits for its first segment, its end, the client's leaving or the time limit. */
  async #openReady(streamName: string, response: ServerResponse): Promise<HlsPackager | undefined> {
    this.#held++;
    try {
      const packager = await this.#channels.open(streamName);
      if (packager === undefined || packager.ready || packager.ended || response.destroyed) return packager;
      if (packager.refusal !== undefined) return packager;
      await this.#firstSegment(packager, response);
      return packager;
    } finally {
      this.#held--;
    }
  }

  #firstSegment(packager: HlsPackager, response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        waiter[Symbol.dispose]();
        response.off('close', finish);
        resolve();
      };
      const timer = setTimeout(finish, this.#options.startWaitMs);
      const waiter = packager.onceReady(finish);
      response.once('close', finish);
    });
  }

  #sendMedia(target: HlsTarget & { readonly number: number }, exchange: Exchange): void {
    const { request, response, visitor } = exchange;
    const { streamName, number } = target;
    const packager = this.#channels.find(streamName, performance.now());
    const isInit = target.kind === 'init';
    const body = isInit ? packager?.window.init(number) : packager?.window.segment(number)?.bytes;
    if (packager === undefined || body === undefined) {
      this.#notFound(
        response,
        `${target.kind} ${number} of stream "${streamName}" is not kept; read the playlist again`,
      );
      return;
    }
    const type = this.#mediaType(isInit, packager.audioOnly);
    this.#viewers.sent(visitor, this.#answer.media(request, response, { body, type }));
  }

  #mediaType(isInit: boolean, audioOnly: boolean): string {
    if (this.#options.container === 'ts') return 'video/mp2t';
    if (audioOnly) return 'audio/mp4';
    return isInit ? 'video/mp4' : 'video/iso.segment';
  }

  #notFound(response: ServerResponse, message: string, code = 'STREAM_NOT_FOUND'): void {
    this.#deps.counters.count('hls_not_found');
    this.#answer.fail(response, { status: 404, code, message });
  }

  #deny(response: ServerResponse, error: unknown): void {
    if (!(error instanceof MediaServerError)) throw error;
    this.#deps.counters.count('hls_denied');
    const { code, message } = error;
    // WCS says 401 where its back end says 403 (functions-2 §H.5), and its players ask for a new token then.
    const status = code === 'ACCESS_DENIED' ? 401 : error.status;
    this.#answer.fail(response, { status, code, message });
  }

  #fail(response: ServerResponse, status: number, message: string): void {
    this.#answer.fail(response, { status, code: 'HLS_REQUEST', message });
  }
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

/** Resolves when the server listens. */
function listen(server: Server, options: HlsOptions): Promise<void> {
  const { host, port = 0 } = options;
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const place = `${host}:${port}`;
      reject(
        cause.code === 'EADDRINUSE'
          ? new MediaServerError('PORT_IN_USE', `${place} is taken by another program, change hls.port`, { cause })
          : new MediaServerError('CONFIG_INVALID', `can not listen on ${place} (hls.port): ${cause.message}`, {
              cause,
            }),
      );
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
