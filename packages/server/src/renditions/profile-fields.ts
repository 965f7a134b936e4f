import { MediaServerError } from '../core/index.ts';

/** A place in a file of profiles, for messages: `hls_abr_profiles.yml: profile 480: video.gop`. */
export type Place = string;

/** How one field of a profile is read: its value, or what would have been allowed. */
export type FieldReader<T> = (value: unknown) => T | Refused;

/** A value that is not allowed, and what is. */
export class Refused {
  readonly allowed: string;

  constructor(allowed: string) {
    this.allowed = allowed;
  }
}

/** Reads a number within these bounds; `zeroIsNone` lets 0 stand for an absent value. */
export function numberIn(min: number, max: number, more: { whole?: boolean; zeroIsNone?: boolean } = {}) {
  const { whole = true, zeroIsNone = false } = more;
  const allowed = `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}${zeroIsNone ? ', or 0 for none' : ''}`;
  return (value: unknown): number | undefined | Refused => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return new Refused(allowed);
    if (zeroIsNone && value === 0) return undefined;
    return value < min || value > max || (whole && !Number.isInteger(value)) ? new Refused(allowed) : value;
  };
}

/** Reads one of these values as it is written there. */
export function oneOf<T extends string | number>(values: readonly T[]) {
  return (value: unknown): T | Refused =>
    values.find((allowed) => allowed === value) ?? new Refused(`one of ${values.join(', ')}`);
}

/** Reads one of these names, in any case. */
export function nameOf(names: readonly string[]) {
  return (value: unknown): string | Refused => {
    const wanted = typeof value === 'string' ? value.toLowerCase() : undefined;
    return names.find((name) => name.toLowerCase() === wanted) ?? new Refused(`one of ${names.join(', ')}`);
  };
}

/** Any text that is not too long. */
export function text(value: unknown): string | Refused {
  return typeof value === 'string' && value.length <= 256 ? value : new Refused('a text of at most 256 characters');
}

const MAX_SHOWN = 60;

/** The error for a value that is not allowed. */
export function notAllowed(place: Place, value: unknown, allowed: string): MediaServerError {
  return new MediaServerError('CONFIG_INVALID', `${place}: ${shown(value)} is not allowed; it takes ${allowed}`);
}

/** A value of the file, short enough for a message. */
function shown(value: unknown): string {
  if (value instanceof Map) return 'a map';
  if (Array.isArray(value)) return 'a list';
  const written = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return written.length <= MAX_SHOWN ? written : `${written.slice(0, MAX_SHOWN)}…`;
}
