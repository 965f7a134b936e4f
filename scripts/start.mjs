// `npm start`: installs and builds what is missing or out of date, then starts the server in this process.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildAddonIfChanged, buildConsole, buildServer, checkNode, install, ROOT, StepError } from './steps.mjs';

checkNode();
try {
  await install();
  buildAddonIfChanged();
  await buildServer();
  await buildConsole();
} catch (error) {
  if (!(error instanceof StepError)) throw error;
  console.error(error.message);
  process.exit(1);
}

const main = join(ROOT, 'packages/server/dist/app/main.js');
process.argv = [process.execPath, main, 'start', '--demo', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);
