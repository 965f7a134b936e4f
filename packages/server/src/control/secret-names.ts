import type { Fields } from '../core/index.ts';

/** Names whose values let somebody in: those that end like one of these, whatever stands before, and `auth` itself. */
const SECRET =
  /(?:password|passwd|pwd|token|secret|jwt|aclauth|authorization|credential|(?:api|access|stream)[_-]?key|signature)s?$|^auth$/i;
const HIDDEN = '***';
const MAX_DEPTH = 6;
const NO_NAMES: ReadonlySet<string> = new Set();

/** True for a field that nobody may read; `own` has those that the settings name (`client_acl_property_name`). */
export function isSecretName(name: string, own: ReadonlySet<string> = NO_NAMES): boolean {
  return SECRET.test(name) || own.has(name);
}

/** A client's own fields for people and programs that are not its back end: without the values that let somebody in. */
export function withoutSecretValues(fields: Fields, own?: ReadonlySet<string>): Record<string, unknown> {
  return shown(fields, MAX_DEPTH, own) as Record<string, unknown>;
}

function shown(value: unknown, depthLeft: number, own: ReadonlySet<string> | undefined): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depthLeft === 0) return HIDDEN;
  if (Array.isArray(value)) return value.map((item: unknown) => shown(item, depthLeft - 1, own));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]: [string, unknown]) => [
      name,
      isSecretName(name, own) ? HIDDEN : shown(member, depthLeft - 1, own),
    ]),
  );
}
