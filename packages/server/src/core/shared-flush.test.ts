import { describe, expect, test } from 'vitest';
import type { DirectSink, FanOutViewer } from './fan-out-viewer.ts';
import { type Flush, SharedFlush } from './shared-flush.ts';

const BYTES = Buffer.from('what came');
const FLUSH: Flush = { from: 3, to: 5, bytes: BYTES };

interface ViewerFacts {
  readonly descriptor?: number;
  readonly encoded?: Buffer;
  readonly inStep?: boolean;
  readonly direct?: boolean;
}

/** A viewer that notes how it was given what came. */
function viewer(name: string, log: string[], facts: ViewerFacts = {}): FanOutViewer {
  const { descriptor = 1, encoded = BYTES, inStep = true, direct: isDirect = true } = facts;
  const direct: DirectSink = { descriptor, encode: () => encoded, finish: () => true };
  const like: Pick<FanOutViewer, 'inStep' | 'direct' | 'deliver' | 'delivered'> = {
    inStep: (from) => inStep && from === 3,
    direct: isDirect ? direct : undefined,
    deliver: (from, to, bytes) => void log.push(`${name} by itself ${from}-${to} ${bytes.toString()}`),
    delivered: ({ to }, bytes, taken) => void log.push(`${name} to ${to} ${taken} of ${bytes.length}`),
  };
  return like as FanOutViewer;
}

describe('what came for many viewers', () => {
  test('is written in one call to all who keep up, and by itself to all others', () => {
    const log: string[] = [];
    const calls: { readonly descriptors: number[]; readonly bytes: string }[] = [];
    const flush = new SharedFlush((descriptors, count, bytes, taken) => {
      calls.push({ descriptors: [...descriptors.subarray(0, count)], bytes: Buffer.from(bytes).toString() });
      for (let i = 0; i < count; i++) taken[i] = i === 1 ? 4 : bytes.length;
    });
    flush.deliver(
      [
        viewer('a', log, { descriptor: 10 }),
        viewer('late', log, { inStep: false }),
        viewer('b', log, { descriptor: 11 }),
        viewer('busy', log, { descriptor: -1 }),
        viewer('tls', log, { direct: false }),
        viewer('c', log, { descriptor: 12 }),
      ],
      FLUSH,
    );
    expect(calls).toEqual([{ descriptors: [10, 11, 12], bytes: 'what came' }]);
    expect(log).toEqual([
      ...['late', 'busy', 'tls'].map((name) => `${name} by itself 3-5 what came`),
      ...['a to 5 9 of 9', 'b to 5 4 of 9', 'c to 5 9 of 9'],
    ]);
  });

  test('goes in one call for each way in which it is written, and to hundreds', () => {
    const framed = Buffer.from('in a frame');
    const calls: string[] = [];
    const flush = new SharedFlush((descriptors, count, bytes, taken) => {
      calls.push(`${count} ${Buffer.from(bytes).toString()} ${descriptors[count - 1]}`);
      taken.fill(bytes.length);
    });
    const log: string[] = [];
    const all = Array.from({ length: 600 }, (_, i) =>
      viewer(`v${i}`, log, { descriptor: i, encoded: i % 2 === 0 ? BYTES : framed }),
    );
    for (let round = 0; round < 2; round++) flush.deliver(all, FLUSH);
    expect(calls).toEqual([
      ...['300 what came 598', '300 in a frame 599'],
      ...['300 what came 598', '300 in a frame 599'],
    ]);
    expect(log).toHaveLength(1200);
    expect(log.filter((line) => line.includes('by itself'))).toEqual([]);
  });

  test('is written by itself where there are too many ways', () => {
    const log: string[] = [];
    const flush = new SharedFlush((_, count, bytes, taken) => void taken.fill(bytes.length, 0, count));
    const all = Array.from({ length: 6 }, (_, i) => viewer(`v${i}`, log, { encoded: Buffer.of(i) }));
    flush.deliver(all, FLUSH);
    expect(log.filter((line) => line.includes('by itself'))).toHaveLength(2);
  });
});
