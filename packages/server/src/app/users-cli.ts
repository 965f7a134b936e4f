import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  hashPassword,
  isUserName,
  passwordFault,
  randomPassword,
  readUsers,
  type StoredUser,
  USERS_FILE,
  writeUsers,
} from '../control/index.ts';
import { MediaServerError } from '../core/index.ts';
import { readPassword } from './read-password.ts';
import { closestName } from './settings/index.ts';
import { USERS_HELP } from './users-cli-help.ts';

/** What `sluice users` needs from its process. */
export interface UsersCliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Reads a password, after a prompt on a terminal; undefined when none comes. By default of the standard input. */
  readonly readPassword?: (prompt: string) => Promise<string | undefined>;
}

const OPTIONS = {
  'data-dir': { type: 'string' },
  generate: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const COMMANDS = ['list', 'add', 'passwd', 'remove', 'activate', 'deactivate'] as const;
type Command = (typeof COMMANDS)[number];

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** A command line that makes no sense; the message says which part and what to write. */
class UsageError extends Error {}

/** What can't be done with these users. */
class RefusedError extends Error {}

interface Job {
  readonly command: Command;
  readonly name: string;
  readonly generate: boolean;
  readonly file: string;
}

/** Runs `sluice users …` and gives the exit code. It changes the file; a server that runs takes it in by itself. */
export async function runUsersCli(args: readonly string[], context: UsersCliContext): Promise<number> {
  try {
    const job = parse(args, context);
    if (typeof job === 'number') return job;
    await run(job, context);
    return 0;
  } catch (error) {
    const known = error instanceof UsageError || error instanceof RefusedError || error instanceof MediaServerError;
    if (!known) throw error;
    context.err(`sluice: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
  }
}

function parse(args: readonly string[], { env, out, err }: UsersCliContext): Job | number {
  const { values, positionals } = parseStrictly(args);
  const [word, name, ...rest] = positionals;
  if (values.help === true || word === undefined) {
    (values.help === true ? out : err)(USERS_HELP);
    return values.help === true ? 0 : EXIT_USAGE;
  }
  const command = COMMANDS.find((known) => known === word);
  if (command === undefined) {
    const near = closestName(word, COMMANDS);
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    throw new UsageError(`there is no command "users ${word.slice(0, 40)}"${hint} (see sluice users --help)`);
  }
  const named = command !== 'list';
  if (named === (name === undefined) || rest.length > 0)
    throw new UsageError(`write it as "sluice users ${command}${named ? ' NAME' : ''}"; a password is no part of it`);
  if (values.generate === true && command !== 'add' && command !== 'passwd')
    throw new UsageError(`--generate does not go with "users ${command}"; see sluice users --help`);
  const dataDir = resolve(values['data-dir'] ?? (env['SLUICE_DATA_DIR'] || '.sluice'));
  return { command, name: name ?? '', generate: values.generate === true, file: join(dataDir, USERS_FILE) };
}

function parseStrictly(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)} (see sluice users --help)`);
  }
}

async function run(job: Job, context: UsersCliContext): Promise<void> {
  const users = (await readUsers(job.file)) ?? [];
  if (job.command === 'list') return context.out(table(users));
  const user = users.find(({ name }) => name === job.name);
  if (job.command === 'add') {
    if (user !== undefined) throw new RefusedError(`there is a user ${job.name} already`);
    if (!isUserName(job.name))
      throw new UsageError(`a user's name has 1 to 64 letters, digits or . _ @ - and begins with a letter or digit`);
    const passwordHash = await newPassword(job, context);
    return write(job, [...users, { name: job.name, passwordHash, active: true }]);
  }
  if (user === undefined) throw new RefusedError(`there is no user ${job.name.slice(0, 64)}`);
  const others = users.filter((other) => other !== user);
  if (job.command === 'passwd') {
    const passwordHash = await newPassword(job, context);
    return write(job, replaced(users, { ...user, passwordHash }));
  }
  if (job.command === 'activate') return write(job, replaced(users, { ...user, active: true }));
  if (user.active && !others.some(({ active }) => active))
    throw new RefusedError(`${user.name} is the last user who can log in: add another one first`);
  return write(job, job.command === 'remove' ? others : replaced(users, { ...user, active: false }));
}

function replaced(users: readonly StoredUser[], changed: StoredUser): readonly StoredUser[] {
  return users.map((user) => (user.name === changed.name ? changed : user));
}

async function write({ file }: Job, users: readonly StoredUser[]): Promise<void> {
  try {
    await writeUsers(file, users);
  } catch (error) {
    throw new RefusedError(`${file} can not be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Asks for a password, or makes one up, and gives its hash. */
async function newPassword({ name, generate }: Job, context: UsersCliContext): Promise<string> {
  if (generate) {
    const password = randomPassword();
    const hash = await hashPassword(password);
    context.out(`${password}\n`);
    return hash;
  }
  const ask = context.readPassword ?? readFromTerminal;
  const password = await ask(`New password of ${name}: `);
  if (password === undefined || password === '') throw new RefusedError('no password was given; nothing is changed');
  const fault = passwordFault(password);
  if (fault !== undefined) throw new RefusedError(`the password ${fault}; nothing is changed`);
  return hashPassword(password);
}

function readFromTerminal(prompt: string): Promise<string | undefined> {
  return readPassword(prompt, { input: process.stdin, output: process.stderr });
}

function table(users: readonly StoredUser[]): string {
  if (users.length === 0) return 'no users: the first start of the server makes "admin"\n';
  const width = Math.max(...users.map(({ name }) => name.length));
  return users.map(({ name, active }) => `${name.padEnd(width)}  ${active ? 'active' : 'not active'}\n`).join('');
}
