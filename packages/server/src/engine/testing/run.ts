import { setTimeout as sleep } from 'node:timers/promises';
import type { MediaPacket, Track } from '@sluice/media';
import type { Conversion, ConversionTarget } from '../../core/index.ts';
import { TestCounters, TestLog } from '../../core/testing/hub.ts';
import { DEFAULT_ENGINE_OPTIONS, Engine, type EngineOptions } from '../index.ts';

/** An engine with what it counted and logged. */
export function testEngine(options: Partial<EngineOptions> = {}) {
  const [log, counters] = [new TestLog(), new TestCounters()];
  const engine = new Engine({ ...DEFAULT_ENGINE_OPTIONS, warmSpare: false, ...options }, { log, counters });
  return { engine, log, counters };
}

/** A conversion that keeps all that comes out of it. */
export class Recording {
  readonly packets: MediaPacket[] = [];
  readonly failures: string[] = [];
  keyFrameAsks = 0;
  readonly conversion: Conversion;

  constructor(engine: Engine, source: Track, target: ConversionTarget & { readonly feed?: object }) {
    const { feed, ...wanted } = target;
    const events = {
      onPacket: (packet: MediaPacket) => this.packets.push(packet),
      onFailed: (reason: string) => this.failures.push(reason),
      onKeyFrameNeeded: () => {
        this.keyFrameAsks += 1;
      },
    };
    this.conversion = engine.open(source, wanted, events, feed);
  }

  get lastUs(): number {
    return this.packets.at(-1)?.ptsUs ?? Number.NEGATIVE_INFINITY;
  }

  /** Pushes packets as fast as they are converted. */
  async play(packets: readonly MediaPacket[], aheadUs = 2_500_000): Promise<void> {
    const startUs = packets[0]?.ptsUs ?? 0;
    for (const packet of packets) {
      this.conversion.push(packet);
      const reached = () => Math.max(this.lastUs, startUs) > packet.ptsUs - aheadUs || this.failures.length > 0;
      await until(reached, `the conversion keeps up with ${packet.ptsUs} us`);
    }
  }

  /** Waits until the output has come this far. */
  async reaches(us: number): Promise<void> {
    await until(() => this.lastUs >= us || this.failures.length > 0, `output at ${us} us`);
  }
}

/** Converts a clip as a whole, but for what codecs keep back at its end: 120 ms, more at low rates. */
export async function convert(
  engine: Engine,
  packets: readonly MediaPacket[],
  target: ConversionTarget & { readonly keptBackUs?: number },
) {
  const [first] = packets;
  if (!first) throw new Error('no packets');
  const { keptBackUs = 120_000 } = target;
  const recording = new Recording(engine, first.track, target);
  await recording.play(packets);
  await recording.reaches(Math.max(...packets.map(({ ptsUs }) => ptsUs)) - keptBackUs);
  recording.conversion.close();
  if (recording.failures.length > 0) throw new Error(recording.failures.join());
  return recording.packets;
}

/** Waits for a condition, and says which one when it does not come. */
export async function until(condition: () => boolean, what: string, timeoutMs = 30_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`timed out waiting: ${what}`);
    await sleep(2);
  }
}

/** True while a process of this number exists and is no zombie's remains. */
export function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}
