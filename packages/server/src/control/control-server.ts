import type { Duplex } from 'node:stream';
import type { HealthBody } from '@sluice/contract';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { MediaServerError } from '../core/index.ts';
import { RateLimiter, type TlsIdentity } from '../io/index.ts';
import { RestGuard } from './auth/rest-guard.ts';
import { NO_USERS } from './auth/users.ts';
import { consoleFiles } from './console/console-files.ts';
import { consoleRoutes } from './console/console-routes.ts';
import type { EmbedFacts } from './console/embed-page.ts';
import { SNAPSHOTS } from './console/overview.ts';
import { ServerSamples } from './console/server-samples.ts';
import { describeAll, SessionSamples } from './console/session-samples.ts';
import { StreamHistories } from './console/stream-histories.ts';
import type { ControlDeps } from './control-deps.ts';
import { type ControlOptions, corsHeaders } from './control-options.ts';
import { errorBody, publicError } from './error-body.ts';
import { echoApp } from './hooks/echo-app.ts';
import { LAZY_COMPILERS } from './lazy-compilers.ts';
import { listenError } from './listen-error.ts';
import { ServerMetrics } from './metrics/server-metrics.ts';
import { MountedProtocols } from './mounted-protocols.ts';
import { Machine } from './process/machine-facts.ts';
import { ProcessVitals } from './process/process-vitals.ts';
import { requestLimits } from './request-limits.ts';
import { RestError } from './rest/rest-error.ts';
import { restRoutes } from './rest/rest-routes.ts';
import { SecureListener } from './secure-listener.ts';
import { statRoute } from './stat/stat-route.ts';
import { describeOnce } from './stream-details.ts';
import { handleUpgrades } from './upgrades.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;
/** Mounted protocols have this long to end their connections before these are cut off. */
const MOUNTS_GRACE_MS = 500;
/** Of a stream name of 1024 characters, each percent-encoded in up to nine. */
const MAX_PARAM_LENGTH = 9 * 1024;
const SAMPLE_INTERVAL_MS = 1000;
/** Answers to requests that can't be read: not those that ask for what is not there. */
const BAD_REQUEST: ReadonlySet<number> = new Set([400, 408, 411, 413, 414, 415, 417, 431]);

/** The HTTP server for people and programs that look after the media server: REST, health, metrics, console. */
export class ControlServer {
  readonly #deps: ControlDeps;
  readonly #options: ControlOptions;
  readonly #cors: ReadonlyMap<string, string>;
  readonly #metrics: ServerMetrics;
  readonly #mounts: MountedProtocols;
  readonly #vitals = new ProcessVitals();
  readonly #histories: StreamHistories;
  readonly #sessionSamples = new SessionSamples();
  readonly #serverSamples = new ServerSamples();
  readonly #guard: RestGuard;
  readonly #errorLog = new RateLimiter(5);
  #app: FastifyInstance | undefined;
  #secure: SecureListener | undefined;
  #sampling: NodeJS.Timeout | undefined;
  #port: number;
  #closing: Promise<void> | undefined;

  /** @throws MediaServerError CONFIG_INVALID when a CORS header can't be sent */
  constructor(deps: ControlDeps, options: ControlOptions) {
    this.#deps = {
      ...deps,
      describeTrack: describeOnce(deps.describeTrack),
      historyOf: (stream) => this.#histories.of(stream),
    };
    this.#options = Object.freeze({ ...options });
    this.#cors = corsHeaders(options);
    const { log, counters, users = NO_USERS } = deps;
    this.#guard = new RestGuard({ disableRestAuth: options.disableRestAuth, users, log, counters, cors: this.#cors });
    this.#metrics = new ServerMetrics({ ...deps, vitals: this.#vitals });
    this.#histories = new StreamHistories(deps.streams, deps.sessions);
    this.#mounts = new MountedProtocols(deps.mounts ?? [], deps.log);
    this.#port = options.port;
  }

  /** The port that is listened on; before `start` the one that is configured. */
  get port(): number {
    return this.#port;
  }

  /** The port of HTTPS; before `start` the one that is configured, and 0 when HTTPS is off. */
  get securePort(): number {
    return this.#secure?.port ?? this.#options.https?.port ?? 0;
  }

  /**
   * Takes another certificate for HTTPS connections from now on.
   * @throws when certificate and key can't be used together; the present ones stay then
   */
  setIdentity(identity: TlsIdentity): void {
    this.#secure?.setIdentity(identity);
  }

  /**
   * Resolves when requests are answered. Once.
   * @throws MediaServerError PORT_IN_USE or CONFIG_INVALID
   */
  async start(): Promise<void> {
    const app = this.#createApp();
    this.#app = app;
    this.#metrics.start();
    this.#histories.start();
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS);
    this.#guard.guard(app);
    this.#guard.routes(app);
    statRoute(app, { deps: this.#deps, vitals: this.#vitals, machine: new Machine() }, this.#cors);
    echoApp(app);
    this.#infoRoutes(app);
    this.#consoleRoutes(app);
    const rest = { deps: this.#deps, options: this.#options, cors: this.#cors };
    await app.register((scope) => restRoutes(scope, rest), { prefix: '/rest-api' });
    const built = await consoleFiles(app, this.#deps.consoleDir, () => this.#embedFacts());
    await this.#listen(app);
    if (!built) this.#deps.log.warn({ folder: this.#deps.consoleDir }, 'the console is not built');
    const { port, securePort } = this;
    this.#deps.log.info({ host: this.#options.host, port, securePort }, 'control server listens');
  }

  /** Stops answering and resolves when the port and all connections are released. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#sampling);
    await this.#app?.close();
    this.#metrics.close();
    this.#histories.close();
    this.#vitals.close();
  }

  #sample(): void {
    const nowMs = performance.now();
    const wallMs = Date.now();
    const sessions = describeAll(this.#deps.sessions);
    this.#vitals.sample(nowMs);
    this.#histories.sample(nowMs, wallMs, sessions);
    const { bitsIn, bitsOut } = this.#sessionSamples.sample(nowMs, wallMs, sessions);
    const publishers = sessions.filter(({ description }) => description.mediaType === 'publish').length;
    const delay = this.#vitals.delays.takeRecent();
    this.#serverSamples.sample(nowMs, wallMs, {
      bitsInPerSecond: bitsIn,
      bitsOutPerSecond: bitsOut,
      publishers,
      viewers: sessions.length - publishers,
      connections: this.#deps.connections.size,
      eventLoopDelayMs: delay.maxMs,
      eventLoopMeanMs: delay.meanMs,
    });
  }

  #createApp(): FastifyInstance {
    const { requestTimeoutMs, maxConnections } = this.#options;
    const limits = requestLimits(requestTimeoutMs);
    const app = Fastify({
      logger: false,
      bodyLimit: BODY_LIMIT_BYTES,
      requestTimeout: limits.requestTimeout,
      // What Fastify sets of it later does not hold for headers.
      http: limits,
      forceCloseConnections: true,
      schemaController: { compilersFactory: LAZY_COMPILERS },
      routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
      frameworkErrors: (error, request, reply) => {
        if (!this.#handOver(request, reply)) this.#answerError(error, request, reply);
      },
      clientErrorHandler: (error, socket) => this.#answerMalformed(error, socket),
    });
    app.addHook('onRequest', (request, reply, done) => {
      if (!this.#handOver(request, reply)) done();
    });
    app.addHook('preClose', () => {
      this.#secure?.stopListening();
      return this.#mounts.released(MOUNTS_GRACE_MS);
    });
    app.addHook('onClose', () => this.#secure?.close());
    app.server.maxConnections = maxConnections;
    handleUpgrades(app.server, this.#mounts);
    app.setErrorHandler((error, request, reply) => this.#answerError(error, request, reply));
    app.setNotFoundHandler((request, reply) =>
      reply.code(404).send(errorBody(404, 'there is nothing at this path', request.url)),
    );
    return app;
  }

  /** Gives a request under a mount's prefix to the mount, before anything of it was read; tells whether it did. */
  #handOver(request: FastifyRequest, reply: FastifyReply): boolean {
    if (!this.#mounts.covers(request.raw)) return false;
    reply.hijack();
    this.#mounts.request(request.raw, reply.raw);
    return true;
  }

  #infoRoutes(app: FastifyInstance): void {
    const { version, streams, sessions } = this.#deps;
    app.get('/health', (): HealthBody => {
      const uptimeSeconds = Math.floor(process.uptime());
      return { status: 'ok', version, uptimeSeconds, streams: streams.size, sessions: sessions.size };
    });
    app.get('/metrics', async (_request, reply) => {
      const text = await this.#metrics.render();
      return reply.type(this.#metrics.contentType).send(text);
    });
  }

  #consoleRoutes(app: FastifyInstance): void {
    const samples = { sessionSamples: this.#sessionSamples, serverSamples: this.#serverSamples };
    consoleRoutes(app, { ...this.#deps, ...samples, histories: this.#histories }, () => {
      const { port, securePort } = this;
      return { host: this.#options.host, port, securePort };
    });
  }

  #embedFacts(): EmbedFacts {
    const { ports, mounts } = this.#deps;
    const snapshots = mounts?.some(({ prefix }) => prefix === SNAPSHOTS) === true;
    return { ports: { ...ports(), http: this.port, https: this.securePort }, snapshots };
  }

  async #listen(app: FastifyInstance): Promise<void> {
    const { host, port } = this.#options;
    try {
      await app.listen({ host, port });
    } catch (error) {
      await this.close();
      throw listenError(error, `${host}:${port}`, 'http.port');
    }
    const address = app.server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    await this.#listenSecurely(app);
  }

  async #listenSecurely(app: FastifyInstance): Promise<void> {
    const { host, https, requestTimeoutMs, maxConnections } = this.#options;
    if (https === undefined) return;
    const limits = requestLimits(requestTimeoutMs);
    const secure = new SecureListener({ ...https, host, limits }, app.routing);
    secure.server.maxConnections = maxConnections;
    secure.server.on('clientError', (error, socket) => this.#answerMalformed(error, socket));
    handleUpgrades(secure.server, this.#mounts);
    try {
      await secure.start();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#secure = secure;
  }

  #answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { status, message } = publicError(error);
    if (status >= 500 && !(error instanceof RestError)) this.#logError(error, request);
    if (BAD_REQUEST.has(status)) this.#deps.counters.count('rest_bad_requests');
    void reply.code(status).send(errorBody(status, message, request.url));
  }

  #answerMalformed(error: Error & { code?: string }, socket: Duplex): void {
    if (error.code !== 'ECONNRESET') this.#deps.counters.count('rest_bad_requests');
    answerMalformed(error, socket);
  }

  #logError(error: unknown, request: FastifyRequest): void {
    const suppressed = this.#errorLog.take();
    if (suppressed < 0) return;
    const { method, url: path } = request;
    // What has a code of its own is an outcome, not a fault of the program.
    if (error instanceof MediaServerError) {
      const { code, message } = error;
      this.#deps.log.warn({ code, error: message, method, path, suppressed }, 'request could not be done');
    } else this.#deps.log.error({ err: error, method, path, suppressed }, 'request failed');
  }
}

/** Answers what is not even HTTP; there is no request object then. */
function answerMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const body = errorBody(status, 'the request is not valid HTTP', '');
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${body.error}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}
