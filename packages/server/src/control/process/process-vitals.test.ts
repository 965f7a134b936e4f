import { afterEach, describe, expect, it, vi } from 'vitest';
import { Machine } from './machine-facts.ts';
import { type GcKind, ProcessVitals } from './process-vitals.ts';

let vitals: ProcessVitals | undefined;

afterEach(() => vitals?.close());

function blockFor(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('process vitals', () => {
  it('tell delays of the event loop without the period of the timer that measures them', async () => {
    vitals = new ProcessVitals();
    vitals.start();
    await vi.waitFor(() => expect(vitals?.load().delay.meanMs).toBeGreaterThan(0));
    // The period is 100 ms: with it, no median is below.
    await vi.waitFor(() => expect(vitals?.load().delay.p50Ms).toBeLessThan(50), { timeout: 4000 });
    expect(vitals.load().delay.maxMs).toBeLessThan(245);
    // Whenever it begins, the timer is due within the first 100 ms of it.
    blockFor(350);
    await vi.waitFor(() => expect(vitals?.load().delay.maxMs).toBeGreaterThan(245));
    expect(vitals.delays.takeRecent().maxMs).toBeGreaterThan(245);
    expect(vitals.delays.takeRecent()).toEqual({ maxMs: 0, meanMs: 0 });
    expect(vitals.load().utilization).toBeGreaterThan(0);
    expect(vitals.load().cpu).toBeGreaterThan(0);
  });

  it('tell the last complete window, whoever asks in between', async () => {
    vitals = new ProcessVitals();
    vitals.start();
    await vi.waitFor(() => expect(vitals?.load().delay.meanMs).toBeGreaterThan(0));
    blockFor(350);
    await vi.waitFor(() => expect(vitals?.load().delay.maxMs).toBeGreaterThan(245));
    vitals.sample(performance.now() + 10_000);
    const { maxMs } = vitals.load().delay;
    expect(maxMs).toBeGreaterThan(245);
    vitals.sample(performance.now() + 15_000);
    expect(vitals.load().delay.maxMs).toBe(maxMs);
    vitals.sample(performance.now() + 30_000);
    expect(vitals.load().delay.maxMs).toBeLessThan(245);
  });

  it('count every garbage collection, with its time', async () => {
    const seen: GcKind[] = [];
    vitals = new ProcessVitals();
    vitals.start((kind) => seen.push(kind));
    await vi.waitFor(() => {
      const garbage: object[] = [];
      for (let i = 0; i < 300_000; i++) garbage.push({ i });
      expect(vitals?.gc.minor.count).toBeGreaterThan(1);
    });
    expect(vitals.gc.minor.seconds).toBeGreaterThan(0);
    expect(seen.filter((kind) => kind === 'minor')).toHaveLength(vitals.gc.minor.count);
  });
});

describe('machine facts', () => {
  it.runIf(process.platform === 'linux')('are read from the kernel', () => {
    const facts = new Machine().facts();
    expect(facts.threads).toBeGreaterThan(1);
    expect(facts.openFiles).toBeGreaterThan(2);
    expect(facts.maxOpenFiles).toBeGreaterThan(facts.openFiles);
    expect(facts.memoryBytes).toBeGreaterThan(facts.freeMemoryBytes);
    expect(facts.processors).toBeGreaterThan(0);
  });
});
