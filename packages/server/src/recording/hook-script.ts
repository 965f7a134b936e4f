import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Counters, Log } from '../core/index.ts';
import { RateLimiter } from '../io/index.ts';
import type { ScriptRunner } from './completion.ts';
import type { StoredRecording } from './stored-recording.ts';

export interface HookScriptOptions {
  /** Program for each file; empty for none. */
  readonly script: string;
  /** Program for files of several streams; empty for none. */
  readonly multipleScript: string;
  /** One that takes longer is ended. */
  readonly timeoutMs: number;
  /** Programs that run at the same time; 4 when left out. */
  readonly maxAtOnce?: number | undefined;
}

export interface HookScriptParts {
  readonly log: Log;
  readonly counters: Counters;
  /** A program has run for the recording of that id, well or not; not told of those that the server's end cuts short. */
  onRun?(id: string): void;
}

interface Call {
  readonly id: string;
  readonly script: string;
  readonly values: readonly string[];
}

const MAX_AT_ONCE = 4;
/** More calls than this wait for programs that do not end: the oldest are given up. */
const MAX_WAITING = 10_000;
const MAX_OUTPUT_BYTES = 4096;
/** Between asking a program to end and ending it. */
const GRACE_MS = 2000;
const LAST_WORDS_MS = 500;
const LINES_PER_SECOND = 1;
/** Nothing of the server's environment is passed on but these. */
const PASSED_ON = ['PATH', 'HOME', 'TZ', 'LANG', 'TMPDIR'];

/** Runs the programs that are wanted after a recording, without a shell, a few at a time. */
export class HookScripts implements ScriptRunner {
  readonly #options: HookScriptOptions;
  readonly #parts: HookScriptParts;
  readonly #waiting: Call[] = [];
  readonly #running = new Map<ChildProcess, Call>();
  readonly #complaints = new RateLimiter(LINES_PER_SECOND);
  #closed = false;

  constructor(options: HookScriptOptions, parts: HookScriptParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Programs that run. */
  get running(): number {
    return this.#running.size;
  }

  /** Tells the log of programs that can't be run, so that nobody learns it after the first recording only. */
  start(): void {
    for (const script of new Set([this.#options.script, this.#options.multipleScript])) {
      if (script === '') continue;
      try {
        accessSync(script, constants.X_OK);
      } catch (error) {
        this.#parts.log.error({ script, err: error }, 'the program for finished recordings can not be run');
      }
    }
  }

  /** True while a program works on that file, or is to. */
  uses(path: string): boolean {
    const isOfFile = ({ values }: Call): boolean => values.includes(path);
    return this.#waiting.some(isOfFile) || [...this.#running.values()].some(isOfFile);
  }

  wants({ multipleUri }: StoredRecording): boolean {
    return this.#scriptFor(multipleUri) !== '';
  }

  recorded({ entry, path, multipleUri }: StoredRecording): void {
    if (path === undefined) return;
    const { id, streamName, startedAtMs, durationMs } = entry;
    const script = this.#scriptFor(multipleUri);
    if (multipleUri === undefined) this.#add({ id, script, values: [streamName, path] });
    else this.#add({ id, script, values: [path, String(startedAtMs), String(durationMs), multipleUri] });
  }

  /** Ends those that run, and forgets those that wait: they are due still. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting.length > 0) {
      this.#parts.log.warn(
        { calls: this.#waiting.length },
        'programs for finished recordings are run after the next start: the server ends',
      );
    }
    this.#waiting.length = 0;
    await Promise.all(Array.from(this.#running.keys(), end));
  }

  #scriptFor(multipleUri: string | undefined): string {
    return multipleUri === undefined ? this.#options.script : this.#options.multipleScript;
  }

  #add(call: Call): void {
    if (call.script === '' || this.#closed) return;
    this.#waiting.push(call);
    if (this.#waiting.length > MAX_WAITING) this.#complain(this.#waiting.shift() as Call, 'too many of them wait');
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running.size < (this.#options.maxAtOnce ?? MAX_AT_ONCE)) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      this.#run(call);
    }
  }

  #run(call: Call): void {
    const { timeoutMs } = this.#options;
    let child: ChildProcess;
    try {
      // A group of its own: what the program started ends with it.
      child = spawn(call.script, call.values.map(withoutNul), { env: environment(), stdio: 'pipe', detached: true });
    } catch (error) {
      this.#complain(call, (error as Error).message);
      this.#parts.onRun?.(call.id);
      return;
    }
    this.#running.set(child, call);
    const output = collectOutput(child);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      void end(child);
    }, timeoutMs);
    const done = (failure: string | undefined): void => {
      if (!this.#running.delete(child)) return;
      clearTimeout(timer);
      if (!this.#closed) this.#parts.onRun?.(call.id);
      if (isLate) this.#complain(call, `it took longer than ${timeoutMs} ms`, output());
      else if (failure !== undefined) this.#complain(call, failure, output());
      else this.#parts.log.debug({ ...call, output: output() }, 'a program for finished recordings has run');
      this.#startNext();
    };
    child.once('error', (error) => done(error.message));
    child.once('exit', () => letGo(child));
    child.once('close', (code, name) => done(code === 0 ? undefined : `it ended with ${name ?? `code ${code}`}`));
  }

  #complain(call: Call, reason: string, output = ''): void {
    this.#parts.counters.count('recording_hook_failures');
    const suppressed = this.#complaints.take();
    if (suppressed < 0) return;
    this.#parts.log.warn({ ...call, reason, output, suppressed }, 'a program for finished recordings failed');
  }
}

/** The end of what a program says; it is read in any case, so that the program does not wait. */
function collectOutput(child: ChildProcess): () => string {
  let kept = Buffer.alloc(0);
  child.stdin?.on('error', () => undefined).end();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('error', () => undefined);
    stream?.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]).subarray(-MAX_OUTPUT_BYTES);
    });
  }
  return () => kept.toString().trim();
}

/** What a program started can hold its output for ever: it is listened to a little longer only. */
function letGo({ stdout, stderr }: ChildProcess): void {
  setTimeout(() => {
    stdout?.destroy();
    stderr?.destroy();
  }, LAST_WORDS_MS).unref();
}

/** Asks a program, which runs, and what it started to end, and makes it. Resolves when it has. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  signal(child, 'SIGTERM');
  const timer = setTimeout(() => signal(child, 'SIGKILL'), GRACE_MS);
  await ended;
  clearTimeout(timer);
}

function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has just ended.
  }
}

/** An argument can't have one: the name of a stream should not keep the program from being run. */
function withoutNul(value: string): string {
  return value.replaceAll('\0', '');
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}
