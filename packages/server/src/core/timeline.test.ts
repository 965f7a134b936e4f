import { describe, expect, it } from 'vitest';
import { Timeline, Unwrapper32 } from './timeline.ts';

const VIDEO = 0;
const AUDIO = 1;
const HOUR_US = 3_600_000_000;

describe('timeline', () => {
  it('keeps a new source’s times and goes on after the last packet of a restarted one', () => {
    expect(new Timeline().map(5_000_000)).toBe(5_000_000);
    expect(new Timeline(9_000_000).map(0)).toBe(9_020_000);
  });

  it('re-bases a clock that jumps, either way', () => {
    const timeline = new Timeline();
    timeline.map(1_000_000);
    expect(timeline.map(100_000_000)).toBe(1_020_000);
    expect(timeline.map(100_040_000)).toBe(1_060_000);
    expect(timeline.map(0)).toBe(1_080_000);
    expect(timeline.breaks).toBe(2);
  });

  it('leaves pauses and interleaving alone', () => {
    const timeline = new Timeline();
    for (const time of [0, 40_000, 20_000, 5_000_000, 4_980_000]) expect(timeline.map(time)).toBe(time);
    expect(timeline.breaks).toBe(0);
  });

  it('takes a smaller step for a break where it is told to, but not the return of a track that has paused', () => {
    const timeline = new Timeline(0, 1_000_000);
    for (let ms = 0; ms <= 5000; ms += 40) timeline.map(ms * 1000, VIDEO);
    timeline.map(0, AUDIO);
    expect(timeline.map(5_000_000, AUDIO)).toBe(5_000_000);
    expect(timeline.breaks).toBe(0);
    expect(timeline.map(7_000_000, VIDEO)).toBe(5_020_000);
    expect(timeline.map(7_010_000, AUDIO)).toBe(5_030_000);
    expect(timeline.breaks).toBe(2);
  });

  it('gets used to a source whose every step is large', () => {
    const timeline = new Timeline(0, 1_000_000);
    const times = Array.from({ length: 10 }, (_, i) => timeline.map(i * 2_000_000));
    expect(times.slice(2).map((time, i) => time - (times[i + 1] ?? 0))).toEqual(Array(8).fill(2_000_000));
    expect(timeline.breaks).toBe(1);
  });

  it('keeps tracks aligned that are interleaved seconds apart', () => {
    const timeline = new Timeline();
    for (let ms = 0; ms < 60_000; ms += 20) {
      expect(timeline.map(ms * 1000 + 4_000_000, AUDIO)).toBe(ms * 1000 + 4_000_000);
      expect(timeline.map(ms * 1000, VIDEO)).toBe(ms * 1000);
    }
    expect(timeline.breaks).toBe(0);
  });

  it('carries tracks on clocks of their own, each at its own pace from where they began', () => {
    const timeline = new Timeline();
    for (let ms = 0; ms < 60_000; ms += 20) {
      expect(timeline.map(ms * 1000, VIDEO)).toBe(ms * 1000);
      expect(timeline.map(ms * 1000 + HOUR_US, AUDIO)).toBe(ms * 1000);
    }
    expect(timeline.breaks).toBe(0);
  });

  it.each([
    ['an hour forward', HOUR_US],
    ['an hour back', -HOUR_US],
    ['two seconds back', -2_000_000],
  ])('keeps tracks aligned when their clock jumps %s, whichever goes first', (_, jumpUs) => {
    for (const [first, second] of [
      [VIDEO, AUDIO],
      [AUDIO, VIDEO],
    ] as const) {
      const timeline = new Timeline();
      const at = 2 * HOUR_US;
      let clockUs = at;
      for (; clockUs < at + 5_000_000; clockUs += 40_000) {
        timeline.map(clockUs, first);
        timeline.map(clockUs + 10_000, second);
      }
      const before = timeline.map(clockUs, first);
      // The first track goes over to the new clock three packets before the second one.
      const jumped: number[] = [];
      for (let i = 1; i <= 3; i++) {
        jumped.push(timeline.map(clockUs + i * 40_000 + jumpUs, first));
        timeline.map(clockUs + i * 40_000 + 10_000, second);
      }
      expect(jumped[0]).toBeGreaterThan(before);
      expect((jumped[0] ?? 0) - before).toBeLessThan(100_000);
      clockUs += 200_000;
      const [a, b] = [timeline.map(clockUs + jumpUs, first), timeline.map(clockUs + jumpUs + 10_000, second)];
      expect(b - a).toBe(10_000);
      expect(timeline.breaks).toBe(2);
    }
  });

  it('extends 32-bit counters over the wrap, also when packets cross it out of order', () => {
    const unwrapper = new Unwrapper32();
    const read = [0xfffffff0, 0x10, 0xfffffff8, 0x20].map((value) => unwrapper.unwrap(value));
    expect(read).toEqual([0xfffffff0, 0x100000010, 0xfffffff8, 0x100000020]);
  });
});
