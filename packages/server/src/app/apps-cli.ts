import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { HOOK_NAMES, type HookName, isHookName } from '@sluice/contract';
import { ApplicationError, ApplicationStore, DEFAULT_REST_METHODS, type StoredApplication } from '../control/index.ts';
import { type Log, MediaServerError } from '../core/index.ts';
import { applicationsFile } from './applications-file.ts';
import { APPS_HELP } from './apps-cli-help.ts';
import { closestName } from './settings/index.ts';

/** What `sluice apps` needs from its process. */
export interface AppsCliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** The standard input, to its end; for `--password-stdin`. */
  readonly readInput?: () => Promise<string>;
}

const OPTIONS = {
  'data-dir': { type: 'string' },
  key: { type: 'string', short: 'k' },
  url: { type: 'string', short: 'l' },
  user: { type: 'string', short: 'u' },
  password: { type: 'string', short: 'p' },
  'password-stdin': { type: 'boolean' },
  owner: { type: 'string', short: 'o' },
  add: { type: 'string', multiple: true },
  remove: { type: 'string', multiple: true },
  'add-all': { type: 'boolean' },
  'remove-all': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const FIELDS = ['key', 'url', 'user', 'password', 'password-stdin', 'owner'];
const METHODS = ['add', 'remove', 'add-all', 'remove-all'];

/** Commands, whether they name an application, and the options that they know besides `--data-dir` and `--help`. */
const COMMANDS: Readonly<Record<string, { readonly named: boolean; readonly options: readonly string[] }>> = {
  list: { named: false, options: [] },
  show: { named: true, options: [] },
  add: { named: true, options: FIELDS },
  update: { named: true, options: FIELDS },
  remove: { named: true, options: [] },
  methods: { named: true, options: METHODS },
};

/** The password of a back end can be given by this, so that it stands in no list of processes. */
const PASSWORD_VARIABLE = 'SLUICE_APP_PASSWORD';
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** A command line that makes no sense; the message says which part and what to write. */
class UsageError extends Error {}

type Values = ReturnType<typeof parse>['values'];

/** Runs `sluice apps …` and gives the exit code. It changes the file; a server that runs takes it in by itself. */
export async function runAppsCli(args: readonly string[], context: AppsCliContext): Promise<number> {
  try {
    return await run(args, context);
  } catch (error) {
    const known = error instanceof UsageError || error instanceof ApplicationError || error instanceof MediaServerError;
    if (!known) throw error;
    context.err(`sluice: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
  }
}

async function run(args: readonly string[], context: AppsCliContext): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, name, ...rest] = positionals;
  if (values.help === true || command === undefined) {
    if (values.help === true) context.out(APPS_HELP);
    else context.err(APPS_HELP);
    return values.help === true ? 0 : EXIT_USAGE;
  }
  check(command, { name, rest, values });
  const dataDir = resolve(values['data-dir'] ?? (context.env['SLUICE_DATA_DIR'] || '.sluice'));
  const store = new ApplicationStore({ file: applicationsFile(dataDir), log: SILENT });
  if (command === 'list') {
    context.out(table(store.all()));
    return 0;
  }
  if (command === 'add') {
    context.out(
      details(await store.add({ ...(await changes(values, context)), name: name ?? '', appKey: values.key ?? '' })),
    );
    return 0;
  }
  const found = store.named(name ?? '') ?? store.get(name ?? '');
  if (found === undefined) throw new ApplicationError(404, `there is no application "${name}"${hint(store, name)}`);
  await change(command, { store, found, values, context });
  return 0;
}

async function change(
  command: string,
  parts: {
    readonly store: ApplicationStore;
    readonly found: StoredApplication;
    readonly values: Values;
    readonly context: AppsCliContext;
  },
): Promise<void> {
  const { store, found, values, context } = parts;
  switch (command) {
    case 'remove':
      await store.remove(found.name);
      return context.out(`removed ${found.name}\n`);
    case 'update':
      return context.out(details(await store.update({ ...(await changes(values, context)), name: found.name })));
    case 'methods': {
      const restMethods = methodsAfter(found.restMethods, values);
      const changed = METHODS.some((option) => option in values);
      const shown = changed ? await store.update({ name: found.name, restMethods }) : found;
      return context.out(methodList(shown));
    }
    default:
      return context.out(details(found));
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const unknown = /Unknown option '(-[^']*)'/.exec(message)?.[1];
    if (unknown === undefined) throw new UsageError(`${message}; see sluice apps --help`);
    const near = closestName(unknown.replace(/^-+/, ''), Object.keys(OPTIONS));
    throw new UsageError(
      `there is no option ${unknown}${near === undefined ? '' : `; did you mean --${near}?`} (see sluice apps --help)`,
    );
  }
}

function check(
  command: string,
  line: { readonly name: string | undefined; readonly rest: readonly string[]; readonly values: Values },
): void {
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (known === undefined) {
    const near = closestName(command, Object.keys(COMMANDS));
    const meant = near === undefined ? '' : `; did you mean "apps ${near}"?`;
    throw new UsageError(`there is no command "apps ${command}"${meant} (see sluice apps --help)`);
  }
  for (const option of Object.keys(line.values)) {
    if (![...known.options, 'data-dir', 'help'].includes(option))
      throw new UsageError(`--${option} does not go with "apps ${command}"; see sluice apps --help`);
  }
  if (known.named && line.name === undefined)
    throw new UsageError(`"apps ${command}" needs the name of an application`);
  const surplus = known.named ? line.rest[0] : line.name;
  if (surplus !== undefined) throw new UsageError(`"apps ${command}" does not take "${surplus}"`);
  if (command === 'add' && line.values.key === undefined)
    throw new UsageError('"apps add" needs --key, by which clients name the application');
}

async function changes(values: Values, context: AppsCliContext) {
  const password = await passwordOf(values, context);
  return {
    ...(values.key === undefined ? {} : { appKey: values.key }),
    ...(values.url === undefined ? {} : { url: values.url }),
    ...(values.user === undefined ? {} : { restUsername: values.user }),
    ...(values.owner === undefined ? {} : { owner: values.owner }),
    ...(password === undefined ? {} : { restPassword: password }),
  };
}

async function passwordOf(values: Values, { env, readInput }: AppsCliContext): Promise<string | undefined> {
  if (values.password !== undefined && values['password-stdin'] === true)
    throw new UsageError('--password and --password-stdin do not go together');
  if (values['password-stdin'] === true) return (await (readInput ?? readStandardInput)()).replace(/\r?\n$/, '');
  return values.password ?? (values.user === undefined ? undefined : env[PASSWORD_VARIABLE]);
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function methodsAfter(present: readonly HookName[], values: Values): HookName[] {
  const methods = new Set<HookName>(values['remove-all'] === true ? [] : present);
  if (values['add-all'] === true) for (const name of HOOK_NAMES) methods.add(name);
  for (const name of hooks(values.add)) methods.add(name);
  for (const name of hooks(values.remove)) methods.delete(name);
  return [...methods];
}

function hooks(names: readonly string[] = []): HookName[] {
  return names
    .flatMap((name) => name.split(','))
    .map((name) => name.trim())
    .map((name) => {
      if (isHookName(name)) return name;
      const near = closestName(name, HOOK_NAMES);
      throw new UsageError(`there is no hook "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`);
    });
}

function hint(store: ApplicationStore, name = ''): string {
  const near = closestName(
    name,
    store.all().flatMap((application) => [application.name, application.appKey]),
  );
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

function table(applications: readonly StoredApplication[]): string {
  const rows = [
    ['NAME', 'KEY', 'BACK END'],
    ...applications.map(({ name, appKey, url }) => [name, appKey, url === '' ? '- (everything is allowed)' : url]),
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`).join('');
}

/** Never the password. */
function details(application: StoredApplication): string {
  const { name, appKey, url, owner, restUsername, restPassword, restMethods } = application;
  const left = DEFAULT_REST_METHODS.filter((method) => !restMethods.includes(method));
  const more = restMethods.filter((method) => !DEFAULT_REST_METHODS.includes(method));
  const methods =
    left.length > 0
      ? `${restMethods.length} of ${HOOK_NAMES.length}`
      : ['all but StreamKeepAliveEvent', 'all'][more.length];
  const lines = [
    ['name', name],
    ['key', appKey],
    ['back end', url === '' ? '- (everything is allowed)' : url],
    ['owner', owner],
    ['user', restUsername],
    ['password', restPassword === '' ? '' : 'set'],
    ['methods', methods ?? ''],
  ];
  return lines
    .filter(([, value]) => value !== '')
    .map(([what = '', value]) => `${what.padEnd(8)}  ${value}\n`)
    .join('');
}

function methodList({ restMethods }: StoredApplication): string {
  return HOOK_NAMES.map((name) => `${restMethods.includes(name) ? '+' : '-'} ${name}\n`).join('');
}

const SILENT: Log = { child: () => SILENT, debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
