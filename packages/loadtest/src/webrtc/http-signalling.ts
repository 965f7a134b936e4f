import type { Agent } from 'node:http';
import { send } from '../http.ts';
import type { Signalling, SignallingOptions } from './signalling.ts';

const SDP = 'application/sdp';
/** Words of a refusal that are told. */
const MAX_WORDS = 200;

/** WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): the offer is posted, what it made is deleted in the end. */
export class HttpSignalling implements Signalling {
  readonly #url: string;
  readonly #options: SignallingOptions;
  readonly #agent: Agent;
  #session: string | undefined;
  #closed = false;

  constructor(url: string, options: SignallingOptions, agent: Agent) {
    this.#url = url;
    this.#options = options;
    this.#agent = agent;
  }

  async exchange(offer: string): Promise<string> {
    const reply = await send(this.#url, {
      ...this.#common(),
      method: 'POST',
      headers: { 'content-type': SDP, accept: SDP },
      body: offer,
    });
    const text = reply.body.toString('utf8');
    if (reply.status !== 201 && reply.status !== 200)
      throw new Error(`the server answers ${reply.status}: ${wordsOf(text).slice(0, MAX_WORDS)}`);
    const { location } = reply.headers;
    if (location !== undefined && URL.canParse(location, this.#url)) this.#session = new URL(location, this.#url).href;
    return text;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#session === undefined) return;
    // It ends there by itself, if this does not arrive.
    await send(this.#session, { ...this.#common(), method: 'DELETE' }).catch(() => {});
  }

  #common() {
    return { insecure: this.#options.insecure, timeoutMs: this.#options.timeoutMs, agent: this.#agent };
  }
}

/** The words for people in an error in JSON, as many servers answer it; else the whole. */
function wordsOf(body: string): string {
  try {
    const { message, detail, error } = JSON.parse(body) as Readonly<Record<string, unknown>>;
    const words = [message, detail, error].find((one) => typeof one === 'string' && one !== '');
    return typeof words === 'string' ? words : body;
  } catch {
    return body;
  }
}
