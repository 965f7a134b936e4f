import type { RelayEndCode } from '../../../core/index.ts';
import { type HttpReply, PinnedHttp } from './pinned-http.ts';
import { RelayFailure } from './relay-failure.ts';
import { quoted, type Signalling, type SignallingOptions } from './signalling.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** What refusals mean. Others of the 400s are about what we say, others of the 500s may pass. */
const CODES: Readonly<Record<number, RelayEndCode>> = {
  401: 'refused',
  403: 'refused',
  404: 'not_found',
  409: 'unreachable',
  410: 'not_found',
  429: 'unreachable',
};

/**
 * WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) as client: an offer is posted, the session that it makes is deleted
 * in the end. Candidates are not trickled, ICE servers not used: all that we have is in the offer.
 */
export class HttpSignalling implements Signalling {
  readonly remoteMediaSessionId = undefined;
  readonly #options: SignallingOptions;
  readonly #http: PinnedHttp;
  readonly #abort = new AbortController();
  #remoteAddress: string | undefined;
  #authorization: string | undefined;
  #session: URL | undefined;
  #exchanging: Promise<string> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SignallingOptions) {
    this.#options = options;
    this.#authorization = options.target.authorization;
    this.#http = new PinnedHttp({
      outbound: options.outbound,
      scheme: options.direction === 'push' ? 'whip' : 'whep',
      tlsVerify: options.tlsVerify,
      maxBodyBytes: options.maxAnswerBytes,
      timeoutMs: options.timeoutMs,
    });
  }

  get remoteAddress(): string | undefined {
    return this.#remoteAddress;
  }

  exchange(offer: string): Promise<string> {
    this.#exchanging ??= this.#post(offer);
    return this.#exchanging;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #post(offer: string): Promise<string> {
    let url = this.#options.target.url;
    for (let redirects = 0; ; redirects++) {
      const reply = await this.#http.send(url, {
        method: 'POST',
        headers: { ...this.#headers(), 'content-type': 'application/sdp', accept: 'application/sdp' },
        body: offer,
        signal: this.#abort.signal,
      });
      this.#remoteAddress = reply.address;
      if (!REDIRECTS.has(reply.status) || reply.location === undefined) return this.#answerOf(reply, url);
      if (redirects >= MAX_REDIRECTS) throw new RelayFailure('invalid', 'the server redirects again and again');
      url = this.#redirected(url, reply.location);
    }
  }

  #headers(): Record<string, string> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** Credentials go to no other host than the one that they were given for. */
  #redirected(from: URL, location: string): URL {
    const to = httpUrl(location, from);
    if (to === undefined || (from.protocol === 'https:' && to.protocol !== 'https:'))
      throw new RelayFailure('invalid', 'the server redirects to an address that is not http(s), or no longer secure');
    if (to.hostname !== from.hostname) this.#authorization = undefined;
    return to;
  }

  #answerOf(reply: HttpReply, url: URL): string {
    const { status, body } = reply;
    if (status !== 201 && status !== 200) throw refusal(reply);
    if (reply.location !== undefined) this.#session = httpUrl(reply.location, url);
    // Nor do credentials go where others can read them, if they did not before.
    const { hostname, protocol } = this.#session ?? url;
    if (hostname !== url.hostname || (url.protocol === 'https:' && protocol !== 'https:'))
      this.#authorization = undefined;
    if (body.trim() === '') throw new RelayFailure('invalid', 'the server gave no answer to the offer');
    return body;
  }

  async #end(): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(), this.#options.closeTimeoutMs);
    try {
      // An answer that is under way tells which session there is to delete.
      await this.#exchanging;
    } catch {
      // The attempt has been told already; there may be a session all the same.
    }
    try {
      if (this.#session === undefined) return;
      await this.#http.send(this.#session, { method: 'DELETE', headers: this.#headers(), signal: this.#abort.signal });
    } catch {
      // It ends there by itself, for want of connectivity checks.
    } finally {
      clearTimeout(timer);
    }
  }
}

function httpUrl(location: string, base: URL): URL | undefined {
  if (!URL.canParse(location, base.href)) return undefined;
  const url = new URL(location, base);
  url.username = '';
  url.password = '';
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
}

function refusal({ status, body, contentType }: HttpReply): RelayFailure {
  const code = CODES[status] ?? (status >= 500 ? 'unreachable' : 'invalid');
  // Whole pages are nothing for people who read one line.
  const text = /html/i.test(contentType) ? '' : quoted(wordsOf(body));
  return new RelayFailure(code, `the server answers ${status}${text === '' ? '' : `: ${text}`}`);
}

/** The words for people in an error as this server and many others answer it (RFC 9457 §3.1); else the whole. */
function wordsOf(body: string): string {
  try {
    const { message, detail, title } = JSON.parse(body) as Readonly<Record<string, unknown>>;
    const words = [message, detail, title].find((one) => typeof one === 'string' && one !== '');
    return typeof words === 'string' ? words : body;
  } catch {
    return body;
  }
}
