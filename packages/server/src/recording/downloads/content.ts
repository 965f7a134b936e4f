import { basename, extname } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.mp4': 'video/mp4',
  '.m4v': 'video/mp4',
  '.m4a': 'audio/mp4',
  '.mov': 'video/quicktime',
  '.webm': 'video/webm',
  '.mkv': 'video/x-matroska',
  '.mka': 'audio/x-matroska',
  '.ts': 'video/mp2t',
  '.mp3': 'audio/mpeg',
  '.aac': 'audio/aac',
  '.ogg': 'audio/ogg',
  '.wav': 'audio/wav',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
};

/** Type of a file by its ending. What a browser could run as a page is of no type. */
export function contentType(fileName: string, soundOnly: boolean): string {
  const type = TYPES[extname(fileName).toLowerCase()] ?? 'application/octet-stream';
  return soundOnly ? type.replace(/^video\/(mp4|webm|x-matroska)$/, 'audio/$1') : type;
}

/** Names a file for a browser (RFC 6266), in the form of WCS: `inline;filename="stream.mp4"`. */
export function contentDisposition(kind: 'inline' | 'attachment', fileName: string): string {
  const name = basename(fileName);
  // What is no ASCII, quotes and backslashes are not understood alike by all; % would be decoded by some.
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/gu, '_');
  if (plain === name) return `${kind};filename="${name}"`;
  return `${kind};filename="${plain}";filename*=UTF-8''${extendedValue(name)}`;
}

/** Text for `filename*` (RFC 8187 §3.2.1): more is encoded than encodeURIComponent does. */
function extendedValue(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}
