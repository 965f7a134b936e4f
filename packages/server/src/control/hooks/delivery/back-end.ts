import { createHmac } from 'node:crypto';
import { Pool } from 'undici';
import type { OutboundGuard } from '../../../io/index.ts';
import type { StoredApplication } from '../applications/stored-application.ts';
import { type HookAnswer, HookFailure } from './hook-answer.ts';
import { type HookUrgency, Turns } from './turns.ts';

/** How hooks travel; the same for all applications. */
export interface BackEndOptions {
  /** From when a hook may go out until its answer is complete, the wait for a free connection included. */
  readonly timeoutMs: number;
  /** Longest answer that is read. */
  readonly maxAnswerBytes: number;
  /** Hooks of one application that wait or are on their way, for questions and for events each. */
  readonly maxHeld: number;
  /** Bytes of their bodies. */
  readonly maxHeldBytes: number;
  /** False accepts any certificate of a back end. */
  readonly tlsVerify: boolean;
  /** Says what may be connected to; all may by default. */
  readonly outbound?: Pick<OutboundGuard, 'lookup' | 'hostRefusal'> | undefined;
  /** Key of the hash that proves to back ends where a hook comes from; none without one. */
  readonly secretKey?: string | undefined;
}

/** One hook on its way. */
export interface HookRequest {
  readonly hook: string;
  readonly body: string;
  readonly urgency: HookUrgency;
  /** True when the text of an answer with 200 is wanted too. */
  readonly wantsText: boolean;
}

/** Connecting to a machine that is not there ends after this, however long an answer may take. */
const MAX_CONNECT_MS = 10_000;
const MAX_IDLE_MS = 4000;
const CLOSED = 'the server stops, or the application is gone';

/** The back end of one application: how to reach it, and what is on the way to it. */
export class BackEnd {
  readonly #options: BackEndOptions;
  readonly #turns: Turns;
  readonly #held = { direct: { count: 0, bytes: 0 }, event: { count: 0, bytes: 0 } };
  readonly #onTheWay = new Set<AbortController>();
  #closed = false;
  #pool: Pool;
  #url: URL;
  #application: StoredApplication;

  /** @param share Connections that this back end may have, asked anew each time. */
  constructor(application: StoredApplication, share: () => number, options: BackEndOptions) {
    this.#options = options;
    this.#application = application;
    this.#url = new URL(application.url);
    this.#turns = new Turns(share);
    this.#pool = this.#connect();
  }

  /** Hooks that wait or are on their way. */
  get held(): number {
    return this.#held.direct.count + this.#held.event.count;
  }

  /** Events that wait or are on their way. */
  get heldEvents(): number {
    return this.#held.event.count;
  }

  /** Connections in use, idle ones, and hooks that wait for one. */
  get connections(): { readonly leased: number; readonly available: number; readonly pending: number } {
    const { running, waiting } = this.#turns;
    return { leased: running, available: Math.max(0, this.#pool.stats.connected - running), pending: waiting };
  }

  /** Takes an application whose address or credentials have changed; what is on its way goes on as it was. */
  configure(application: StoredApplication): void {
    const { origin } = this.#url;
    this.#application = application;
    this.#url = new URL(application.url);
    if (this.#url.origin !== origin) {
      void this.#pool.close().catch(() => {});
      this.#pool = this.#connect();
    }
    this.#turns.wake();
  }

  /**
   * Takes a hook in until what comes back is disposed of; undefined when there are too many already.
   * @param share Of the room there is, as much as this hook and those before it may fill.
   */
  hold(urgency: HookUrgency, bytes: number, share = 1): Disposable | undefined {
    const held = this.#held[urgency];
    const { maxHeld, maxHeldBytes } = this.#options;
    if (held.count >= maxHeld * share || held.bytes + bytes > maxHeldBytes * share) return undefined;
    held.count++;
    held.bytes += bytes;
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        held.count--;
        held.bytes -= bytes;
      },
    };
  }

  /** Sends one hook, once. @throws HookFailure when no answer came, or none that can be read */
  async post(request: HookRequest): Promise<HookAnswer> {
    if (this.#closed) throw new HookFailure(CLOSED);
    const refusal = this.#options.outbound?.hostRefusal(this.#url.hostname);
    if (refusal !== undefined) throw new HookFailure(refusal.message);
    const { timeoutMs } = this.#options;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(new HookFailure(`no answer within ${timeoutMs} ms`)), timeoutMs);
    this.#onTheWay.add(abort);
    let turn: Disposable | undefined;
    try {
      turn = await this.#turns.take(request.urgency, abort.signal);
      return await this.#exchange(request, abort.signal);
    } catch (error) {
      throw error instanceof HookFailure ? error : new HookFailure(reasonOf(error), { cause: error });
    } finally {
      turn?.[Symbol.dispose]();
      this.#onTheWay.delete(abort);
      clearTimeout(timer);
    }
  }

  /** Gives up what is on its way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const abort of this.#onTheWay) abort.abort(new HookFailure(CLOSED));
    await this.#pool.destroy();
  }

  async #exchange({ hook, body, wantsText }: HookRequest, signal: AbortSignal): Promise<HookAnswer> {
    const { statusCode, body: answer } = await this.#pool.request({
      method: 'POST',
      path: `${this.#url.pathname.replace(/\/+$/, '')}/${hook}`,
      headers: { 'content-type': 'application/json', accept: 'application/json', ...this.#authorization(body) },
      body,
      signal,
    });
    const chunks: Buffer[] = [];
    const keep = wantsText || statusCode !== 200;
    // Read to its end in any case, so that the connection can be used again.
    for await (const chunk of answer as AsyncIterable<Buffer>) if (keep) chunks.push(chunk);
    return { status: statusCode, text: Buffer.concat(chunks).toString() };
  }

  /** An application's own credentials go before the hash, which is the same for all of them (rest-hooks.md §7). */
  #authorization(body: string): { authorization?: string } {
    const { restUsername, restPassword } = this.#application;
    if (restUsername !== '') {
      return { authorization: `Basic ${Buffer.from(`${restUsername}:${restPassword}`).toString('base64')}` };
    }
    const { secretKey } = this.#options;
    if (secretKey === undefined) return {};
    return { authorization: `WCS ${createHmac('md5', secretKey).update(body).digest('hex')}` };
  }

  #connect(): Pool {
    const { timeoutMs, maxAnswerBytes, tlsVerify, outbound } = this.#options;
    const pool = new Pool(this.#url.origin, {
      pipelining: 1,
      // Times are kept by `post`.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: MAX_IDLE_MS,
      maxResponseSize: maxAnswerBytes,
      connect: {
        timeout: Math.min(timeoutMs, MAX_CONNECT_MS),
        rejectUnauthorized: tlsVerify,
        ...(outbound === undefined ? {} : { lookup: outbound.lookup }),
      },
    });
    return pool;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return `${code}${error.message}`;
}
