import type { Counters, Log } from '../core/index.ts';
import type { EngineOptions } from './options.ts';
import type { Frame } from './wire.ts';
import { type WorkerExit, type WorkerKind, WorkerProcess } from './worker-process.ts';

export interface PoolParts {
  readonly options: EngineOptions;
  readonly log: Log;
  readonly counters: Counters;
}

/** What a worker does for somebody: a conversion, a picture, an SRT connection. */
export interface WorkerTask {
  /** On the connection to a worker; never 0. */
  readonly number: number;
  /** How many places it takes in a worker. */
  readonly weight: number;
  /** True after it may have killed a worker: it had better be alone. */
  readonly isSuspect: boolean;
  /** True for what can't go on in another worker: it has failed when its worker dies. */
  readonly endsWithWorker?: boolean;
  /** Goes on in this worker. */
  attach(worker: WorkerProcess): void;
  /** Its worker is gone. */
  detach(): void;
  /** Sends what waits, as far as the worker takes it. */
  flush(): void;
  /** Takes what the worker says about it. */
  onFrame(frame: Frame): void;
  /** Counts a worker's death against it; true when that was once too often. */
  strike(nowMs: number): boolean;
  fail(reason: string): void;
}

/** What a pool tells about one of its workers. */
export interface WorkerStats {
  readonly kind: WorkerKind;
  readonly pid: number | undefined;
  readonly ready: boolean;
  /** Those of pictures that share a source count as one: it is decoded once. */
  readonly conversions: number;
  /** Resident memory of the process; some of it is shared with the other workers. */
  readonly rssBytes: number;
}

interface Member {
  readonly process: WorkerProcess;
  readonly conversions: Map<number, WorkerTask>;
  emptySinceMs: number;
}

/** Pauses before a worker is started again, by the number of deaths in the last half minute. */
const BACK_OFF_MS = [0, 0, 250, 1000, 2000, 5000, 10_000];
const DEATHS_WINDOW_MS = 30_000;
/** A worker that was asked to end and has not is killed after this. */
const END_MS = 1000;
/** Connections of SRT that are being closed block a thread while others are opened. */
const SPARE_THREADS = 8;
/** When this process was held up as long, what workers said is still unread. */
const LATE_MS = 1000;

/** The workers of one kind: starts them when they are needed, replaces those that die, ends those that idle. */
export class WorkerPool {
  readonly #kind: WorkerKind;
  readonly #parts: PoolParts;
  readonly #members = new Set<Member>();
  readonly #ending = new Map<WorkerProcess, number>();
  /** Conversions without a worker, while none may be started. */
  readonly #waiting = new Set<WorkerTask>();
  #deathsMs: number[] = [];
  #tickedMs = 0;
  #closed: PromiseWithResolvers | undefined;

  constructor(kind: WorkerKind, parts: PoolParts) {
    this.#kind = kind;
    this.#parts = parts;
  }

  get stats(): WorkerStats[] {
    return Array.from(this.#members, ({ process, conversions }) => ({
      kind: this.#kind,
      pid: process.pid,
      ready: process.ready,
      conversions: conversions.size,
      rssBytes: process.rssBytes,
    }));
  }

  /** True while there is any process, or someone who waits for one. */
  get isActive(): boolean {
    return this.#members.size > 0 || this.#ending.size > 0 || this.#waiting.size > 0;
  }

  add(conversion: WorkerTask): void {
    const member = this.#find(conversion) ?? this.#start();
    if (!member) {
      this.#waiting.add(conversion);
      return;
    }
    this.#waiting.delete(conversion);
    member.conversions.set(conversion.number, conversion);
    conversion.attach(member.process);
    this.#keepSpare();
  }

  remove(conversion: WorkerTask): void {
    this.#waiting.delete(conversion);
    for (const member of this.#members) {
      if (member.conversions.delete(conversion.number)) member.emptySinceMs = performance.now();
    }
  }

  /** To be called every some hundred milliseconds while the pool is active. */
  tick(nowMs: number): void {
    const isLate = nowMs - this.#tickedMs > LATE_MS;
    this.#tickedMs = nowMs;
    for (const { process } of this.#members) {
      if (isLate) process.excuse(nowMs);
      else process.checkLife(nowMs, this.#parts.options.silenceMs);
    }
    for (const [process, endedMs] of this.#ending) if (nowMs - endedMs > END_MS) process.kill();
    this.#endIdle(nowMs);
    for (const conversion of [...this.#waiting]) this.add(conversion);
  }

  /** Ends all workers; resolves when they are gone, a second later at most. */
  close(): Promise<void> {
    if (this.#closed) return this.#closed.promise;
    this.#closed = withResolvers();
    for (const member of this.#members) this.#end(member);
    const killAll = setTimeout(() => {
      for (const process of this.#ending.keys()) process.kill();
    }, END_MS);
    if (this.#ending.size === 0) this.#closed.resolve();
    return this.#closed.promise.finally(() => clearTimeout(killAll));
  }

  get #capacity(): number {
    const { audioPerWorker, videoPerWorker, srtPerWorker } = this.#parts.options;
    return { audio: audioPerWorker, video: videoPerWorker, picture: 1, srt: srtPerWorker }[this.#kind];
  }

  /** Fills one worker before the next; who may have killed one gets an empty one. */
  #find(conversion: WorkerTask): Member | undefined {
    let empty: Member | undefined;
    for (const member of this.#members) {
      const load = loadOf(member);
      if (load === 0) empty = member;
      else if (load + conversion.weight <= this.#capacity && !conversion.isSuspect) return member;
    }
    return empty;
  }

  #start(): Member | undefined {
    const nowMs = performance.now();
    this.#deathsMs = this.#deathsMs.filter((deathMs) => nowMs - deathMs < DEATHS_WINDOW_MS);
    const pauseMs = BACK_OFF_MS[Math.min(this.#deathsMs.length, BACK_OFF_MS.length - 1)] ?? 0;
    if (this.#closed || nowMs - (this.#deathsMs.at(-1) ?? Number.NEGATIVE_INFINITY) < pauseMs) return undefined;
    const conversions = new Map<number, WorkerTask>();
    const threads = this.#kind === 'srt' ? this.#capacity + SPARE_THREADS : 1;
    const process = new WorkerProcess({ kind: this.#kind, threads }, this.#parts.log, {
      onFrame: (frame) => this.#deliver(member, frame),
      onWritable: () => {
        for (const conversion of member.conversions.values()) conversion.flush();
      },
      onExit: (exit) => this.#onExit(member, exit),
    });
    const member: Member = { process, conversions, emptySinceMs: nowMs };
    this.#members.add(member);
    return member;
  }

  /** Pictures and connections can wait for the start of a process. */
  get #wantsSpare(): boolean {
    return this.#parts.options.warmSpare && this.#kind !== 'picture' && this.#kind !== 'srt';
  }

  #keepSpare(): void {
    if (!this.#wantsSpare) return;
    for (const { conversions } of this.#members) if (conversions.size === 0) return;
    this.#start();
  }

  #deliver(member: Member, frame: Frame): void {
    member.conversions.get(frame.stream)?.onFrame(frame);
  }

  #endIdle(nowMs: number): void {
    const { idleMs } = this.#parts.options;
    const empty = [...this.#members].filter(({ conversions }) => conversions.size === 0);
    const inUse = empty.length < this.#members.size;
    const spares = inUse && this.#wantsSpare ? 1 : 0;
    for (const member of empty.slice(spares)) if (nowMs - member.emptySinceMs > idleMs) this.#end(member);
  }

  #end(member: Member): void {
    this.#members.delete(member);
    this.#ending.set(member.process, performance.now());
    member.process.end();
  }

  #onExit(member: Member, exit: WorkerExit): void {
    const { log, counters } = this.#parts;
    if (this.#ending.delete(member.process)) {
      if (this.#ending.size === 0) this.#closed?.resolve();
      return;
    }
    this.#members.delete(member);
    const nowMs = performance.now();
    this.#deathsMs.push(nowMs);
    counters.count('engine_worker_deaths');
    const { size } = member.conversions;
    log.warn({ kind: this.#kind, pid: member.process.pid, conversions: size, ...exit }, 'a worker died');
    for (const conversion of member.conversions.values()) {
      conversion.detach();
      if (conversion.endsWithWorker === true) {
        conversion.fail(`its process died: ${exit.detail}`);
      } else if (isBlamed(conversion, exit, size) && conversion.strike(nowMs)) {
        conversion.fail(`workers keep dying of it: ${exit.detail}`);
      } else {
        this.add(conversion);
      }
    }
  }
}

function loadOf({ conversions }: Member): number {
  let load = 0;
  for (const { weight } of conversions.values()) load += weight;
  return load;
}

/** Who was in work when the worker died; all of them when it never worked; the only one when there is no other. */
function isBlamed(conversion: WorkerTask, exit: WorkerExit, companions: number): boolean {
  return !exit.wasReady || companions === 1 || exit.culprit === conversion.number;
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  resolve(): void;
}

/** Promise.withResolvers of newer Node. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
