import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The settings file that is named, else the one in the data folder when there is one. */
export function settingsFile(named: string | undefined, dataDir: string): string | undefined {
  if (named !== undefined) return named;
  const usual = join(dataDir, 'sluice.properties');
  return existsSync(usual) ? usual : undefined;
}
