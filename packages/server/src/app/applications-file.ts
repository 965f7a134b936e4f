import { join } from 'node:path';

/** The file of applications in a data folder. */
export function applicationsFile(dataDir: string): string {
  return join(dataDir, 'applications.json');
}
