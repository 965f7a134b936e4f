// Puts the compiled server and the packages that it only computes with into a few files: reading two thousand modules one
// by one takes most of the time of a start.
//
//   node packages/server/bundle.mjs
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = join(dirname(fileURLToPath(import.meta.url)), 'dist');
const BUNDLE = join(DIST, 'bundle');
const MAIN = join(BUNDLE, 'main.js');
/** Those that load files of their own by their place, and those that few servers use. */
const APART = [/^@sluice\/native/, /^pino/, /^node-av/, /^@aws-sdk\//, /^@smithy\//];
/** Folders that the compiler built, or whose folders it built each by itself. */
const BUILT = [DIST, join(DIST, 'protocols'), join(DIST, '../../media/dist'), join(DIST, '../../contract/dist')];

/** The file to start: the bundle, or what was compiled where that is newer or there is none. */
export function serverEntry() {
  return isFresh() ? MAIN : join(DIST, 'app/main.js');
}

/** Makes the bundle, if it is not there or older than what was compiled. */
export async function bundleServer() {
  if (isFresh()) return;
  // Only development has it: a package that is published brings its bundle.
  const { rolldown } = await import('rolldown');
  // Half of a bundle must never be where a server looks for it.
  const partial = `${BUNDLE}.${process.pid}`;
  const build = await rolldown({
    input: join(DIST, 'app/main.js'),
    platform: 'node',
    external: APART,
    logLevel: 'warn',
  });
  await build.write({ dir: partial, format: 'esm', comments: { legal: true } });
  await build.close();
  rmSync(BUNDLE, { recursive: true, force: true });
  renameSync(partial, BUNDLE);
}

function isFresh() {
  const made = timeOf(MAIN);
  return BUILT.flatMap((folder) => [folder, ...foldersIn(folder)]).every(
    // The compiler writes this file at each build.
    (folder) => timeOf(join(folder, '.tsbuildinfo')) < made,
  );
}

/** When it was written, ms; 0 when there is none. */
function timeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function foldersIn(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleServer();
