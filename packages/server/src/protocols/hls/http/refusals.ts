import { type CounterName, type Counters, MediaServerError } from '../../../core/index.ts';
import type { Answerer } from '../answer.ts';
import type { Exchange } from './exchange.ts';

const COUNTED: Readonly<Record<number, CounterName>> = { 400: 'hls_bad_requests', 415: 'hls_refused' };

/** Answers requests that get nothing, and counts them. */
export class Refusals {
  readonly #answer: Answerer;
  readonly #counters: Counters;

  constructor(answer: Answerer, counters: Counters) {
    this.#answer = answer;
    this.#counters = counters;
  }

  fail(exchange: Exchange, status: number, message: string): void {
    const counter = COUNTED[status];
    if (counter !== undefined) this.#counters.count(counter);
    this.#answer.fail(exchange, { status, code: 'HLS_REQUEST', message });
  }

  notFound(exchange: Exchange, message: string, code = 'STREAM_NOT_FOUND'): void {
    this.#counters.count('hls_not_found');
    this.#answer.fail(exchange, { status: 404, code, message });
  }

  /** So many wait already; counted. */
  tooMany(exchange: Exchange): void {
    this.#counters.count('hls_waiting_refused');
    this.fail(exchange, 503, 'too many requests wait for media to come, try again');
  }

  /** What was waited for did not come. */
  tooLate(exchange: Exchange): void {
    this.#counters.count('hls_wait_timeouts');
    this.fail(exchange, 503, 'nothing new has come of the stream for a while, try again');
  }

  /** The viewer may not watch. @throws what is no answer to that question */
  deny(exchange: Exchange, error: unknown): void {
    if (!(error instanceof MediaServerError)) throw error;
    this.#counters.count('hls_denied');
    const { code, message } = error;
    // WCS says 401 where its back end says 403 (functions-2 §H.5), and its players ask for a new token then.
    const status = code === 'ACCESS_DENIED' ? 401 : error.status;
    this.#answer.fail(exchange, { status, code, message });
  }

  /** The stream can't be had. @throws what is no answer to that question */
  unavailable(exchange: Exchange, error: unknown): void {
    if (!(error instanceof MediaServerError)) throw error;
    const { code, message } = error;
    if (error.status === 404) this.notFound(exchange, message, code);
    else this.#answer.fail(exchange, { status: code === 'FILE_INVALID' ? 415 : error.status, code, message });
  }
}
