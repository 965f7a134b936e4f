import type { Fields } from '../../core/index.ts';
import { isSecretName } from '../secret-names.ts';
import { isObject } from './json.ts';

const MAX_TEXT_LENGTH = 200;
const MAX_DEPTH = 6;

/** A hook's body for the log: without secrets, long texts cut. Made only when a line is really written. */
export class LoggedBody {
  readonly #body: Fields;
  readonly #secrets: ReadonlySet<string>;

  /** @param secrets Names of fields that hold secrets of this server, besides those that anybody would guess. */
  constructor(body: Fields, secrets: ReadonlySet<string> = new Set()) {
    this.#body = body;
    this.#secrets = secrets;
  }

  toJSON(): unknown {
    return this.#shown(this.#body, MAX_DEPTH);
  }

  #shown(value: unknown, depthLeft: number): unknown {
    if (typeof value === 'string')
      return value.length > MAX_TEXT_LENGTH ? `${value.slice(0, MAX_TEXT_LENGTH)}…` : value;
    if (typeof value !== 'object' || value === null) return value;
    if (depthLeft === 0) return '…';
    if (Array.isArray(value)) return value.slice(0, 20).map((item) => this.#shown(item, depthLeft - 1));
    if (!isObject(value)) return '…';
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        name,
        isSecretName(name, this.#secrets) ? '***' : this.#shown(member, depthLeft - 1),
      ]),
    );
  }
}
