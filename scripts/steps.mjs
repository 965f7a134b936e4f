// Steps that `npm start` and `npm test` share. Plain Node without packages: it runs before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAddon } from '../packages/native/build.mjs';
import { bundleServer } from '../packages/server/bundle.mjs';

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const STAMP_FOLDER = join(ROOT, 'node_modules', '.cache', 'sluice');
const INSTALL_STAMP = join(ROOT, 'node_modules', '.sluice-install');
const MAIN = join(ROOT, 'packages/server/dist/app/main.js');
const CONSOLE_PAGE = join(ROOT, 'apps/console/dist/index.html');
const SHARED_CONFIG = ['package-lock.json', 'tsconfig.base.json'];

/** A step that failed; the message is all that a person needs to see. */
export class StepError extends Error {}

/** Runs a program without a shell and gives its exit code; output goes where ours goes. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: 'inherit', shell: false, ...options });
    child.once('error', (error) => reject(new StepError(`${program} can not be run: ${error.message}`)));
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1));
  });
}

/** Runs npm: the one that runs us, else the one in the PATH. */
export function runNpm(args) {
  const all = [...args, '--loglevel=warn'];
  const npm = process.env.npm_execpath;
  if (npm === undefined || !/\.c?js$/.test(npm)) return run('npm', all);
  return run(process.execPath, [npm, ...all]);
}

/** Runs a program that a package brings, by the file that its package names. */
export function runTool(file, args, options) {
  return run(process.execPath, [join(ROOT, 'node_modules', file), ...args], options);
}

/** Ends the process with one clear line when this Node.js is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Sluice needs Node.js 20.19 or newer; this is ${process.version}. See https://nodejs.org/`);
  process.exit(1);
}

/** Installs packages when they are missing or not those of package-lock.json. */
export async function install() {
  const hash = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (readIfThere(INSTALL_STAMP) === hash || isFreshInstall(hash)) return;
  say('Installing packages with npm; the first time this takes about a minute');
  const code = await runNpm(['ci', '--include=dev', '--no-audit', '--no-fund']);
  if (code !== 0) throw new StepError(`npm ci failed with exit code ${code}; its messages are above`);
  writeFileSync(INSTALL_STAMP, hash);
}

/** True when somebody has run npm by hand since the lockfile changed; then the stamp is written. */
function isFreshInstall(hash) {
  const listing = join(ROOT, 'node_modules/.package-lock.json');
  const complete = existsSync(listing) && existsSync(join(ROOT, 'node_modules/typescript/package.json'));
  if (!complete || statSync(listing).mtimeMs < statSync(join(ROOT, 'package-lock.json')).mtimeMs) return false;
  writeFileSync(INSTALL_STAMP, hash);
  return true;
}

/** Compiles the addon that sends media, when its sources have changed. Without it the server sends in TypeScript. */
export function buildAddonIfChanged() {
  const missing = buildAddon({
    announce: () => say('Compiling the sender of media; only after a change, about ten seconds'),
  });
  if (missing !== undefined) console.error(`Media are sent by TypeScript, more slowly: ${missing}`);
  return missing === undefined;
}

/** Compiles the server, with all it is made of, when its sources have changed. */
export function buildServer() {
  return buildIfChanged({
    name: 'server',
    what: 'Compiling the server; only after a change, a few seconds',
    output: MAIN,
    inputs: [...SHARED_CONFIG, ...packageFolders().map((folder) => `packages/${folder}`)],
    build: async () => (await runTool('typescript/bin/tsc', ['-b', 'packages/server/src/app'])) || bundled(),
  });
}

/** Bundles the server after it was compiled, so that it starts sooner. Gives an exit code. */
export async function bundled() {
  await bundleServer();
  return 0;
}

/** Builds the console's page when its sources have changed. */
export function buildConsole() {
  return buildIfChanged({
    name: 'console',
    what: 'Building the console; only after a change, a few seconds',
    output: CONSOLE_PAGE,
    inputs: [...SHARED_CONFIG, 'apps/console', 'packages/contract'],
    build: () => runNpm(['run', 'build', '--workspace', 'apps/console']),
  });
}

/** One line that says what goes on. */
export function say(text) {
  console.log(`› ${text}`);
}

async function buildIfChanged({ name, what, output, inputs, build }) {
  const stamp = join(STAMP_FOLDER, `${name}.stamp`);
  const print = fingerprint(inputs);
  if (existsSync(output) && readIfThere(stamp) === print) return;
  say(what);
  const code = await build();
  if (code !== 0) throw new StepError(`building the ${name} failed; the messages are above`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, print);
}

/** Changes whenever a source file below the inputs is added, removed or written. */
function fingerprint(inputs) {
  const hash = createHash('sha256');
  for (const input of inputs) for (const line of describeFiles(join(ROOT, input))) hash.update(line);
  return hash.digest('hex');
}

function* describeFiles(path) {
  const stat = statSync(path);
  if (stat.isDirectory()) {
    for (const entry of readdirSync(path).sort()) if (!isSkipped(entry)) yield* describeFiles(join(path, entry));
  } else if (stat.isFile()) {
    yield `${relative(ROOT, path)} ${stat.size} ${stat.mtimeMs}\n`;
  }
}

/** What builds make, and what they do not read. */
function isSkipped(entry) {
  return (
    ['build', 'dist', 'node_modules', 'prebuilds'].includes(entry) ||
    entry.startsWith('.') ||
    entry.endsWith('.test.ts')
  );
}

function packageFolders() {
  return readdirSync(join(ROOT, 'packages')).sort();
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
