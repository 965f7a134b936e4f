import { RtspHeaders, sequenceOf } from '../wire/headers.ts';
import type { RtspResponse } from '../wire/reader.ts';
import { writeRequest } from '../wire/writer.ts';
import { Authenticator } from './authenticator.ts';
import { RtspFailure } from './failure.ts';
import type { RtspCredentials } from './url.ts';

/** What is asked of a server. */
export interface ClientRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: string | undefined;
}

export interface RequestsOptions {
  readonly credentials: RtspCredentials | undefined;
  readonly userAgent: string;
  /** An answer that does not come within this time is given up, milliseconds. */
  readonly timeoutMs: number;
  send(bytes: Uint8Array): void;
}

interface Pending {
  readonly request: ClientRequest;
  readonly resolve: (response: RtspResponse) => void;
  readonly reject: (failure: RtspFailure) => void;
  /** Undefined while it waits for the one before it. */
  sequence: number | undefined;
  deadlineMs: number;
  challenges: number;
}

/** More than a session ever has under way. */
const MAX_PENDING = 32;
/** Challenges that one request answers: the first one, and a nonce that ran out. */
const MAX_CHALLENGES = 3;

/**
 * Requests of one connection and their answers, one after the other, as many cameras can't cope with more. Answers
 * challenges. Does no I/O and has no timer.
 */
export class Requests {
  /** Value of `Session`, once there is one. */
  session: string | undefined;
  readonly #o: RequestsOptions;
  readonly #authenticator: Authenticator;
  readonly #pending: Pending[] = [];
  #sequence = 0;
  #failure: RtspFailure | undefined;

  constructor(options: RequestsOptions) {
    this.#o = options;
    this.#authenticator = new Authenticator(options.credentials);
  }

  /** Asks, when all that was asked before has been answered. Rejects with an `RtspFailure` only. */
  ask(request: ClientRequest): Promise<RtspResponse> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      if (this.#pending.length >= MAX_PENDING)
        return reject(new RtspFailure('stalled', `${MAX_PENDING} requests wait for an answer`));
      this.#pending.push({ request, resolve, reject, sequence: undefined, deadlineMs: 0, challenges: 0 });
      if (this.#pending.length === 1) this.#sendNext();
    });
  }

  /** Takes an answer. */
  answer(response: RtspResponse): void {
    const pending = this.#pending[0];
    // 1xx are no answers yet. Cameras that do not count answer what was asked last.
    if (pending?.sequence === undefined || response.status < 200) return;
    if ((sequenceOf(response.headers) ?? pending.sequence) < pending.sequence) return;
    if (response.status === 401 && pending.challenges < MAX_CHALLENGES) {
      const outcome = this.#authenticator.challenge(response.headers.all('WWW-Authenticate'));
      if (outcome === 'again') {
        pending.challenges++;
        return this.#sendNext();
      }
      return this.#finish((it) => it.reject(refusedLogin(outcome)));
    }
    if (response.status !== 401) this.#authenticator.accepted(response.headers.get('Authentication-Info'));
    this.#finish((it) => it.resolve(response));
  }

  /** Gives up what has waited too long. */
  tick(nowMs: number): void {
    const pending = this.#pending[0];
    if (pending === undefined || nowMs < pending.deadlineMs) return;
    const { method } = pending.request;
    this.#finish((it) => it.reject(new RtspFailure('unreachable', `it did not answer ${method}`)));
  }

  /** The connection is over: nothing will be answered any more. Idempotent. */
  close(failure: RtspFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    for (const pending of this.#pending.splice(0)) pending.reject(failure);
  }

  #finish(settle: (pending: Pending) => void): void {
    const pending = this.#pending.shift();
    if (pending === undefined) return;
    settle(pending);
    this.#sendNext();
  }

  #sendNext(): void {
    const pending = this.#pending[0];
    if (pending === undefined) return;
    const { method, uri, headers = {}, body = '' } = pending.request;
    pending.sequence = ++this.#sequence;
    pending.deadlineMs = performance.now() + this.#o.timeoutMs;
    const authorization = this.#authenticator.authorization({ method, uri, body });
    const all = RtspHeaders.of({
      CSeq: pending.sequence,
      Authorization: authorization,
      'User-Agent': this.#o.userAgent,
      Session: this.session,
      ...headers,
    });
    this.#o.send(writeRequest({ method, uri, headers: all, body }));
  }
}

function refusedLogin(outcome: 'no-credentials' | 'refused' | 'unsupported'): RtspFailure {
  switch (outcome) {
    case 'no-credentials':
      return new RtspFailure(
        'refused',
        'it wants a user name and password: put them into the address, rtsp://user:password@host/path',
      );
    case 'refused':
      return new RtspFailure('refused', 'it refused the user name or password');
    case 'unsupported':
      return new RtspFailure('refused', 'it wants a way to log in that is neither Basic nor Digest');
  }
}
