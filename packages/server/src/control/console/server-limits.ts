import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { ServerLimit } from '@sluice/contract';
import type { ControlDeps } from '../control-deps.ts';
import { Machine, type MachineFacts } from '../process/machine-facts.ts';

/** Reading the machine's facts may take some milliseconds. */
const MACHINE_AGE_MS = 5000;

/** Tells how near the server is to what limits it. */
export class ServerLimits {
  readonly #machine = new Machine();
  #facts: MachineFacts | undefined;
  #factsAtMs = 0;

  of({ streams, maxStreams }: ControlDeps): ServerLimit[] {
    const { openFiles, maxOpenFiles, loadAverage, processors } = this.#recentFacts();
    const { heap_size_limit: heapLimit } = getHeapStatistics();
    const { rss, heapUsed } = process.memoryUsage();
    return [
      { id: 'streams', used: streams.size, limit: maxStreams ?? 0, unit: '' },
      { id: 'memory', used: rss, limit: totalmem(), unit: 'bytes' },
      { id: 'heap', used: heapUsed, limit: heapLimit, unit: 'bytes' },
      { id: 'files', used: openFiles, limit: maxOpenFiles, unit: '' },
      { id: 'processors', used: Math.round(loadAverage * 100) / 100, limit: processors, unit: '' },
    ];
  }

  #recentFacts(): MachineFacts {
    const nowMs = performance.now();
    if (this.#facts === undefined || nowMs - this.#factsAtMs > MACHINE_AGE_MS) {
      this.#facts = this.#machine.facts();
      this.#factsAtMs = nowMs;
    }
    return this.#facts;
  }
}
