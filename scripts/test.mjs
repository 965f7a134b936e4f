// `npm test`: installs, builds, checks and runs all tests; the last line says how many passed and failed.
// `npm test -- unit|e2e|lint` runs one kind, `npm test -- WORD` the tests of files whose path has that word, and
// `npm test -- long` also what takes too long for every day.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DEBIAN_PACKAGES } from './debian-packages.mjs';
import {
  buildAddonIfChanged,
  buildConsole,
  bundled,
  checkNode,
  install,
  ROOT,
  run,
  runTool,
  StepError,
  say,
} from './steps.mjs';

const KINDS = ['lint', 'unit', 'e2e'];
/** Tests ask for it: see e2e/support/long.ts. */
const LONG = 'long';
const RESULTS = join(ROOT, 'test-results');
const LINTED = ['packages', 'e2e', 'bench', 'scripts'];

const totals = { passed: 0, failed: 0, skipped: 0 };

checkNode();
try {
  await testAll(process.argv.slice(2));
} catch (error) {
  totals.failed++;
  console.error(error instanceof StepError ? error.message : error);
}
if (totals.skipped > 0) console.log(`${totals.skipped} skipped`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed === 0 ? 0 : 1;

async function testAll(words) {
  const chosen = words.filter((word) => KINDS.includes(word));
  const filters = words.filter((word) => !KINDS.includes(word) && word !== LONG);
  if (words.includes(LONG)) process.env.SLUICE_TESTS = LONG;
  const kinds = chosen.length > 0 ? chosen : KINDS.filter((kind) => filters.length === 0 || kind !== 'lint');
  await install();
  await installPrograms(kinds);
  if (kinds.some((kind) => kind !== 'lint')) await check('addon', async () => (buildAddonIfChanged() ? 0 : 1));
  await check('build', async () => (await runTool('typescript/bin/tsc', ['-b'])) || bundled());
  if (kinds.includes('lint') || kinds.includes('e2e')) await buildConsoleAsTest();
  if (kinds.includes('lint')) await lint();
  mkdirSync(RESULTS, { recursive: true });
  for (const kind of kinds) if (kind !== 'lint') await runVitest(kind, filters);
  if (filters.length > 0 && totals.passed + totals.failed <= 1) throw new StepError(`no test matches ${filters}`);
}

async function buildConsoleAsTest() {
  await check('console', () => buildConsole().then(() => 0));
}

async function lint() {
  await check('types of tests', () => runTool('typescript/bin/tsc', ['-p', 'tsconfig.tests.json']));
  await check('biome', () => runTool('@biomejs/biome/bin/biome', ['check', '.']));
  const folders = LINTED.filter((folder) => existsSync(join(ROOT, folder)));
  await check('oxlint', () => runTool('oxlint/bin/oxlint', ['--type-aware', '--deny-warnings', ...folders]));
}

/** One check that counts as one test. */
async function check(name, action) {
  say(`${name}`);
  const code = await action().catch((error) => {
    console.error(error.message);
    return 1;
  });
  if (code === 0) totals.passed++;
  else totals.failed++;
  if (code !== 0) console.error(`✗ ${name} failed`);
}

async function runVitest(kind, filters) {
  say(`${kind} tests`);
  const report = join(RESULTS, `${kind}.json`);
  rmSync(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await runTool('vitest/vitest.mjs', [
    'run',
    '--project',
    // Each kind is two projects: see vitest.config.ts.
    `${kind}*`,
    '--passWithNoTests',
    ...reporters,
    ...filters,
  ]);
  const failedBefore = totals.failed;
  if (existsSync(report)) countReport(JSON.parse(readFileSync(report, 'utf8')));
  // An error outside any test, or a run that ended before it could report, is a failure as well.
  const unexplained = code !== 0 && totals.failed === failedBefore;
  if (unexplained || (code === 0 && !existsSync(report) && filters.length === 0)) totals.failed++;
}

function countReport(report) {
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  totals.skipped += report.numPendingTests + (report.numTodoTests ?? 0);
  for (const file of report.testResults) {
    const explained = file.assertionResults.some((test) => test.status === 'failed');
    if (file.status === 'failed' && !explained) totals.failed++;
  }
}

/** Installs the Debian packages whose programs are missing, or says which they are. */
async function installPrograms(kinds) {
  const missing = DEBIAN_PACKAGES.filter(
    (entry) => entry.for.some((kind) => kinds.includes(kind)) && !entry.programs.every(isInPath),
  ).map(({ name }) => name);
  if (missing.length === 0) return;
  const call = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (process.getuid?.() !== 0) {
    throw new StepError(`tests need ${missing.join(', ')}; install with: sudo ${call.join(' ')}`);
  }
  say(`Installing ${missing.join(', ')} with apt-get, which tests use`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const updated = await run('apt-get', ['update'], { env });
  const code = updated === 0 ? await run(call[0], call.slice(1), { env }) : updated;
  if (code !== 0) throw new StepError(`${missing.join(', ')} can not be installed; try: ${call.join(' ')}`);
}

function isInPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}
