/** How names are encoded; `base64` in the alphabet that is safe in names (RFC 4648 §5), without padding. */
export type NameEncoding = 'none' | 'hex' | 'base64';

/** What most file systems take for one component of a path. */
export const MAX_COMPONENT_BYTES = 255;

/** Controls, line separators, and what turns the direction of writing: a name must look like what it is. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/gu;
/** Halves of characters: with the flag `u`, whole pairs are not among them. */
const LONE_SURROGATES = /\p{Cs}/gu;
/** Devices of Windows, also with an ending: `nul.mp4`. */
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\s*(\.|$))/iu;

/**
 * Makes one component of a path of any text: NFC, without separators and control characters, without leading dots
 * (those folders are the server's), no device of Windows, at most 255 bytes with the suffix. Empty when nothing is left.
 */
export function safeComponent(text: string, suffix = ''): string {
  const clean = wellFormed(text)
    .replace(/[/\\]/g, '_')
    .replace(UNPRINTABLE, '_')
    .normalize('NFC')
    .replace(/^[\s.]+/u, leadingSafe);
  const room = MAX_COMPONENT_BYTES - Buffer.byteLength(suffix);
  const fitted = withoutEnd(fitBytes(clean, room));
  if (fitted === '') return '';
  return `${withoutEnd(fitBytes(fitted.replace(DEVICE, '_$&'), room))}${suffix}`;
}

/** Encodes a component of a path, so much of it that the result has at most 255 bytes. */
export function encodedName(text: string, suffix: string, encoding: 'hex' | 'base64'): string {
  const room = MAX_COMPONENT_BYTES - Buffer.byteLength(suffix);
  const bytes = encoding === 'hex' ? Math.floor(room / 2) : Math.floor((room * 3) / 4);
  const fitted = fitBytes(wellFormed(text), bytes);
  if (fitted === '') return '';
  return `${Buffer.from(fitted).toString(encoding === 'hex' ? 'hex' : 'base64url')}${suffix}`;
}

/** A text that UTF-8 can hold. */
export function wellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, '\ufffd');
}

/** The longest beginning of a text that has at most so many bytes in UTF-8; characters stay whole. */
export function fitBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const cut = Buffer.from(text).subarray(0, Math.max(0, maxBytes));
  let end = cut.length;
  // Step back over the beginning of a character that was cut: continuation bytes, then its first byte.
  while (end > 0 && end > cut.length - 4) {
    const byte = cut[end - 1] as number;
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      if (cut.length - end + 1 < needed) return cut.toString('utf8', 0, end - 1);
      break;
    }
    end--;
  }
  return cut.toString('utf8');
}

/** A name with `~1` before its ending, to keep a file whose name is taken; within 255 bytes. */
export function numberedName(fileName: string, number: number): string {
  const dot = fileName.lastIndexOf('.');
  const stem = dot > 0 ? fileName.slice(0, dot) : fileName;
  const suffix = `~${number}${dot > 0 ? fileName.slice(dot) : ''}`;
  return `${fitBytes(stem, MAX_COMPONENT_BYTES - Buffer.byteLength(suffix))}${suffix}`;
}

/** Windows drops dots and spaces at the end. */
function withoutEnd(text: string): string {
  return text.replace(/[\s.]+$/u, '');
}

function leadingSafe(dots: string): string {
  return dots.includes('.') ? '_' : '';
}
