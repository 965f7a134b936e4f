import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeStreamToken, type NewStreamToken } from '../control/index.ts';
import { MediaServerError } from '../core/index.ts';
import { loadSettings, type Settings, SettingsError } from './settings/index.ts';
import { settingsFile } from './settings-file.ts';
import { TOKEN_HELP } from './users-cli-help.ts';

/** What `sluice token` needs from its process. */
export interface TokenCliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const OPTIONS = {
  stream: { type: 'string' },
  role: { type: 'string' },
  expires: { type: 'string' },
  ip: { type: 'string' },
  config: { type: 'string' },
  'data-dir': { type: 'string' },
  set: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

const ROLES = ['publish', 'play', 'both'] as const;
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const MAX_SECONDS = 366 * 86_400;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** A command line that makes no sense; the message says which part and what to write. */
class UsageError extends Error {}

type Values = ReturnType<typeof parseStrictly>;

/** Runs `sluice token …`, which prints a stream token, and gives the exit code. */
export async function runTokenCli(args: readonly string[], context: TokenCliContext): Promise<number> {
  try {
    const values = parseStrictly(args);
    if (values.help === true) {
      context.out(TOKEN_HELP);
      return 0;
    }
    const wanted = wantedToken(values);
    const settings = load(values, context);
    if (settings.stream_token_secret === '')
      throw new MediaServerError(
        'CONFIG_INVALID',
        'there is no stream_token_secret in the settings; tokens of other keys are made by who has the private key',
      );
    const { stream_token_issuer: issuer, stream_token_audience: audience } = settings;
    const token = await makeStreamToken({ ...wanted, issuer, audience }, settings.stream_token_secret);
    context.out(`${token}\n`);
    if (settings.stream_token_required === 'off')
      context.err('sluice: stream_token_required is off: the server does not ask for tokens\n');
    return 0;
  } catch (error) {
    return fail(error, context);
  }
}

function fail(error: unknown, { err }: TokenCliContext): number {
  if (error instanceof SettingsError) {
    for (const problem of error.problems) err(`sluice: ${problem}\n`);
    return EXIT_FAILURE;
  }
  if (!(error instanceof UsageError || error instanceof MediaServerError)) throw error;
  err(`sluice: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

function parseStrictly(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)} (see sluice token --help)`);
  }
}

function wantedToken({ stream, role, expires, ip }: Values): NewStreamToken {
  const found = ROLES.find((known) => known === role);
  if (stream === undefined || stream === '') throw new UsageError('--stream NAME is missing (see sluice token --help)');
  if (found === undefined) throw new UsageError(`--role is one of ${ROLES.join(', ')}`);
  const match = /^(\d{1,9})([smhd])$/.exec(expires ?? '');
  const expiresInSeconds = Number(match?.[1]) * (UNIT_SECONDS[match?.[2] ?? ''] ?? Number.NaN);
  if (!(expiresInSeconds >= 1 && expiresInSeconds <= MAX_SECONDS))
    throw new UsageError('--expires is a time such as 30s, 15m, 12h or 7d, of a year at most');
  if (ip !== undefined && !isNetwork(ip)) throw new UsageError('--ip is an address or a network such as 192.0.2.0/24');
  return { stream, role: found, expiresInSeconds, ip };
}

function isNetwork(text: string): boolean {
  const [address = '', bits = '0', ...rest] = text.split('/');
  const version = isIP(address);
  return version !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}

function load(values: Values, { env }: TokenCliContext): Settings {
  const dataDir = resolve(values['data-dir'] ?? (env['SLUICE_DATA_DIR'] || '.sluice'));
  return loadSettings({ file: settingsFile(values.config, dataDir), env, sets: values.set ?? [] }).settings;
}
