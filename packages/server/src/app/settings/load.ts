import { closeSync, openSync, readSync } from 'node:fs';
import { closestName } from './closest-name.ts';
import { decodeText, parseProperties } from './properties.ts';
import {
  environmentName,
  resolveSettingName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingEntry,
} from './schema.ts';
import type { SettingValue } from './setting-entry.ts';
import { SettingsError } from './settings-error.ts';
import { parseValue, quote } from './value.ts';
import { UNSUPPORTED_WCS_NAMES } from './wcs-names.ts';

export interface LoadOptions {
  /** File to read; it must exist. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `key=value` texts of the command line, the last of a key wins. */
  readonly sets: readonly string[];
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Where each value comes from: `default`, `<file>:<line>`, the variable's name, or `--set`. */
  readonly origins: ReadonlyMap<SettingName, string>;
  /** One line for each thing that was passed over. */
  readonly warnings: readonly string[];
}

/** One key with its text and the place where it stands. */
interface Assignment {
  readonly key: string;
  readonly text: string;
  readonly origin: string;
}

const MAX_FILE_BYTES = 1024 * 1024;
/** Beyond this a file is no settings file; more lines would only hide the first ones. */
const MAX_REPORTED = 100;
/** Variables with our prefix that are not settings. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['SLUICE_DATA_DIR', 'SLUICE_NATIVE']);

/**
 * Collects settings from defaults, file, environment and command line, later ones over earlier ones.
 * Throws `SettingsError` with all problems at once; never reads more than 1 MiB.
 */
export function loadSettings(options: LoadOptions): LoadedSettings {
  const loading = new Loading();
  if (options.file !== undefined) loading.readFile(options.file);
  loading.readEnvironment(options.env);
  loading.readSets(options.sets);
  return loading.finish();
}

/** Values, origins, warnings and problems while sources are read one after another. */
class Loading {
  readonly #values = new Map<SettingName, SettingValue>();
  readonly #origins = new Map<SettingName, string>();
  readonly #warnings: string[] = [];
  readonly #problems: string[] = [];

  constructor() {
    for (const name of SETTING_NAMES) {
      this.#values.set(name, settingEntry(name).default);
      this.#origins.set(name, 'default');
    }
  }

  readFile(file: string): void {
    const { properties, problems } = parseProperties(decodeText(readBounded(file)));
    for (const { line, reason } of problems) this.#problems.push(`${file}:${line}: ${reason}`);
    const winners = new Map<string, { text: string; line: number; key: string }>();
    for (const { key, value, line } of properties) {
      const name = resolveSettingName(key) ?? key;
      const earlier = winners.get(name);
      if (earlier !== undefined) {
        this.#warnings.push(
          `${file}:${line}: ${shortName(key)} was set before in line ${earlier.line}; this one counts`,
        );
      }
      winners.set(name, { text: value, line, key });
    }
    for (const { key, text, line } of winners.values()) this.#assign({ key, text, origin: `${file}:${line}` });
  }

  readEnvironment(env: LoadOptions['env']): void {
    const keys = new Map<string, string>();
    for (const name of [...UNSUPPORTED_WCS_NAMES, ...SETTING_NAMES]) keys.set(environmentName(name), name);
    for (const [variable, text] of Object.entries(env)) {
      if (!variable.startsWith('SLUICE_') || OTHER_VARIABLES.has(variable) || text === undefined) continue;
      const key = keys.get(variable);
      if (key !== undefined) {
        this.#assign({ key, text, origin: variable });
        continue;
      }
      const near = closestName(variable, SETTING_NAMES.map(environmentName));
      this.#warnings.push(`${shortName(variable)}: there is no such setting${suggestion(near)}`);
    }
  }

  readSets(sets: readonly string[]): void {
    for (const set of sets) {
      const equals = set.indexOf('=');
      if (equals <= 0) this.#problems.push(`--set ${quote(set)}: write it as --set name=value`);
      else this.#assign({ key: set.slice(0, equals).trim(), text: set.slice(equals + 1), origin: '--set' });
    }
  }

  finish(): LoadedSettings {
    if (this.#problems.length === 0) this.#checkTogether();
    if (this.#problems.length > 0) throw new SettingsError(bounded(this.#problems));
    // Every name of the schema has a value that was read by its own type.
    const settings = Object.freeze(Object.fromEntries(this.#values)) as unknown as Settings;
    return { settings, origins: this.#origins, warnings: bounded(this.#warnings) };
  }

  #assign({ key, text, origin }: Assignment): void {
    const name = resolveSettingName(key);
    if (name === undefined) {
      this.#warnings.push(
        UNSUPPORTED_WCS_NAMES.has(key)
          ? `${origin}: ${key} is a known WCS setting, not supported yet; it is passed over`
          : `${origin}: ${shortName(key)} is no known setting; it is passed over${suggestion(closestName(key, SETTING_NAMES))}`,
      );
      return;
    }
    const entry = settingEntry(name);
    const parsed = parseValue(entry, text);
    if ('allowed' in parsed) {
      const shown = entry.secret === true ? 'the value' : quote(text);
      this.#problems.push(`${origin}: ${key}: ${shown} is not allowed; it must be ${parsed.allowed}`);
      return;
    }
    this.#values.set(name, parsed.value);
    this.#origins.set(name, origin);
  }

  /** What one setting alone can not tell: ports that collide, bounds that cross. */
  #checkTogether(): void {
    const users = new Map<SettingValue, SettingName>();
    for (const name of SETTING_NAMES) {
      const port = this.#values.get(name);
      if (settingEntry(name).type !== 'port' || port === undefined || port === 0) continue;
      const other = users.get(port);
      if (other === undefined) users.set(port, name);
      else this.#problems.push(`${this.#place(name)}: ${name}: port ${String(port)} is already that of ${other}`);
    }
    const least = Number(this.#values.get('hls_time_min'));
    const most = Number(this.#values.get('hls_max_segment_time'));
    if (least > most) {
      const place = this.#place('hls_time_min');
      this.#problems.push(`${place}: hls_time_min: ${least} is more than hls_max_segment_time, which is ${most}`);
    }
  }

  #place(name: SettingName): string {
    return this.#origins.get(name) ?? 'default';
  }
}

function bounded(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_REPORTED) return lines;
  return [...lines.slice(0, MAX_REPORTED), `and ${lines.length - MAX_REPORTED} more`];
}

function suggestion(near: string | undefined): string {
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** A key from outside, quoted when it is not plain. */
function shortName(key: string): string {
  return /^[\w.-]{1,80}$/.test(key) ? key : quote(key);
}

/** Reads a file whole, up to the limit; pipes are read as well, so that `--config <(…)` works. */
function readBounded(file: string): Uint8Array {
  const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
  let length = 0;
  try {
    const descriptor = openSync(file, 'r');
    try {
      for (;;) {
        const count = readSync(descriptor, buffer, length, buffer.length - length, null);
        length += count;
        if (count === 0 || length === buffer.length) break;
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw new SettingsError([`${file}: can not be read: ${reasonOf(cause)}`], { cause });
  }
  if (length > MAX_FILE_BYTES)
    throw new SettingsError([`${file}: is larger than 1 MiB, too large for a settings file`]);
  return buffer.subarray(0, length);
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'EISDIR') return 'it is a folder';
  return error instanceof Error ? error.message : String(error);
}
