import { beforeEach, describe, expect, test } from 'vitest';
import type { DirectSink, FanOutViewer } from './fan-out-viewer.ts';
import { type Marcher, SharedFlush } from './shared-flush.ts';

const LENGTH = 9;

/** A viewer and its socket, which note what they are given. */
class FakeViewer {
  readonly got: string[] = [];
  next = 0;
  free = true;
  marcher: Marcher | undefined;
  watched: { leave(): void; readonly encodedBytes: number } | undefined;
  readonly direct: (DirectSink & { descriptor: number }) | undefined;

  constructor(descriptor: number, encode: ((bytes: Buffer) => Buffer) | 'secure' = (bytes) => bytes) {
    if (encode === 'secure') return;
    this.direct = {
      descriptor,
      encode,
      finish: () => true,
      watch: (marcher) => {
        this.watched = marcher;
      },
      unwatch: () => {
        this.watched = undefined;
      },
    };
  }

  get viewer(): FanOutViewer {
    return this as unknown as FanOutViewer;
  }

  inStep(from: number): boolean {
    return this.free && this.next === from;
  }

  deliver(from: number, to: number, bytes: Buffer): void {
    this.got.push(`alone ${from}-${to} ${bytes.toString()}`);
    if (this.free) this.next = to;
  }

  delivered({ to }: { readonly to: number }, bytes: Buffer, taken: number): void {
    this.got.push(`${taken} of ${bytes.length}`);
    this.next = to;
  }

  joinedColumn(marcher: Marcher): void {
    this.marcher = marcher;
    marcher.direct.watch(marcher);
  }

  leaveColumn(): void {
    const { marcher } = this;
    if (marcher === undefined) return;
    this.next = marcher.next;
    this.marcher = undefined;
    marcher.direct.unwatch();
    marcher.removed();
  }
}

let calls: string[];
let flush: SharedFlush;
/** What a socket takes, by its number; all of it when it is not here. */
let takes: Map<number, number>;
let at: number;

beforeEach(() => {
  calls = [];
  takes = new Map();
  at = 0;
  flush = new SharedFlush((descriptors, count, bytes, taken) => {
    const list = [...descriptors.subarray(0, count)];
    calls.push(`${list.join()} ${Buffer.from(bytes).toString()}`);
    for (const [i, descriptor] of list.entries()) taken[i] = takes.get(descriptor) ?? bytes.length;
  });
});

function added(...viewers: FakeViewer[]): FakeViewer[] {
  for (const { viewer } of viewers) flush.add(viewer);
  return viewers;
}

/** Two entries more for all. */
function go(): void {
  const bytes = Buffer.from(`what ${at + 2}  `.padEnd(LENGTH).slice(0, LENGTH));
  flush.deliver({ from: at, to: at + 2, bytes });
  at += 2;
}

describe('what came for many viewers', () => {
  test('goes in one call to all who have got what came before', () => {
    const [a, b, late, busy, tls] = added(
      new FakeViewer(10),
      new FakeViewer(11),
      new FakeViewer(12),
      new FakeViewer(-1),
      new FakeViewer(14, 'secure'),
    );
    if (late !== undefined) late.free = false;
    for (let round = 0; round < 3; round++) go();
    expect(calls).toEqual(['10,11 what 4   ', '10,11 what 6   ']);
    expect([a?.got.length, b?.got.length, late?.got.length, busy?.got.length, tls?.got.length]).toEqual([
      1, 1, 3, 3, 3,
    ]);
    expect(a?.marcher).toMatchObject({ next: 6, packets: 4, bytes: 2 * LENGTH, encodedBytes: 2 * LENGTH });
  });

  test('is gone on with alone by who took a part of it, while the others go on together', () => {
    const viewers = added(...[10, 11, 12, 13].map((descriptor) => new FakeViewer(descriptor)));
    go();
    takes.set(10, 4).set(12, -32);
    for (const viewer of [viewers[0], viewers[2]]) if (viewer !== undefined) viewer.free = false;
    go();
    expect(viewers.map(({ marcher }) => marcher !== undefined)).toEqual([false, true, false, true]);
    expect([viewers[0]?.got.includes('4 of 9'), viewers[2]?.got.includes('-32 of 9')]).toEqual([true, true]);
    go();
    expect(calls.at(-1)).toMatch(/^(11,13|13,11) what 6/);
    for (const viewer of viewers) viewer.free = true;
    for (const one of [viewers[0], viewers[2]]) if (one !== undefined) one.next = at;
    takes.clear();
    go();
    go();
    expect(calls.at(-1)?.split(' ')[0]?.split(',').sort()).toEqual(['10', '11', '12', '13']);
  });

  test('does not go to a socket that something else was done with', () => {
    const [a, b, c] = added(new FakeViewer(10), new FakeViewer(11), new FakeViewer(12));
    go();
    a?.watched?.leave();
    if (a?.direct !== undefined) a.direct.descriptor = -1;
    if (b !== undefined) flush.remove(b.viewer);
    go();
    expect(calls).toEqual(['12 what 4   ']);
    expect(a?.got).toEqual(['alone 0-2 what 2   ', 'alone 2-4 what 4   ']);
    expect(b?.got).toHaveLength(1);
    expect(c?.marcher?.packets).toBe(2);
  });

  test('goes in one call for each way in which it is written, and to hundreds', () => {
    const framed = new Map<Buffer, Buffer>();
    const frame = (bytes: Buffer): Buffer => {
      const known = framed.get(bytes) ?? Buffer.concat([Buffer.from('in a frame '), bytes]);
      framed.set(bytes, known);
      return known;
    };
    const all = added(...Array.from({ length: 600 }, (_, i) => new FakeViewer(i, i % 2 === 0 ? undefined : frame)));
    go();
    go();
    expect(calls.map((call) => call.split(',').length)).toEqual([300, 300]);
    expect(calls.filter((call) => call.includes('in a frame'))).toHaveLength(1);
    expect(all.filter(({ marcher }) => marcher?.encodedBytes === LENGTH)).toHaveLength(300);
    expect(all.filter(({ marcher }) => marcher?.encodedBytes === LENGTH + 11)).toHaveLength(300);
    for (const { viewer } of all) flush.remove(viewer);
    calls.length = 0;
    go();
    expect(calls).toEqual([]);
  });

  test('is written by itself where there are too many ways, and where the log has moved on', () => {
    const all = added(...Array.from({ length: 6 }, (_, i) => new FakeViewer(i, () => Buffer.of(i))));
    go();
    expect(all.filter(({ marcher }) => marcher !== undefined)).toHaveLength(4);
    at += 10;
    for (const viewer of all) viewer.free = false;
    go();
    expect(all.filter(({ marcher }) => marcher !== undefined)).toHaveLength(0);
    expect(calls).toEqual([]);
  });
});
