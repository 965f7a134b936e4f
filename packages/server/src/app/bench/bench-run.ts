import { cpus, totalmem } from 'node:os';
import { openDatagramPorts } from '@sluice/native';
import { serverVersion } from '../version.ts';
import { BenchServer } from './bench-server.ts';
import { type BenchStep, type Capacity, capacityOf, nextViewers, stepOf } from './capacity.ts';
import type { ChildProgram } from './child-program.ts';
import { startPublishers, Viewers } from './load-tool.ts';

export type BenchProtocol = 'webrtc' | 'rtmp' | 'hls';
export const BENCH_PROTOCOLS: readonly BenchProtocol[] = ['webrtc', 'rtmp', 'hls'];

export interface BenchOptions {
  readonly protocols: readonly BenchProtocol[];
  /** For all together, start and end included; about. */
  readonly seconds: number;
  /** Settings of the server, as `--set` takes them. */
  readonly sets: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes what it does at the moment. */
  readonly progress: (text: string) => void;
}

/** What was found of one protocol. */
export interface ProtocolResult {
  readonly protocol: BenchProtocol;
  readonly steps: readonly BenchStep[];
  readonly capacity: Capacity | undefined;
}

/** The outcome of `sluice bench`; `--json` prints it. */
export interface BenchResult {
  readonly version: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly node: string;
  };
  /** Whether the addon serves viewers; without it, TypeScript does. */
  readonly native: boolean;
  readonly seconds: number;
  readonly protocols: readonly ProtocolResult[];
}

/** How a protocol is stepped through. */
interface Course {
  readonly first: number;
  readonly most: number;
  readonly rate: number;
  /** Of watching, at least, seconds: players of HLS ask every few seconds. */
  readonly leastWatchS: number;
}

const COURSES: Readonly<Record<BenchProtocol, Course>> = {
  webrtc: { first: 20, most: 1000, rate: 80, leastWatchS: 2 },
  rtmp: { first: 50, most: 2000, rate: 300, leastWatchS: 2 },
  hls: { first: 50, most: 1000, rate: 150, leastWatchS: 6 },
};
/** A server that is busier is not asked for more: the generator needs its share of the machine. */
const BUSY = 0.6;
const MAX_STEPS = 4;
/** What starting and ending take, seconds. */
const AROUND_S = 6;
/** Of the time of a protocol, for one step of watching. */
const WATCH_SHARE = 0.2;

/** Measures one protocol after the other at a server of our own. */
export class BenchRun {
  readonly #options: BenchOptions;
  #server: BenchServer | undefined;
  #publishers: ChildProgram | undefined;
  #viewers: Viewers | undefined;
  #aborted = false;

  constructor(options: BenchOptions) {
    this.#options = options;
  }

  /** @throws BenchError when the server does not start, or the load generator fails */
  async run(): Promise<BenchResult> {
    const began = performance.now();
    const { protocols, seconds, sets, env, progress } = this.#options;
    try {
      progress('starting a server');
      this.#server = await BenchServer.start(sets, env);
      const { rtmp, whip } = this.#server.urls();
      this.#publishers = await startPublishers([rtmp, whip], env);
      const each = Math.max(1, (seconds - AROUND_S) / protocols.length);
      const results: ProtocolResult[] = [];
      for (const protocol of protocols) if (!this.#aborted) results.push(await this.#measure(protocol, each));
      return { ...facts(), seconds: Math.round((performance.now() - began) / 1000), protocols: results };
    } finally {
      await this.close();
    }
  }

  /** Ends it early: `run` gives what there is, or fails. Idempotent. */
  async close(): Promise<void> {
    this.#aborted = true;
    await this.#viewers?.stop();
    await this.#publishers?.stop();
    await this.#server?.close();
  }

  async #measure(protocol: BenchProtocol, seconds: number): Promise<ProtocolResult> {
    const endsAt = performance.now() + seconds * 1000;
    const course = COURSES[protocol];
    const idleBytes = this.#server?.residentBytes() ?? Number.NaN;
    const steps: BenchStep[] = [];
    let viewers: number | undefined = course.first;
    let tookMs = 0;
    while (viewers !== undefined && steps.length < MAX_STEPS && !this.#aborted) {
      // A step with more viewers takes longer than the one before.
      if (steps.length > 0 && performance.now() + tookMs * 1.2 > endsAt) break;
      const began = performance.now();
      const step = await this.#step(protocol, viewers, Math.max(course.leastWatchS, seconds * WATCH_SHARE));
      tookMs = performance.now() - began;
      steps.push(step);
      this.#options.progress(`${protocol}: ${viewers} viewers, CPU ${Math.round(step.cpu * 100)} % of a core`);
      viewers = nextViewers(steps, { most: course.most, busy: BUSY });
    }
    return { protocol, steps, capacity: capacityOf(steps, { idleBytes, machineBytes: totalmem() }) };
  }

  async #step(protocol: BenchProtocol, viewers: number, seconds: number): Promise<BenchStep> {
    const server = this.#server;
    if (server === undefined) throw new Error('there is no server');
    const { whep, rtmp, hls } = server.urls();
    const url = { webrtc: whep, rtmp, hls }[protocol];
    this.#options.progress(`${protocol}: ${viewers} viewers join`);
    const wanted = { url, viewers, seconds, rate: COURSES[protocol].rate, pid: server.pid };
    this.#viewers = new Viewers(wanted, this.#options.env);
    return stepOf(await this.#viewers.report(), viewers);
  }
}

function facts(): Pick<BenchResult, 'version' | 'machine' | 'native'> {
  const all = cpus();
  const machine = {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    node: process.version,
  };
  return { version: serverVersion(), machine, native: openDatagramPorts() !== undefined };
}
