// Builds the addon: one call of g++, no other tool. Never fails an installation: without a compiler the server sends in
// TypeScript.
//
//   node packages/native/build.mjs                       when the sources have changed
//   node packages/native/build.mjs --sanitize=address    for tests: also `thread`; build/<kind>/sluice.node
//   node packages/native/build.mjs --output=FILE         for a package that brings the binary
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const FOLDER = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(FOLDER, 'addon');

const COMMON = ['-std=c++17', '-fPIC', '-shared', '-pthread', '-Wall', '-Wextra', '-fvisibility=hidden'];
// All symbols are looked up when it is loaded, so that a node without OpenSSL's is found out then; it is never unloaded.
const LINKED = ['-Wl,-z,now', '-Wl,-z,nodelete'];
const KINDS = {
  release: ['-O2', '-DNDEBUG'],
  address: ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
  thread: ['-O1', '-g', '-fno-omit-frame-pointer', '-fsanitize=thread'],
};

/** Builds if need be. Gives undefined when the addon is there, else what is missing for it. */
export function buildAddon({ kind = 'release', output = outputOf(kind), announce = () => {} } = {}) {
  if (process.platform !== 'linux') return 'the native sender is for Linux';
  const flags = [...COMMON, ...KINDS[kind], ...LINKED];
  const stamp = `${output}.stamp`;
  const print = fingerprint(flags);
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === print) return undefined;
  // One of other sources must not be loaded if there will be none of these.
  rmSync(output, { force: true });
  const headers = headersOfNode();
  if (headers === undefined)
    return 'the headers of Node.js are missing; install the package libnode-dev or node-api-headers';
  announce();
  mkdirSync(dirname(output), { recursive: true });
  const sources = filesOf('.cc').map((file) => join(SOURCES, file));
  // A process that runs keeps the file that it has loaded.
  const partial = `${output}.${process.pid}`;
  const run = spawnSync('g++', [...flags, '-I', headers, ...sources, '-o', partial], { encoding: 'utf8' });
  if (run.error !== undefined) return 'there is no compiler; install the package g++';
  if (run.status !== 0) {
    rmSync(partial, { force: true });
    return `g++ failed: ${run.stderr.trim()}`;
  }
  renameSync(partial, output);
  writeFileSync(stamp, print);
  return undefined;
}

function outputOf(kind) {
  return kind === 'release' ? join(FOLDER, 'build/sluice.node') : join(FOLDER, 'build', kind, 'sluice.node');
}

/** Where `node_api.h` is: beside the node that runs this, or in the package that has only these. */
function headersOfNode() {
  const beside = resolve(dirname(process.execPath), '../include/node');
  if (existsSync(join(beside, 'node_api.h'))) return beside;
  try {
    return createRequire(import.meta.url)('node-api-headers').include_dir;
  } catch {
    return undefined;
  }
}

function filesOf(...ends) {
  return readdirSync(SOURCES)
    .filter((file) => ends.some((end) => file.endsWith(end)))
    .sort();
}

function fingerprint(flags) {
  const hash = createHash('sha256').update(`${process.arch} ${flags.join(' ')}\n`);
  for (const file of filesOf('.cc', '.h')) hash.update(`${file}\n`).update(readFileSync(join(SOURCES, file)));
  return hash.digest('hex');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const option = (name) => process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  const output = option('output');
  const kind = option('sanitize') ?? 'release';
  if (KINDS[kind] === undefined) throw new Error(`--sanitize is address or thread, not ${kind}`);
  const missing = buildAddon({ kind, ...(output && { output: resolve(output) }) });
  if (missing !== undefined) console.error(`Media are sent by TypeScript, more slowly: ${missing}`);
  // An installation goes on without; who asks for a certain build wants to know.
  if (missing !== undefined && process.argv.length > 2) process.exitCode = 1;
}
