import type { IncomingMessage } from 'node:http';
import { LoginRequest, type SessionBody } from '@sluice/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Counters, Log } from '../../core/index.ts';
import { errorBody } from '../error-body.ts';
import { isStatRequest } from '../stat/stat-page.ts';
import { parseBasic } from './basic-credentials.ts';
import { ConsoleSessions } from './console-sessions.ts';
import { PasswordCheck, tooManyAttempts } from './password-check.ts';
import { isForeignPage, isLocalRequest } from './request-facts.ts';
import { sessionCookie, sessionToken } from './session-cookie.ts';
import type { UserStore } from './users.ts';
import type { StoredUser } from './users-file.ts';

/**
 * WCS's `disable_rest_auth`: who needs a password. `auto`: all but programs on this machine; `false`: everybody;
 * `true`: nobody.
 */
export type DisableRestAuth = 'auto' | 'true' | 'false';

export interface RestGuardDeps {
  readonly disableRestAuth: DisableRestAuth;
  readonly users: UserStore;
  readonly log: Log;
  readonly counters: Counters;
  /** CORS headers of the REST API: refusals carry them, so that a page can read why. */
  readonly cors: ReadonlyMap<string, string>;
}

/** Whether a request may go on; else what it is answered. */
type Admission = { readonly user: StoredUser | undefined } | Refusal;

interface Refusal {
  readonly status: 401 | 403 | 429;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

/**
 * Routes that ask for no password, by their patterns: whether the server lives, the console's own files (which hold no
 * data), the page to embed with the ports that its viewers connect to, logging in, and WCS's sample back end, which answers what it is sent. Every other route asks, also one that is
 * added later; and because patterns count, no way of writing a path gets round it.
 */
const OPEN_ROUTES: ReadonlySet<string> = new Set([
  '/health',
  '/',
  '/*',
  '/embed',
  '/embed/time',
  '/embed_player',
  '/api/session',
  '/api/login',
  '/api/logout',
  '/apps/EchoApp/:hook',
]);

const LOGIN_BODY_LIMIT_BYTES = 4096;
const REST = '/rest-api';

/** Asks who calls the REST API, statistics, metrics and the data of the console for their password. */
export class RestGuard {
  readonly #deps: RestGuardDeps;
  readonly #passwords: PasswordCheck;
  readonly #sessions = new ConsoleSessions();

  constructor(deps: RestGuardDeps) {
    this.#deps = deps;
    this.#passwords = new PasswordCheck(deps);
  }

  /** Stands before all routes, and hooks, that are added to `app` from here on. */
  guard(app: FastifyInstance): void {
    app.addHook('onRequest', async (request, reply) => {
      if (!isGuarded(request)) return;
      const isRest = isRestRoute(request);
      if (isRest || isStatRequest(request.url)) this.#addCors(reply);
      // A preflight has no credentials; it is answered here so that nothing behind can be reached as one.
      if (isRest && request.method === 'OPTIONS') return reply.code(200).send();
      const admission = await this.#admit(request.raw);
      if ('status' in admission) return this.#refuse(request, reply, admission);
    });
  }

  /** Adds `POST /api/login`, `POST /api/logout` and `GET /api/session`, for the console. */
  routes(app: FastifyInstance): void {
    app.get('/api/session', async (request, reply) => {
      const user = await this.#sessionUser(request.raw);
      return reply.header('cache-control', 'no-store').send(this.#describe(request.raw, user));
    });
    app.post<{ Body: LoginRequest }>(
      '/api/login',
      { bodyLimit: LOGIN_BODY_LIMIT_BYTES, schema: { body: LoginRequest } },
      (request, reply) => this.#login(request, reply),
    );
    app.post('/api/logout', { bodyLimit: LOGIN_BODY_LIMIT_BYTES }, async (request, reply) => {
      if (isForeignPage(request.raw)) return this.#refuse(request, reply, FOREIGN_PAGE);
      const token = sessionToken(request.raw);
      if (token !== undefined) this.#sessions.end(token);
      reply.header('cache-control', 'no-store').header('set-cookie', sessionCookie(request.raw, ''));
      return reply.send(this.#describe(request.raw, undefined));
    });
  }

  async #login(request: FastifyRequest<{ Body: LoginRequest }>, reply: FastifyReply): Promise<FastifyReply> {
    // A page that logs its visitor in as somebody else could see what he does then.
    if (isForeignPage(request.raw)) return this.#refuse(request, reply, FOREIGN_PAGE);
    const { user: name, password } = request.body;
    const outcome = await this.#passwords.check({ name, password }, addressOf(request.raw));
    if (outcome === 'wrong') return this.#refuse(request, reply, WRONG_CREDENTIALS);
    if ('waitMs' in outcome) return this.#refuse(request, reply, slowDown(outcome.waitMs));
    const old = sessionToken(request.raw);
    if (old !== undefined) this.#sessions.end(old);
    const token = this.#sessions.begin(outcome);
    reply.header('cache-control', 'no-store').header('set-cookie', sessionCookie(request.raw, token));
    return reply.send(this.#describe(request.raw, outcome));
  }

  #describe(request: IncomingMessage, user: StoredUser | undefined): SessionBody {
    return { user: user?.name ?? null, needed: !this.#isFree(request) };
  }

  /** Whether nobody needs a password for that request. */
  #isFree(request: IncomingMessage): boolean {
    const { disableRestAuth } = this.#deps;
    return disableRestAuth === 'true' || (disableRestAuth === 'auto' && isLocalRequest(request));
  }

  async #admit(request: IncomingMessage): Promise<Admission> {
    if (this.#isFree(request)) return { user: undefined };
    const sessionUser = await this.#sessionUser(request);
    if (sessionUser !== undefined) return hasAlienPage(request) ? FOREIGN_PAGE : { user: sessionUser };
    const { authorization } = request.headers;
    if (authorization === undefined) return NO_CREDENTIALS;
    const credentials = parseBasic(authorization);
    if (credentials === undefined) return NO_CREDENTIALS;
    // Browsers add what their user once typed in, whoever's page makes them ask.
    if (isForeignPage(request) && !this.#allowsCrossOrigin(request.headers.origin)) return FOREIGN_PAGE;
    const outcome = await this.#passwords.check(credentials, addressOf(request));
    if (outcome === 'wrong') return WRONG_CREDENTIALS;
    return 'waitMs' in outcome ? slowDown(outcome.waitMs) : { user: outcome };
  }

  async #sessionUser(request: IncomingMessage): Promise<StoredUser | undefined> {
    const token = sessionToken(request);
    if (token === undefined) return undefined;
    return this.#sessions.userOf(token, (name) => this.#deps.users.find(name));
  }

  /** Whether the settings let pages of that origin send credentials (`rest_access_control_headers`). */
  #allowsCrossOrigin(origin: string | undefined): boolean {
    const { cors } = this.#deps;
    const allowed = cors.get('access-control-allow-origin');
    const headers = cors.get('access-control-allow-headers')?.toLowerCase().split(',') ?? [];
    if (origin === undefined || !headers.some((name) => name.trim() === 'authorization')) return false;
    return allowed === '*' || allowed === origin;
  }

  #addCors(reply: FastifyReply): void {
    for (const [name, value] of this.#deps.cors) reply.header(name, value);
  }

  #refuse(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
    const { status, message, retryAfterSeconds } = refusal;
    if (status === 401) reply.header('www-authenticate', challenge(request));
    if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
    reply.header('cache-control', 'no-store');
    return reply.code(status).send(errorBody(status, message, request.url));
  }
}

const NO_CREDENTIALS: Refusal = {
  status: 401,
  message: 'a user and a password are needed here (HTTP Basic, or log in at the console)',
};
const WRONG_CREDENTIALS: Refusal = { status: 401, message: 'the user or the password is wrong' };
const FOREIGN_PAGE: Refusal = {
  status: 403,
  message: 'pages of other origins may not use a login here; rest_access_control_headers can allow one to',
};

function slowDown(waitMs: number): Refusal {
  const { message } = tooManyAttempts(waitMs);
  return { status: 429, message, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) };
}

/** By the route that was found, not by the text of the path; the statistics share a path with the console's page. */
function isGuarded(request: FastifyRequest): boolean {
  if (isStatRequest(request.url)) return true;
  const route = request.routeOptions.url;
  return route !== undefined && !request.is404 && !OPEN_ROUTES.has(route);
}

function isRestRoute(request: FastifyRequest): boolean {
  const route = request.routeOptions.url ?? '';
  return route === REST || route.startsWith(`${REST}/`);
}

/**
 * A request that changes something must say that it comes from a page of this server; a cookie alone is no proof, since
 * browsers add it for pages of other ports of the same host as well.
 */
function hasAlienPage(request: IncomingMessage): boolean {
  const reads = request.method === 'GET' || request.method === 'HEAD';
  const { origin } = request.headers;
  if (!reads && origin === undefined && request.headers['sec-fetch-site'] !== 'same-origin') return true;
  return isForeignPage(request);
}

/** Browsers ask for a password themselves when they are challenged to Basic: not what the console's own pages want. */
function challenge({ headers, routeOptions }: FastifyRequest): string {
  const byConsole = headers['x-requested-with'] !== undefined || routeOptions.url?.startsWith('/api/') === true;
  return byConsole ? 'Session realm="Sluice"' : 'Basic realm="Sluice", charset="UTF-8"';
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}
