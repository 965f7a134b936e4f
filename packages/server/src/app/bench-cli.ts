import { parseArgs } from 'node:util';
import { BENCH_PROTOCOLS, type BenchProtocol, BenchRun } from './bench/bench-run.ts';
import { benchText } from './bench/bench-text.ts';
import { BenchError } from './bench/child-program.ts';

/** What `sluice bench` needs from its process. */
export interface BenchCliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The text that `sluice bench --help` prints. */
const BENCH_HELP = `Usage: sluice bench [options]

Tells how many viewers this machine can serve: starts a server of its own, beside any that runs, publishes a stream and
has more and more viewers watch it, by one protocol after the other.

Options:
  --seconds N       how long it takes, about (default: 60; 10 to 600)
  --only LIST       protocols: ${BENCH_PROTOCOLS.join(',')} (default: all)
  --set NAME=VALUE  a setting of that server; may be repeated
  --json            print everything that was measured as JSON
  -h, --help        show this
`;

const OPTIONS = {
  seconds: { type: 'string' },
  only: { type: 'string' },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const USUAL_SECONDS = 60;
const LEAST_SECONDS = 10;
const MOST_SECONDS = 600;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** A command line that makes no sense; the message says which part and what to write. */
class UsageError extends Error {}

/** Runs `sluice bench …` and gives the exit code. */
export async function runBenchCli(args: readonly string[], context: BenchCliContext): Promise<number> {
  try {
    const values = parse(args);
    if (values.help === true) {
      context.out(BENCH_HELP);
      return 0;
    }
    const wanted = { protocols: protocolsOf(values.only), seconds: secondsOf(values.seconds), sets: values.set ?? [] };
    const progress = progressLine(context);
    const run = new BenchRun({ ...wanted, env: context.env, progress: progress.show });
    const result = await interruptible(run);
    progress.end();
    context.out(values.json === true ? `${JSON.stringify(result, undefined, 2)}\n` : benchText(result));
    return result.protocols.some(({ capacity }) => capacity?.perCore !== undefined) ? 0 : EXIT_FAILURE;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof BenchError)) throw error;
    context.err(`sluice: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
  }
}

/** Runs to the end, or until a signal; the second one ends the process at once. */
async function interruptible(run: BenchRun) {
  const onSignal = (): void => void run.close();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    return await run.run();
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** One line that is written over on a terminal, lines elsewhere. */
function progressLine({ err }: BenchCliContext): { show(text: string): void; end(): void } {
  const isTerminal = process.stderr.isTTY === true;
  return {
    show: (text) => err(isTerminal ? `\r\u001B[K${text}` : `${text}\n`),
    end: () => err(isTerminal ? '\r\u001B[K' : ''),
  };
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
    return values;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${words}; see sluice bench --help`);
  }
}

function secondsOf(text: string | undefined): number {
  const seconds = text === undefined ? USUAL_SECONDS : Number(text);
  if (!(seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS))
    throw new UsageError(`--seconds: ${text} is no number from ${LEAST_SECONDS} to ${MOST_SECONDS}`);
  return seconds;
}

function protocolsOf(text: string | undefined): BenchProtocol[] {
  if (text === undefined) return [...BENCH_PROTOCOLS];
  const wanted = text.split(',').map((name) => name.trim().toLowerCase());
  const unknown = wanted.find((name) => !BENCH_PROTOCOLS.some((protocol) => protocol === name));
  if (unknown !== undefined)
    throw new UsageError(`--only: there is no ${JSON.stringify(unknown)}, but ${BENCH_PROTOCOLS.join(', ')}`);
  return BENCH_PROTOCOLS.filter((protocol) => wanted.includes(protocol));
}
