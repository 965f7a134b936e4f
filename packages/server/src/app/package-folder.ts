import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** The folder of this package, whether the code that runs is source, compiled or bundled. */
export const PACKAGE_FOLDER: string = dirname(createRequire(import.meta.url).resolve('@sluice/server/package.json'));
