import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { MediaServerError } from '../core/index.ts';
import { HELP, type HelpTopic } from './cli-help.ts';
import { createLog } from './logging.ts';
import { serve } from './serve.ts';
import {
  closestName,
  type LoadedSettings,
  loadSettings,
  renderSettings,
  renderSettingsReference,
  SettingsError,
  viewSettings,
} from './settings/index.ts';
import { settingsFile } from './settings-file.ts';
import { serverVersion } from './version.ts';

/** What the command line needs from its process. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** A command line that makes no sense; the message says which part and what to write. */
class UsageError extends Error {}

interface Invocation {
  readonly command: HelpTopic;
  readonly help: boolean;
  readonly config: string | undefined;
  readonly dataDir: string;
  readonly sets: readonly string[];
  readonly demo: boolean;
}

const OPTIONS = {
  config: { type: 'string' },
  'data-dir': { type: 'string' },
  set: { type: 'string', multiple: true },
  demo: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

/** Options that each command knows; all know `--help`. */
const OPTIONS_OF: Readonly<Record<HelpTopic, readonly string[]>> = {
  sluice: ['version'],
  start: ['config', 'data-dir', 'set', 'demo'],
  config: [],
  'config print': ['config', 'data-dir', 'set'],
  'config check': ['config', 'data-dir', 'set'],
  'config docs': [],
  version: [],
};

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Runs one command line and gives the exit code; for `start`, when the server has stopped. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  if (args[0] === 'apps') {
    // Loaded here, because much comes with it.
    const { runAppsCli } = await import('./apps-cli.ts');
    return runAppsCli(args.slice(1), context);
  }
  if (args[0] === 'users') {
    const { runUsersCli } = await import('./users-cli.ts');
    return runUsersCli(args.slice(1), context);
  }
  if (args[0] === 'token') {
    const { runTokenCli } = await import('./token-cli.ts');
    return runTokenCli(args.slice(1), context);
  }
  if (args[0] === 'bench') {
    const { runBenchCli } = await import('./bench-cli.ts');
    return runBenchCli(args.slice(1), context);
  }
  try {
    return await runCommand(parseInvocation(args, context.env), context);
  } catch (error) {
    if (error instanceof UsageError) {
      context.err(`sluice: ${error.message}\n`);
      return EXIT_USAGE;
    }
    if (error instanceof SettingsError) {
      for (const problem of error.problems) context.err(`sluice: ${problem}\n`);
      return EXIT_FAILURE;
    }
    if (error instanceof MediaServerError) {
      context.err(`sluice: ${oneLine(error.message)}\n`);
      return EXIT_FAILURE;
    }
    throw error;
  }
}

async function runCommand(invocation: Invocation, context: CliContext): Promise<number> {
  if (invocation.help) {
    context.out(HELP[invocation.command]);
    return 0;
  }
  switch (invocation.command) {
    case 'sluice':
    case 'config':
      context.err(HELP[invocation.command]);
      return EXIT_USAGE;
    case 'version':
      context.out(`sluice ${serverVersion()}\n`);
      return 0;
    case 'config docs':
      context.out(renderSettingsReference());
      return 0;
    case 'config print': {
      const loaded = load(invocation, context);
      for (const warning of loaded.warnings) context.err(`warning: ${warning}\n`);
      context.out(renderSettings(loaded));
      return 0;
    }
    case 'config check':
      return check(invocation, context);
    case 'start':
      return start(invocation, context);
  }
}

function check(invocation: Invocation, context: CliContext): number {
  const { warnings, origins } = load(invocation, context);
  for (const warning of warnings) context.out(`warning: ${warning}\n`);
  const changed = [...origins.values()].filter((origin) => origin !== 'default').length;
  const file = configFile(invocation) ?? 'no settings file';
  context.out(`${file}: the settings can be used; ${changed} differ from the defaults, ${warnings.length} warnings\n`);
  return 0;
}

async function start(invocation: Invocation, context: CliContext): Promise<number> {
  const loaded = load(invocation, context);
  const { settings, warnings } = loaded;
  try {
    mkdirSync(invocation.dataDir, { recursive: true });
  } catch (error) {
    throw new SettingsError([`${invocation.dataDir}: the data folder can not be made: ${messageOf(error)}`]);
  }
  const { log, recent } = createLog({
    level: settings.log_level,
    format: settings.log_format,
    isTTY: process.stderr.isTTY === true,
  });
  for (const warning of warnings) log.warn({}, warning);
  return serve(
    {
      settings,
      dataDir: invocation.dataDir,
      demo: invocation.demo,
      log,
      recentLog: recent,
      settingsView: viewSettings(loaded, configFile(invocation)),
    },
    { version: serverVersion(), out: context.out },
  );
}

function load(invocation: Invocation, context: CliContext): LoadedSettings {
  return loadSettings({ file: configFile(invocation), env: context.env, sets: invocation.sets });
}

function configFile(invocation: Invocation): string | undefined {
  return settingsFile(invocation.config, invocation.dataDir);
}

function parseInvocation(args: readonly string[], env: CliContext['env']): Invocation {
  const { values, positionals } = parseStrictly(args);
  const command = values.version === true ? 'version' : findCommand(positionals);
  const allowed = [...OPTIONS_OF[command], 'help'];
  if (command === 'version' && positionals.length === 0) allowed.push('version');
  for (const option of Object.keys(values)) {
    if (!allowed.includes(option)) {
      throw new UsageError(`--${option} does not go with "${command}"; see ${helpCall(command)}`);
    }
  }
  return {
    command,
    help: values.help === true,
    config: values.config,
    dataDir: resolve(values['data-dir'] ?? (env['SLUICE_DATA_DIR'] || '.sluice')),
    sets: values.set ?? [],
    demo: values.demo ?? false,
  };
}

function parseStrictly(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: OPTIONS,
      strict: true,
      allowPositionals: true,
      // `--demo --no-demo`: the last one counts.
      allowNegative: true,
    });
  } catch (error) {
    throw new UsageError(explain(error));
  }
}

/** Makes one clear line of what node:util says about an option. */
function explain(error: unknown): string {
  const message = messageOf(error);
  const unknown = /Unknown option '(-[^']*)'/.exec(message)?.[1];
  if (unknown === undefined) return `${oneLine(message)}; see sluice --help`;
  const near = closestName(unknown.replace(/^-+/, ''), [...Object.keys(OPTIONS), 'no-demo']);
  return `there is no option ${unknown}${near === undefined ? '' : `; did you mean --${near}?`} (see sluice --help)`;
}

function findCommand(words: readonly string[]): HelpTopic {
  const wanted = words.join(' ');
  if (wanted === '') return 'sluice';
  const commands = Object.keys(OPTIONS_OF).filter(isCommand);
  const found = commands.find((command) => command === wanted);
  if (found !== undefined) return found;
  const near = closestName(wanted, [...commands, 'apps', 'users', 'token', 'bench']);
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  throw new UsageError(`there is no command ${JSON.stringify(wanted)}${hint} (see sluice --help)`);
}

function isCommand(word: string): word is HelpTopic {
  return word !== 'sluice' && Object.hasOwn(OPTIONS_OF, word);
}

function helpCall(command: HelpTopic): string {
  return command === 'sluice' ? 'sluice --help' : `sluice ${command} --help`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
