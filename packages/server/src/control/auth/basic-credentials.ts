import type { Credentials } from './password-check.ts';
import { MAX_PASSWORD_LENGTH } from './password-hash.ts';

const MAX_NAME_LENGTH = 64;

// Longer than the longest name and password, each character in four bytes, in base64.
const MAX_HEADER_LENGTH = 2048;
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what is refused (RFC 7617 §2).
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;

/**
 * Name and password of an `Authorization` header by HTTP Basic (RFC 7617), or undefined for any other text: another
 * scheme, broken base64, no colon, bytes that are not UTF-8, control characters, too long.
 */
export function parseBasic(header: string): Credentials | undefined {
  if (header.length > MAX_HEADER_LENGTH) return undefined;
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== encoded.replace(/=+$/, '')) return undefined;
  let text: string;
  try {
    text = UTF_8.decode(bytes);
  } catch {
    return undefined;
  }
  const colon = text.indexOf(':');
  if (colon < 1 || CONTROL_CHARACTERS.test(text)) return undefined;
  const credentials = { name: text.slice(0, colon), password: text.slice(colon + 1) };
  const tooLong = credentials.name.length > MAX_NAME_LENGTH || credentials.password.length > MAX_PASSWORD_LENGTH;
  return tooLong ? undefined : credentials;
}
