/** One `key=value` of a settings file. */
export interface Property {
  readonly key: string;
  readonly value: string;
  /** Number of the line that it begins on, from 1. */
  readonly line: number;
}

export interface ParsedProperties {
  readonly properties: readonly Property[];
  /** Lines that can not be read, with the reason. */
  readonly problems: readonly { readonly line: number; readonly reason: string }[];
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

/**
 * Reads text in the form of Java's `.properties`: `key=value`, `key: value`, comments after `#` or `!`, a backslash
 * at the end of a line to go on in the next one, `\t \n \r \f \uXXXX` and `\` before any other character.
 * Never throws: a line that can not be read is a problem.
 */
export function parseProperties(text: string): ParsedProperties {
  const properties: Property[] = [];
  const problems: { line: number; reason: string }[] = [];
  for (const { content, line } of logicalLines(text)) {
    const { rawKey, rawValue } = splitLine(content);
    const key = unescapeText(rawKey);
    const value = unescapeText(rawValue);
    if (key === undefined || value === undefined) {
      problems.push({ line, reason: 'after \\u there must be four hexadecimal digits' });
    } else if (key === '') {
      problems.push({ line, reason: 'there is no name before the =' });
    } else {
      properties.push({ key, value, line });
    }
  }
  return { properties, problems };
}

/** Decodes the bytes of a settings file: UTF-8 with or without a byte-order mark, or else Latin-1. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Java wrote these files in Latin-1 until version 9.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }
}

/** Lines without comments and blank ones, continued lines joined. */
function* logicalLines(text: string): Generator<{ content: string; line: number }> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    const first = (lines[i] ?? '').trimStart();
    if (first === '' || first.startsWith('#') || first.startsWith('!')) continue;
    const parts: string[] = [];
    let part = first;
    while (endsWithBackslash(part) && i + 1 < lines.length) {
      parts.push(part.slice(0, -1));
      i++;
      part = (lines[i] ?? '').trimStart();
    }
    parts.push(endsWithBackslash(part) ? part.slice(0, -1) : part);
    const content = parts.join('');
    if (content !== '') yield { content, line };
  }
}

/** True for an odd number of backslashes at the end: an even number is escaped backslashes. */
function endsWithBackslash(text: string): boolean {
  let count = 0;
  while (count < text.length && text[text.length - 1 - count] === '\\') count++;
  return count % 2 === 1;
}

/** The key ends at the first `=`, `:` or space that has no backslash before it. */
function splitLine(content: string): { rawKey: string; rawValue: string } {
  let end = 0;
  while (end < content.length && !/[=:\s]/.test(content.charAt(end))) end += content[end] === '\\' ? 2 : 1;
  const rest = content.slice(end).trimStart();
  const rawValue = rest.startsWith('=') || rest.startsWith(':') ? rest.slice(1) : rest;
  return { rawKey: content.slice(0, end), rawValue: rawValue.trim() };
}

function unescapeText(text: string): string | undefined {
  if (!text.includes('\\')) return text;
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (character !== '\\') {
      result += character;
      continue;
    }
    i++;
    const escaped = text.charAt(i);
    if (escaped !== 'u') {
      result += SIMPLE_ESCAPES[escaped] ?? escaped;
      continue;
    }
    const digits = text.slice(i + 1, i + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) return undefined;
    result += String.fromCharCode(Number.parseInt(digits, 16));
    i += 4;
  }
  return result;
}

/** Writes one `key=value` line that `parseProperties` reads back. */
export function formatProperty(key: string, value: string): string {
  return `${escapeText(key, /[\\=:\s#!]/g)}=${escapeText(value, /[\\\t\n\r\f]/g)}`;
}

function escapeText(text: string, special: RegExp): string {
  const names: Readonly<Record<string, string>> = { '\t': 't', '\n': 'n', '\r': 'r', '\f': 'f' };
  return text.replace(special, (character) => `\\${names[character] ?? character}`);
}
