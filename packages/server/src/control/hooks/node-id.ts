import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const ID_LENGTH = 32;

/**
 * The name of this server in hooks (rest-hooks.md §5), `<32 characters>@<address>`: the characters are made once and
 * kept in that file.
 */
export function keptNodeId(file: string, address: string): string {
  return `${readId(file) ?? makeId(file)}@${address}`;
}

function readId(file: string): string | undefined {
  try {
    return /^[A-Za-z0-9]{32}$/.exec(readFileSync(file, 'utf8').trim())?.[0];
  } catch {
    return undefined;
  }
}

function makeId(file: string): string {
  let id = '';
  while (id.length < ID_LENGTH)
    id += randomBytes(ID_LENGTH)
      .toString('base64')
      .replace(/[^A-Za-z0-9]/g, '');
  id = id.slice(0, ID_LENGTH);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${id}\n`, { mode: 0o600 });
  return id;
}
