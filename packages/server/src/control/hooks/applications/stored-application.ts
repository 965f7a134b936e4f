import { type Application, HOOK_NAMES, type HookName, isHookName } from '@sluice/contract';

/** An application with the password for its back end, which is never told. */
export type StoredApplication = Application & { readonly restPassword: string };

/** Thrown for an application that can't be; the message names it and says what is wrong. */
export class ApplicationError extends Error {
  /** 404: there is no such application. 409: another one has its name or key. 400: a value can't be. */
  readonly statusCode: 400 | 404 | 409;

  constructor(statusCode: 400 | 404 | 409, message: string) {
    super(message);
    this.name = 'ApplicationError';
    this.statusCode = statusCode;
  }
}

/** Hooks that a new application sends: a keep-alive for each stream must be asked for (rest-hooks.md §6.2). */
export const DEFAULT_REST_METHODS: readonly HookName[] = HOOK_NAMES.filter((name) => name !== 'StreamKeepAliveEvent');

/** Keys that clients of WCS use without anybody having made an application (rest-hooks.md §2, websdk-signalling.md §2.2). */
const DEFAULT_KEYS = [
  'defaultApp',
  'flashStreamingApp',
  'roomApp',
  'clickToCallApp',
  'chatApp',
  'sfuApp',
  'hlsApp',
  'rtspApp',
];

/**
 * The applications of a server that nobody has configured. None has a back end, so everything is allowed: WCS's own
 * default, an echo of its own, allows everything too, and this costs nothing.
 */
export function defaultApplications(): readonly StoredApplication[] {
  return DEFAULT_KEYS.map((key) => readApplication({ name: key, appKey: key }));
}

const MAX_NAME_LENGTH = 128;
const MAX_TEXT_LENGTH = 1024;
const MAX_URL_LENGTH = 2048;
const FIELDS = ['name', 'appKey', 'url', 'owner', 'restUsername', 'restPassword', 'restMethods'];

/**
 * Reads an application from a value of the file or of a request; what is absent has its default.
 * @throws ApplicationError
 */
export function readApplication(value: unknown): StoredApplication {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('it is not an object');
  const fields = value as Readonly<Record<string, unknown>>;
  const name = readName(fields, 'name');
  const called = `application "${name}"`;
  for (const field of Object.keys(fields)) {
    if (!FIELDS.includes(field)) throw wrong(`${called} has a field "${field.slice(0, 64)}" that is not known`);
  }
  return {
    name,
    appKey: readName(fields, 'appKey', called),
    url: checkUrl(readText(fields, 'url', { called, max: MAX_URL_LENGTH }), called),
    owner: readText(fields, 'owner', { called }),
    restUsername: readUsername(fields, called),
    restPassword: readText(fields, 'restPassword', { called }),
    restMethods: readMethods(fields['restMethods'], called),
  };
}

/** The application without its password. */
export function withoutPassword({ restPassword: _secret, ...application }: StoredApplication): Application {
  return application;
}

function readName(fields: Readonly<Record<string, unknown>>, field: string, called = 'an application'): string {
  const value = fields[field];
  if (typeof value !== 'string' || value === '') throw wrong(`${called} has no ${field}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what is refused.
  if (value.length > MAX_NAME_LENGTH || /[\u0000-\u001f\u007f]/.test(value))
    throw wrong(`the ${field} of ${called} is longer than ${MAX_NAME_LENGTH} characters or has control characters`);
  return value;
}

function readText(
  fields: Readonly<Record<string, unknown>>,
  field: string,
  { called, max = MAX_TEXT_LENGTH }: { readonly called: string; readonly max?: number },
): string {
  const value = fields[field] ?? '';
  if (typeof value !== 'string') throw wrong(`${field} of ${called} is not a text`);
  if (value.length > max) throw wrong(`${field} of ${called} is longer than ${max} characters`);
  return value;
}

/** RFC 7617 §2: the first colon ends the name. */
function readUsername(fields: Readonly<Record<string, unknown>>, called: string): string {
  const username = readText(fields, 'restUsername', { called });
  if (username.includes(':')) throw wrong(`restUsername of ${called} has a colon, which HTTP Basic can not carry`);
  return username;
}

function checkUrl(url: string, called: string): string {
  if (url === '') return '';
  if (!URL.canParse(url)) throw wrong(`url of ${called} is not a URL`);
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    throw wrong(`url of ${called} must begin with http:// or https://`);
  if (parsed.username !== '' || parsed.password !== '')
    throw wrong(`url of ${called} has a password in it: use restUsername and restPassword`);
  if (parsed.search !== '' || parsed.hash !== '')
    throw wrong(`url of ${called} has a "?" or "#": hooks are sent to <url>/<hook>`);
  return url;
}

function readMethods(value: unknown, called: string): HookName[] {
  if (value === undefined || value === null) return [...DEFAULT_REST_METHODS];
  if (!Array.isArray(value)) throw wrong(`restMethods of ${called} is not a list`);
  const names = new Set<HookName>();
  for (const name of value as unknown[]) {
    if (typeof name !== 'string' || !isHookName(name))
      throw wrong(`restMethods of ${called} has ${JSON.stringify(name)?.slice(0, 64)}, which is no hook`);
    names.add(name);
  }
  return HOOK_NAMES.filter((name) => names.has(name));
}

function wrong(message: string): ApplicationError {
  return new ApplicationError(400, message);
}
