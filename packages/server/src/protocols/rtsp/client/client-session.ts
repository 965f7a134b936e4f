import { parseSession } from '../wire/playback-headers.ts';
import type { RtspResponse } from '../wire/reader.ts';
import { parseTransports, type RtspTransport, writeTransport } from '../wire/transport.ts';
import { baseUrl } from './control-url.ts';
import { RtspFailure, refusalOf } from './failure.ts';
import type { ClientRequest, Requests } from './requests.ts';

/** The server wants to be asked elsewhere (RFC 2326 §11.3). */
export class RtspRedirect extends Error {
  readonly location: string;

  constructor(location: string) {
    super('redirected');
    this.name = 'RtspRedirect';
    this.location = location;
  }
}

/** The server does not carry media that way (461). */
export class TransportRefused extends RtspFailure {}

/** What the server describes. */
export interface Description {
  readonly sdp: string;
  /** What its controls are relative to. */
  readonly base: string;
}

/** RFC 2326 §12.37 */
const DEFAULT_SESSION_SECONDS = 60;
const MAX_KEEP_ALIVE_MS = 30_000;
const MIN_KEEP_ALIVE_MS = 1000;

/**
 * One session with a server, as its client (RFC 2326 appendix A): what is asked in which order, the session's id and
 * when it must be kept alive. Does no I/O: it asks by `Requests`.
 *
 * All methods reject with an `RtspFailure` for what the server refuses, and with `RtspRedirect`.
 */
export class ClientSession {
  /** Methods of `Public`, in upper case; empty while the server told none. */
  methods: ReadonlySet<string> = new Set();
  readonly #requests: Requests;
  readonly #url: string;
  readonly #keepAliveIntervalMs: number;
  #aggregateUrl: string;
  #sessionSeconds = DEFAULT_SESSION_SECONDS;
  #keepAliveMs = Number.POSITIVE_INFINITY;
  #byParameter = true;
  #asking = false;

  /** `keepAliveIntervalMs` 0: as the server asks for. */
  constructor(requests: Requests, url: string, keepAliveIntervalMs: number) {
    this.#requests = requests;
    this.#url = url;
    this.#aggregateUrl = url;
    this.#keepAliveIntervalMs = keepAliveIntervalMs;
  }

  /** Asks what the server can do. Servers that can't even answer that are as good as others. */
  async options(): Promise<void> {
    const response = await this.#requests.ask({ method: 'OPTIONS', uri: this.#url });
    if (isRedirect(response)) throw redirectOf(response);
    const words = response.headers.all('Public').flatMap((value) => value.split(/[\s,]+/));
    this.methods = new Set(words.filter((word) => word !== '').map((word) => word.toUpperCase()));
    this.#byParameter = this.methods.has('GET_PARAMETER');
  }

  async describe(): Promise<Description> {
    const response = await this.#ask({
      method: 'DESCRIBE',
      uri: this.#url,
      headers: { Accept: 'application/sdp' },
    });
    if (response.body.length === 0)
      throw new RtspFailure('invalid', 'it describes the stream with nothing: no source may be there');
    const { headers } = response;
    const base = baseUrl({
      requestUrl: this.#url,
      contentBase: headers.get('Content-Base'),
      contentLocation: headers.get('Content-Location'),
    });
    this.#aggregateUrl = base;
    return { sdp: Buffer.from(response.body).toString('utf8'), base };
  }

  /** Tells what will be sent (RFC 2326 §10.3). */
  async announce(sdp: string): Promise<void> {
    await this.#ask({
      method: 'ANNOUNCE',
      uri: this.#url,
      headers: { 'Content-Type': 'application/sdp' },
      body: sdp,
    });
  }

  /** The URL of the session as a whole, where the description has one of its own. */
  setAggregateUrl(url: string): void {
    this.#aggregateUrl = url;
  }

  /**
   * Sets a medium up. Gives what the server agrees to, with what was asked for where it says nothing.
   * Rejects with `TransportRefused` when the way is not taken.
   */
  async setup(uri: string, wanted: RtspTransport): Promise<RtspTransport> {
    // RFC 2326 has the mode in quotes, which FFmpeg as server does not know; all know it without.
    const { mode, ...transport } = wanted;
    const headers = { Transport: writeTransport(transport) + (mode === undefined ? '' : `;mode=${mode}`) };
    const response = await this.#requests.ask({ method: 'SETUP', uri, headers });
    if (response.status === 461) throw new TransportRefused('invalid', refusalOf('SETUP', response).message);
    this.#check('SETUP', response);
    const session = parseSession(response.headers.get('Session') ?? '');
    if (session !== undefined) {
      this.#requests.session = session.id;
      this.#sessionSeconds = session.timeoutSeconds ?? DEFAULT_SESSION_SECONDS;
    }
    const agreed = parseTransports(response.headers.get('Transport') ?? '')[0];
    if (agreed !== undefined && agreed.lower !== wanted.lower)
      throw new TransportRefused('invalid', `it offers ${agreed.lower} where ${wanted.lower} was asked for`);
    return { ...wanted, ...agreed };
  }

  /** Lets the media come. Live servers that know no ranges are asked without. */
  async play(): Promise<void> {
    const request = { method: 'PLAY', uri: this.#aggregateUrl };
    const response = await this.#requests.ask({ ...request, headers: { Range: 'npt=0.000-' } });
    if (response.status === 457) await this.#ask(request);
    else this.#check('PLAY', response);
    this.#begun();
  }

  /** Lets our media go. */
  async record(): Promise<void> {
    await this.#ask({ method: 'RECORD', uri: this.#aggregateUrl, headers: { Range: 'npt=0.000-' } });
    this.#begun();
  }

  /** Ends the session; the answer does not matter. Never rejects. */
  async teardown(): Promise<void> {
    this.#keepAliveMs = Number.POSITIVE_INFINITY;
    await this.#requests.ask({ method: 'TEARDOWN', uri: this.#aggregateUrl }).catch(() => undefined);
  }

  /**
   * Keeps the session alive when it is time (RFC 2326 §10.8). Servers that do not answer live on by their media.
   * @returns a promise when it asked: it rejects when the server has ended the session
   */
  tick(nowMs: number): Promise<void> | undefined {
    if (nowMs < this.#keepAliveMs || this.#asking) return undefined;
    this.#asking = true;
    return this.#keepAlive().finally(() => {
      this.#asking = false;
      if (this.#keepAliveMs < Number.POSITIVE_INFINITY) this.#begun();
    });
  }

  async #keepAlive(): Promise<void> {
    const method = this.#byParameter ? 'GET_PARAMETER' : 'OPTIONS';
    let status: number;
    try {
      ({ status } = await this.#requests.ask({ method, uri: this.#aggregateUrl }));
    } catch (error) {
      if (error instanceof RtspFailure && error.code === 'refused') throw error;
      // No answer: by the other method next time.
      this.#byParameter = false;
      return;
    }
    if (status === 454) throw new RtspFailure('ended', 'it has ended the session');
    if (status >= 400) this.#byParameter = false;
  }

  #begun(): void {
    const halfMs = (this.#sessionSeconds * 1000) / 2;
    const byServerMs = Math.max(MIN_KEEP_ALIVE_MS, Math.min(MAX_KEEP_ALIVE_MS, halfMs));
    this.#keepAliveMs = performance.now() + (this.#keepAliveIntervalMs > 0 ? this.#keepAliveIntervalMs : byServerMs);
  }

  async #ask(request: ClientRequest): Promise<RtspResponse> {
    const response = await this.#requests.ask(request);
    this.#check(request.method, response);
    return response;
  }

  #check(method: string, response: RtspResponse): void {
    if (isRedirect(response)) throw redirectOf(response);
    if (response.status < 200 || response.status >= 300) throw refusalOf(method, response);
  }
}

function isRedirect({ status }: RtspResponse): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

function redirectOf(response: RtspResponse): RtspRedirect | RtspFailure {
  const location = response.headers.get('Location');
  if (location !== undefined && location !== '') return new RtspRedirect(location);
  return new RtspFailure('invalid', `it redirects (${response.status}) without telling where to`);
}
