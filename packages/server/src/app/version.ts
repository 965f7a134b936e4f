import { readFileSync } from 'node:fs';
import { PACKAGE_FOLDER } from './package-folder.ts';

/** The version of this server, from its package. */
export function serverVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(`${PACKAGE_FOLDER}/package.json`, 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  return 'unknown';
}
