import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadReport } from '@sluice/loadtest/report';
import { BenchError, ChildProgram } from './child-program.ts';

/** Should nobody end them, seconds. */
const LONGEST_S = 600;
const READY_TIMEOUT_MS = 20_000;
const LOOK_MS = 50;

type Environment = Readonly<Record<string, string | undefined>>;

/** Its program; it is a package of its own. */
const program = (): string => createRequire(import.meta.url).resolve('@sluice/loadtest/bin/sluice-load.mjs');

/** Publishes to these addresses until it is stopped. @throws BenchError when that fails */
export async function startPublishers(urls: readonly string[], env: Environment): Promise<ChildProgram> {
  const to = urls.flatMap((url) => ['--to', url]);
  const publishers = new ChildProgram([program(), 'publish', ...to, '--time', String(LONGEST_S)], env);
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!publishers.errors.includes(`publishing ${urls.length}/${urls.length}`)) {
    if (!publishers.running || performance.now() > deadline) {
      await publishers.stop();
      throw new BenchError(`nothing can be published: ${publishers.errors.trim().slice(-300)}`);
    }
    await delay(LOOK_MS);
  }
  return publishers;
}

/** What so many viewers of one address see. */
export interface ViewersWanted {
  readonly url: string;
  readonly viewers: number;
  /** That join in a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Whose CPU and memory are looked at. */
  readonly pid: number;
}

/** Viewers that come, watch and leave. */
export class Viewers {
  readonly #program: ChildProgram;

  constructor({ url, viewers, rate, seconds, pid }: ViewersWanted, env: Environment) {
    const numbers = ['--count', viewers, '--rate', rate, '--time', seconds, '--pid', pid].map(String);
    const flags = ['--json', '--quiet', '--allow-failures', '--join-timeout', '20'];
    this.#program = new ChildProgram([program(), 'view', '--from', url, ...numbers, ...flags], env);
  }

  /** Their report. @throws BenchError when there is none */
  async report(): Promise<LoadReport> {
    await this.#program.exited;
    try {
      return JSON.parse(this.#program.output) as LoadReport;
    } catch {
      const why = this.#program.errors.trim().slice(-300);
      throw new BenchError(`the load generator has failed: ${why}`);
    }
  }

  /** They leave at once. */
  stop(): Promise<void> {
    return this.#program.stop();
  }
}
