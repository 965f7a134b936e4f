// `npm start`: installs and builds what is missing or out of date, then starts the server in this process.

import { pathToFileURL } from 'node:url';
import { serverEntry } from '../packages/server/bundle.mjs';
import { buildAddonIfChanged, buildConsole, buildServer, checkNode, install, StepError } from './steps.mjs';

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

const main = serverEntry();
process.argv = [process.execPath, main, 'start', '--demo', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);
