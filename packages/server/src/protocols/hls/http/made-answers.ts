import { HeaderList } from './exchange.ts';
import { currentSecond, responseHead } from './response-head.ts';

/** A body up to this size is copied behind its head, so that both are one write. */
const JOINED_BYTES = 16 * 1024;
const OK = 200;

export type HeaderFields = readonly (readonly [name: string, value: string | number])[];

interface Made {
  /** Of its date. */
  readonly second: number;
  readonly size: number;
  readonly answer: readonly Uint8Array[];
}

/**
 * Answers with status 200 that are the same for many, with their heads for HTTP/1.1: each is made once a second, and goes with
 * its body.
 */
export class MadeAnswers {
  /** By the first piece of the body, which a segment may have in common with its first part. */
  readonly #made = new WeakMap<Uint8Array, Made>();

  /** Head and body; `size` is that of all pieces. `fields` is asked when it is not made yet. */
  of(pieces: readonly Uint8Array[], size: number, fields: () => HeaderFields): readonly Uint8Array[] {
    const [first] = pieces;
    const known = first && this.#made.get(first);
    const second = currentSecond();
    if (known !== undefined && known.second === second && known.size === size) return known.answer;
    const headers = new HeaderList();
    for (const [name, value] of fields()) headers.set(name, value);
    const head = Buffer.from(responseHead(OK, headers, false), 'latin1');
    const answer = size <= JOINED_BYTES ? [Buffer.concat([head, ...pieces])] : [head, ...pieces];
    if (first !== undefined) this.#made.set(first, { second, size, answer });
    return answer;
  }
}
