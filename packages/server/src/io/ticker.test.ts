import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BusyTicks, Ticker } from './ticker.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => vi.useRealTimers());

test('each is called at its own period, in as few wakes as that takes', () => {
  const ticker = new Ticker(20);
  const calls = { second: 0, tenth: 0, tick: 0 };
  const wakes = new Set<number>();
  const note = (name: keyof typeof calls) => (nowMs: number) => {
    calls[name]++;
    wakes.add(nowMs);
  };
  using _second = ticker.on(note('second'), 1000);
  vi.advanceTimersByTime(2000);
  expect(calls).toEqual({ second: 2, tenth: 0, tick: 0 });
  using _tenth = ticker.on(note('tenth'), 100);
  vi.advanceTimersByTime(2000);
  expect(calls).toEqual({ second: 4, tenth: 20, tick: 0 });
  // What is due once a second is done with what is due ten times as often.
  expect(wakes.size).toBe(22);
  const tick = ticker.on(note('tick'));
  vi.advanceTimersByTime(1000);
  expect(calls).toEqual({ second: 5, tenth: 30, tick: 50 });
  tick[Symbol.dispose]();
  // It runs once more before it runs slower.
  vi.advanceTimersByTime(1020);
  expect(calls).toEqual({ second: 6, tenth: 40, tick: 50 });
});

test('nobody starves while others come and go faster than the timer runs', () => {
  const ticker = new Ticker(20);
  let calls = 0;
  using _second = ticker.on(() => calls++, 1000);
  for (let ms = 0; ms < 10_000; ms += 5) {
    const passing = ticker.on(() => {});
    vi.advanceTimersByTime(5);
    passing[Symbol.dispose]();
  }
  expect(calls).toBe(10);
  vi.advanceTimersByTime(10_000);
  expect(calls).toBeGreaterThanOrEqual(19);
});

test('without a listener there is no timer', () => {
  const ticker = new Ticker(20);
  ticker.on(() => {}, 1000)[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
});

test('what was missed while the process stood still is not caught up on', () => {
  const ticker = new Ticker(20);
  let calls = 0;
  using _listener = ticker.on(() => calls++, 100);
  using _other = ticker.on(() => {});
  vi.advanceTimersByTime(100);
  expect(calls).toBe(1);
  const { now } = performance;
  // Ten seconds in which no timer ran.
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 10_000);
  vi.advanceTimersByTime(200);
  expect(calls).toBeLessThanOrEqual(4);
  vi.restoreAllMocks();
});

test('a part of the server ticks only while it has something to do', () => {
  const ticker = new Ticker(20);
  let left = 0;
  const ticks = new BusyTicks(ticker, () => --left > 0);
  expect(vi.getTimerCount()).toBe(0);
  for (let round = 0; round < 2; round++) {
    left = 3;
    ticks.begin();
    ticks.begin();
    vi.advanceTimersByTime(1000);
    expect(left).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  }
  left = 3;
  ticks.begin();
  ticks.close();
  vi.advanceTimersByTime(1000);
  expect(left).toBe(3);
});
