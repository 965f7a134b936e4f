import { isIP } from 'node:net';
import type { SettingEntry, SettingValue, StringFormat } from './setting-entry.ts';

/** A setting's text read by its type: the value, or what would have been allowed. */
export type ParsedValue = { readonly value: SettingValue } | { readonly allowed: string };

const MAX_STRING_LENGTH = 4096;
const MAX_SHOWN_LENGTH = 80;
const DEFAULT_ACTIVITY_SECONDS = 60;
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+\s*:[^\r\n]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what is refused.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;

/** Reads the text of a setting. Spaces around it do not count. */
export function parseValue(entry: SettingEntry, text: string): ParsedValue {
  const value = parseTrimmed(entry, text.trim());
  return value === undefined ? { allowed: describeAllowed(entry) } : { value };
}

function parseTrimmed(entry: SettingEntry, text: string): SettingValue | undefined {
  switch (entry.type) {
    case 'integer':
      return /^[+-]?\d{1,15}$/.test(text) ? inRange(Number(text), entry.min, entry.max) : undefined;
    case 'number':
      return /^[+-]?\d{1,15}(\.\d{1,15})?$/.test(text) ? inRange(Number(text), entry.min, entry.max) : undefined;
    case 'port':
      return /^\d{1,5}$/.test(text) ? inRange(Number(text), 0, 65_535) : undefined;
    case 'boolean':
      return /^(true|false)$/i.test(text) ? text.toLowerCase() === 'true' : undefined;
    case 'enum':
      return entry.values.find((value) => value.toLowerCase() === text.toLowerCase());
    case 'list':
      return parseList(text, listItemCheck(entry));
    case 'string':
      return isAllowedString(entry.format, text) ? text : undefined;
  }
}

function inRange(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined;
}

function parseList(text: string, isAllowed: (item: string) => boolean): readonly string[] | undefined {
  if (text === '') return [];
  const items = text.split(',').map((item) => item.trim());
  return items.every(isAllowed) ? items : undefined;
}

function listItemCheck(entry: SettingEntry & { readonly type: 'list' }): (item: string) => boolean {
  if (entry.format === 'address') return isAddress;
  return entry.format === 'network' ? isNetwork : isOneOf(entry.values);
}

/** `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`. */
function isNetwork(text: string): boolean {
  const match = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text);
  const version = isIP(match?.[1] ?? '');
  return version !== 0 && Number(match?.[2] ?? 0) <= (version === 4 ? 32 : 128);
}

function isOneOf(values: readonly string[] | undefined): (item: string) => boolean {
  return (item) => (values === undefined ? item !== '' : values.includes(item));
}

function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined;
}

/** Takes `192.0.2.1:1935` or `[2001:db8::1]:1935` apart; undefined when it is neither. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(host) !== 0 && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** Takes WCS's `true,60` apart: whether a check is on, and its seconds; undefined when it is something else. */
export function parseActivity(text: string): { readonly enabled: boolean; readonly seconds: number } | undefined {
  const match = /^(true|false)(?:\s*,\s*(\d{1,6}))?$/i.exec(text);
  const seconds = Number(match?.[2] ?? DEFAULT_ACTIVITY_SECONDS);
  return match === null || seconds < 1 ? undefined : { enabled: match[1]?.toLowerCase() === 'true', seconds };
}

function isRegExp(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

function isAllowedString(format: StringFormat | undefined, text: string): boolean {
  if (text.length > MAX_STRING_LENGTH || CONTROL_CHARACTERS.test(text)) return false;
  switch (format) {
    case 'headers':
      return splitHeaders(text).every((header) => HEADER.test(header));
    case 'ip':
      return isIP(text) !== 0;
    case 'host':
      return text === '' || isIP(text) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text);
    case 'path':
      return text !== '';
    case 'regexp':
      return isRegExp(text);
    case 'rtmpUrl':
      return text === '' || /^rtmps?:\/\/[^\s/]+\/\S*$/.test(text);
    case 'activity':
      return parseActivity(text) !== undefined;
    case 'httpUrl':
      return text === '' || (/^https?:\/\//i.test(text) && URL.canParse(text));
    case 'file':
    case undefined:
      return true;
  }
}

function splitHeaders(text: string): string[] {
  return text
    .split(';')
    .map((header) => header.trim())
    .filter((header) => header !== '');
}

/** Takes a checked `Name: value; Name: value` setting apart. */
export function parseHeaderList(text: string): readonly (readonly [name: string, value: string])[] {
  return splitHeaders(text).map((header) => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()] as const;
  });
}

/** Says in words which values a setting can have. */
export function describeAllowed(entry: SettingEntry): string {
  switch (entry.type) {
    case 'integer':
      return `a whole number from ${entry.min} to ${entry.max}${entry.unit === undefined ? '' : ` (${entry.unit})`}`;
    case 'number':
      return `a number from ${entry.min} to ${entry.max}${entry.unit === undefined ? '' : ` (${entry.unit})`}`;
    case 'port':
      return 'a port from 1 to 65535, or 0 for off';
    case 'boolean':
      return 'true or false';
    case 'enum':
      return `one of ${entry.values.join(', ')}`;
    case 'list':
      if (entry.format === 'address')
        return 'addresses such as 192.0.2.1:1935 or [2001:db8::1]:1935, separated by commas';
      if (entry.format === 'network')
        return 'addresses and networks such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32, separated by commas';
      return `a list separated by commas${entry.values === undefined ? '' : ` of ${entry.values.join(', ')}`}`;
    case 'string':
      return describeString(entry.format);
  }
}

function describeString(format: StringFormat | undefined): string {
  switch (format) {
    case 'headers':
      return 'headers as Name: value, separated by ;';
    case 'ip':
      return 'an IPv4 or IPv6 address';
    case 'host':
      return 'an address or a host name, or nothing';
    case 'path':
      return 'the path of a folder';
    case 'file':
      return 'the path of a file, or nothing';
    case 'regexp':
      return 'a regular expression, or nothing';
    case 'rtmpUrl':
      return 'a URL such as rtmp://host/live, or nothing';
    case 'activity':
      return 'true or false, with seconds after a comma: true,60';
    case 'httpUrl':
      return 'a URL such as https://host/keys.json, or nothing';
    case undefined:
      return `text of at most ${MAX_STRING_LENGTH} characters without control characters`;
  }
}

/** Writes a value as it would stand in a settings file; secrets are blotted out. */
export function formatValue(entry: SettingEntry, value: SettingValue): string {
  if (entry.secret === true && value !== '') return '******';
  return typeof value === 'object' ? value.join(',') : String(value);
}

/** A text from outside made fit for a message of one line. */
export function quote(text: string): string {
  const short = text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
  return JSON.stringify(short);
}
