import { writeFileSync } from 'node:fs';
import { readArguments, UsageError } from './cli/arguments.ts';
import { HELP } from './cli/help.ts';
import { LoadRun } from './load-run.ts';
import { allJoined } from './report/report.ts';
import { reportText } from './report/text.ts';

/** Exit codes beside 0. */
const NOT_ALL_JOINED = 1;
const WRONG_USAGE = 2;

async function main(args: readonly string[]): Promise<number> {
  const request = readArguments(args);
  if (request.kind === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const { plan, json } = request;
  const interrupt = new AbortController();
  // The second time the process ends at once, as usual.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
  const run = new LoadRun(plan, (line) => process.stderr.write(`${line}\n`));
  const report = await run.run(interrupt.signal);
  const text = JSON.stringify(report, undefined, 2);
  if (plan.reportFile !== undefined) writeFileSync(plan.reportFile, `${text}\n`);
  process.stdout.write(`${json ? text : reportText(report)}\n`);
  return plan.allowFailures || allJoined(report) ? 0 : NOT_ALL_JOINED;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const words = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    error instanceof UsageError
      ? `sluice-load: ${words}\nsluice-load --help tells what there is\n`
      : `sluice-load: ${words}\n`,
  );
  process.exitCode = error instanceof UsageError ? WRONG_USAGE : NOT_ALL_JOINED;
}
