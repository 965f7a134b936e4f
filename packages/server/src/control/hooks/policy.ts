import { HOOK_BODIES, type HookName, IDENTITY_FIELDS, isHookName, type SentHookName } from '@sluice/contract';
import Value from 'typebox/value';
import { type Fields, isValidStreamName } from '../../core/index.ts';
import { isObject } from './json.ts';

/** How one hook is treated in one session (rest-hooks.md §4). */
export interface HookPolicy {
  /** Fields that the client does not get. */
  readonly clientExclude: ReadonlySet<string>;
  /** Fields that the back end does not get. */
  readonly restExclude: ReadonlySet<string>;
  /** What follows from an answer other than 200, or none. */
  readonly restOnError: 'LOG' | 'FAIL';
  readonly restPolicy: 'NOTIFY' | 'OVERWRITE' | 'DISABLE';
  /** Fields that are taken from the answer, for `OVERWRITE`. */
  readonly restOverwrite: ReadonlySet<string>;
}

/** The policies of one session: those that its back end gave with its answer to `connect`. */
export type HookPolicies = ReadonlyMap<HookName, HookPolicy>;

const NONE: ReadonlySet<string> = new Set();

/** Of hooks that a back end says nothing about. */
export const DEFAULT_POLICY: HookPolicy = {
  clientExclude: NONE,
  restExclude: NONE,
  restOnError: 'LOG',
  restPolicy: 'NOTIFY',
  restOverwrite: NONE,
};

/** Fields that a list can name; more are ignored. */
const MAX_FIELDS = 256;

/** Reads `restClientConfig`. What can't be understood is ignored: other hooks, other fields, words that mean nothing. */
export function readRestClientConfig(value: unknown): HookPolicies {
  const policies = new Map<HookName, HookPolicy>();
  if (!isObject(value)) return policies;
  for (const [name, policy] of Object.entries(value)) {
    if (isHookName(name) && isObject(policy)) policies.set(name, readPolicy(policy));
  }
  return policies;
}

function readPolicy(policy: Fields): HookPolicy {
  const restPolicy = word(policy['restPolicy']);
  return {
    clientExclude: fieldList(policy['clientExclude']),
    restExclude: fieldList(policy['restExclude']),
    restOnError: word(policy['restOnError']) === 'FAIL' ? 'FAIL' : 'LOG',
    // DISABLED in the documents of WCS 4.
    restPolicy: restPolicy.startsWith('DISABLE') ? 'DISABLE' : restPolicy === 'OVERWRITE' ? 'OVERWRITE' : 'NOTIFY',
    restOverwrite: fieldList(policy['restOverwrite']),
  };
}

function word(value: unknown): string {
  return typeof value === 'string' ? value.trim().toUpperCase() : '';
}

function fieldList(value: unknown): ReadonlySet<string> {
  const names: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [];
  const trimmed = names.slice(0, MAX_FIELDS).map((name) => (typeof name === 'string' ? name.trim() : ''));
  const fields = trimmed.filter((name) => name !== '');
  return fields.length === 0 ? NONE : new Set(fields);
}

/** `body` without these fields, and without what is absent: a field that is null is not sent (rest-hooks.md §5). */
export function without(body: Fields, excluded: ReadonlySet<string>): Fields {
  return Object.fromEntries(
    Object.entries(body).filter(([name, value]) => value !== null && value !== undefined && !excluded.has(name)),
  );
}

/**
 * `body` with the fields of the answer that the policy names. A field that the answer lacks stays as it is, and so does
 * what names the session.
 * @throws Error for a value that the field can't have
 */
export function overwritten(name: HookName, { body, answer }: Exchange, fields: ReadonlySet<string>): Fields {
  const changed: Record<string, unknown> = { ...body };
  for (const field of fields) {
    const value = ownValue(answer, field);
    if (value === undefined || value === null || IDENTITY_FIELDS.has(field)) continue;
    if (!fits(name, field, value)) throw new Error(`the answer to ${name} has a wrong value for "${field}"`);
    changed[field] = value;
  }
  return changed;
}

/**
 * The fields of `connect` as the back end left them: all that it may say, where its value can be; and the names of
 * those that can't.
 */
export function connectOverwritten({ body, answer }: Exchange): { fields: Fields; wrong: readonly string[] } {
  const fields: Record<string, unknown> = { ...body };
  const wrong: string[] = [];
  for (const field of Object.keys(HOOK_BODIES.connect.properties)) {
    const value = ownValue(answer, field);
    if (value === undefined || value === null || IDENTITY_FIELDS.has(field)) continue;
    if (fits('connect', field, value)) fields[field] = value;
    else wrong.push(field);
  }
  return { fields, wrong };
}

interface Exchange {
  readonly body: Fields;
  readonly answer: Fields;
}

function ownValue(object: Fields, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined;
}

/** A field that the hook does not have may have any value: it is the back end's own. */
function fits(hook: HookName, field: string, value: unknown): boolean {
  if (field === 'name' && (typeof value !== 'string' || !isValidStreamName(value))) return false;
  if (!isSent(hook)) return true;
  const { properties } = HOOK_BODIES[hook];
  const schema = Object.entries(properties).find(([name]) => name === field)?.[1];
  return schema === undefined || Value.Check(schema, value);
}

function isSent(hook: HookName): hook is SentHookName {
  return Object.hasOwn(HOOK_BODIES, hook);
}
