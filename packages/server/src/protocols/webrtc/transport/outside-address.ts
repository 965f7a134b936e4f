import { randomBytes } from 'node:crypto';
import { type Endpoint, type StunMessage, StunWriter } from '../wire/stun/index.ts';

/** RFC 8489 §6.2.1: RTO, doubled each time. */
const FIRST_TIMEOUT_MS = 500;
const TRANSACTION_ID_BYTES = 12;

interface Question {
  readonly server: Endpoint;
  answer(mapped: Endpoint): void;
}

/** Asks STUN servers how a port looks from outside (RFC 8489 §2), and knows the answers by their transaction. */
export class OutsideAddress {
  readonly #questions = new Map<string, Question>();

  /**
   * Asks until an answer comes or the time is over.
   * @param send sends a datagram to the server; must not throw
   * @returns the address and port that the server sees; undefined without answer
   */
  async ask(server: Endpoint, timeoutMs: number, send: (datagram: Buffer) => void): Promise<Endpoint | undefined> {
    const id = randomBytes(TRANSACTION_ID_BYTES);
    const key = id.toString('base64');
    const request = new StunWriter('request', id).finishUnsigned();
    let timer: NodeJS.Timeout | undefined;
    let deadline: NodeJS.Timeout | undefined;
    const again = (waitMs: number): void => {
      send(request);
      timer = setTimeout(again, waitMs, waitMs * 2).unref();
    };
    try {
      return await new Promise<Endpoint | undefined>((resolve) => {
        this.#questions.set(key, { server, answer: resolve });
        deadline = setTimeout(resolve, timeoutMs, undefined).unref();
        again(FIRST_TIMEOUT_MS);
      });
    } finally {
      clearTimeout(timer);
      clearTimeout(deadline);
      this.#questions.delete(key);
    }
  }

  /** Takes what may be an answer; false when nobody asked that of whom it came from. */
  take(message: StunMessage, source: Endpoint): boolean {
    if (this.#questions.size === 0 || message.class !== 'success') return false;
    const question = this.#questions.get(message.transactionId.toString('base64'));
    if (question?.server.port !== source.port || question.server.address !== source.address) return false;
    if (message.mappedAddress !== undefined) question.answer(message.mappedAddress);
    return true;
  }
}
