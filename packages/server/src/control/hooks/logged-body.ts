import type { Fields } from '../../core/index.ts';
import { isSecretName } from '../secret-names.ts';
import { withoutSecrets } from '../signalling/secrets.ts';
import { isObject } from './json.ts';

/** Of no use in a log, or, as the stream key of another server is in it, secret. */
const LEFT_OUT: ReadonlySet<string> = new Set(['sdp', 'rtmpUrl']);
const HIDDEN = '***';
const MAX_TEXT_LENGTH = 200;
const MAX_ITEMS = 20;
const MAX_DEPTH = 6;

/** A hook's body for the log: without secrets, long texts cut. Made only when a line is really written. */
export class LoggedBody {
  readonly #body: Fields;

  constructor(body: Fields) {
    this.#body = body;
  }

  toJSON(): unknown {
    const { custom, ...body } = this.#body;
    const shown = shownFields(body, MAX_DEPTH);
    // Any of the client's own words may be what lets it in.
    return isObject(custom) ? { ...shown, custom: mapped(custom, () => HIDDEN) } : shown;
  }
}

function shownFields(fields: Fields, depthLeft: number): Fields {
  return mapped(fields, (name, value) =>
    isSecretName(name) || LEFT_OUT.has(name) ? HIDDEN : shown(value, depthLeft - 1),
  );
}

function shown(value: unknown, depthLeft: number): unknown {
  if (typeof value === 'string') {
    const cut = value.length > MAX_TEXT_LENGTH ? `${value.slice(0, MAX_TEXT_LENGTH)}…` : value;
    return withoutSecrets(cut);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depthLeft <= 0) return '…';
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => shown(item, depthLeft - 1));
  return isObject(value) ? shownFields(value, depthLeft) : '…';
}

function mapped(fields: Fields, change: (name: string, value: unknown) => unknown): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, change(name, value)]));
}
