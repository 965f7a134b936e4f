import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Log } from '../core/index.ts';
import { BEAT, type Frame, FrameReader, frameHead, READY, WireError } from './wire.ts';

export type WorkerKind = 'audio' | 'video' | 'picture' | 'srt';

export interface WorkerEvents {
  /** A frame about a task; its payload is valid during the call only. */
  onFrame(frame: Frame): void;
  /** It takes data again after {@link WorkerProcess.canWrite} was false. */
  onWritable(): void;
  /** The process is gone. Called once; nothing follows. */
  onExit(exit: WorkerExit): void;
}

export interface WorkerExit {
  readonly detail: string;
  /** The conversion that it was working on; 0 when it rested, undefined when nobody knows. */
  readonly culprit: number | undefined;
  /** False when it never came up. */
  readonly wasReady: boolean;
}

/** More than this in the server's own memory, and the worker is too slow. */
const MAX_UNSENT_BYTES = 1 << 16;
/** A start takes 150 ms, but more on a machine that is busy. */
const START_MS = 10_000;
const MAX_LOGGED_BYTES = 2000;
/** Nothing of the server's environment is passed on but these. */
const PASSED_ON = ['PATH', 'HOME', 'TZ', 'LANG', 'LD_LIBRARY_PATH', 'TMPDIR'];

/** The compiled entry of a worker, also for sources as tests run them: Node 20 does not run TypeScript. */
const ENTRY = join(
  dirname(createRequire(import.meta.url).resolve('@sluice/server/package.json')),
  'dist/engine/worker/main.js',
);

/** One child process that converts, and the connection to it. */
export class WorkerProcess {
  readonly kind: WorkerKind;
  readonly #events: WorkerEvents;
  readonly #log: Log;
  readonly #child: ChildProcess | undefined;
  readonly #link: Socket | undefined;
  readonly #reader = new FrameReader();
  readonly #blackBox: number | undefined;
  #heardMs = performance.now();
  #ready = false;
  #exited = false;
  #corked = false;
  #rssBytes = 0;

  /** @param threads How many calls may block it at once. */
  constructor({ kind, threads = 1 }: { kind: WorkerKind; threads?: number }, log: Log, events: WorkerEvents) {
    this.kind = kind;
    this.#log = log;
    this.#events = events;
    this.#blackBox = openBlackBox();
    this.#child = startChild({ kind, threads }, this.#blackBox);
    this.#link = this.#child?.stdio?.[3] as Socket | undefined;
    this.#listen();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Resident memory in bytes when it last told. */
  get rssBytes(): number {
    return this.#rssBytes;
  }

  /** False while it has so much to read that more would pile up here. */
  get canWrite(): boolean {
    return this.#link !== undefined && !this.#exited && this.#link.writableLength < MAX_UNSENT_BYTES;
  }

  /** Sends one frame; what is sent in one turn of the event loop goes out together. */
  send(head: { stream: number; type: number; flags?: number; timeUs?: number }, chunks: readonly Uint8Array[]): void {
    const link = this.#link;
    if (this.#exited || !link) return;
    this.#cork(link);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    link.write(frameHead({ flags: 0, timeUs: 0, ...head }, bytes));
    for (const chunk of chunks) link.write(chunk);
  }

  /** Kills it when it has said nothing for longer than this; one that starts is given more time. */
  checkLife(nowMs: number, silenceMs: number): void {
    const patienceMs = this.#ready ? silenceMs : silenceMs + START_MS;
    if (this.#exited || nowMs - this.#heardMs <= patienceMs) return;
    this.#log.warn({ pid: this.pid, kind: this.kind, silenceMs }, 'a worker hangs and is killed');
    this.kill();
  }

  /** Begins its silence anew: it was this process that did not listen. */
  excuse(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** Asks it to end: it does so when its connection closes. */
  end(): void {
    this.#link?.end();
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #listen(): void {
    const { stderr } = this.#child ?? {};
    this.#link?.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#link?.on('drain', () => this.#events.onWritable());
    // The process's end tells all that there is to tell.
    this.#link?.on('error', () => undefined);
    stderr?.on('data', (text: Buffer) => this.#logText(text));
    this.#child?.once('error', (error) => this.#end(error.message));
    this.#child?.once('exit', (code, signal) => this.#end(signal ?? `exit code ${code}`));
    if (!this.#child) setImmediate(() => this.#end('no process could be started'));
  }

  #receive(chunk: Buffer): void {
    this.#heardMs = performance.now();
    try {
      for (const frame of this.#reader.push(chunk)) this.#handle(frame);
    } catch (error) {
      // What a conversion's owner throws is not the worker's doing.
      if (!(error instanceof WireError)) throw error;
      this.#log.error({ err: error, pid: this.pid }, 'a worker sends nonsense and is killed');
      this.kill();
    }
  }

  #handle(frame: Frame): void {
    if (frame.type === READY) this.#ready = true;
    else if (frame.type === BEAT) this.#rssBytes = Number(frame.timeUs);
    else this.#events.onFrame(frame);
  }

  #cork(link: Socket): void {
    if (this.#corked) return;
    this.#corked = true;
    link.cork();
    setImmediate(() => {
      this.#corked = false;
      link.uncork();
    });
  }

  #logText(text: Buffer): void {
    this.#log.debug({ pid: this.pid, text: text.toString('utf8', 0, MAX_LOGGED_BYTES) }, 'a worker says');
  }

  #end(detail: string): void {
    if (this.#exited) return;
    this.#exited = true;
    this.#link?.destroy();
    this.#events.onExit({ detail, culprit: this.#readBlackBox(), wasReady: this.#ready });
  }

  #readBlackBox(): number | undefined {
    if (this.#blackBox === undefined) return undefined;
    const marked = Buffer.alloc(4);
    try {
      return readSync(this.#blackBox, marked, 0, 4, 0) === 4 ? marked.readUInt32LE() : 0;
    } finally {
      closeSync(this.#blackBox);
    }
  }
}

/** Undefined where the system has no room for another process. */
function startChild(
  { kind, threads }: { readonly kind: WorkerKind; readonly threads: number },
  blackBox: number | undefined,
): ChildProcess | undefined {
  try {
    return spawn(process.execPath, [ENTRY, kind], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', blackBox ?? 'ignore'],
      env: workerEnvironment(threads),
    });
  } catch {
    return undefined;
  }
}

/** A file without a name for the number of the conversion in work; undefined where no file can be made. */
function openBlackBox(): number | undefined {
  const path = join(tmpdir(), `sluice-worker-${randomUUID()}`);
  try {
    const descriptor = openSync(path, 'wx+', 0o600);
    rmSync(path);
    // A worker must not find the disk full.
    writeSync(descriptor, Buffer.alloc(4), 0, 4, 0);
    return descriptor;
  } catch {
    return undefined;
  }
}

function workerEnvironment(threads: number): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    // With the allocator's own settings, memory of freed pictures is never given back.
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: '131072',
    UV_THREADPOOL_SIZE: String(threads),
  };
}
