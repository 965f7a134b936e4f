import { describe, expect, test } from 'vitest';
import { SampleClock } from './sample-clock.ts';

const RATE = 48_000;
const FRAME = 960;

/** Places frames of 20 ms at these times; what the clock answered to each. */
function run(clock: SampleClock, timesUs: readonly number[]) {
  return timesUs.map((timeUs) => {
    const placement = clock.place(timeUs, 0);
    clock.advance(FRAME - Math.min(FRAME, placement.trim));
    return placement;
  });
}

const CONTINUE = { silence: 0, trim: 0, jump: 0, stretch: 0 };

describe('the clock of converted sound', () => {
  test('runs by samples from the first time on', () => {
    const clock = new SampleClock(RATE);
    expect(run(clock, [1_000_000, 1_020_000, 1_040_000])).toEqual([CONTINUE, CONTINUE, CONTINUE]);
    expect(clock.timeUs(clock.position)).toBe(1_060_000);
  });

  test('does not follow times that tremble by less than 40 ms', () => {
    const clock = new SampleClock(RATE);
    expect(run(clock, [0, 55_000, 40_000, 21_000, 90_000])).toEqual(Array(5).fill(CONTINUE));
  });

  test('sees the loss of one packet when the times are exact otherwise', () => {
    const clock = new SampleClock(RATE);
    run(
      clock,
      Array.from({ length: 200 }, (_, index) => index * 20_000 + (index % 2) * 500),
    );
    expect(clock.place(4_020_000, 0)).toEqual({ ...CONTINUE, silence: 960 });
  });

  test('puts silence into a hole of some 100 ms, and jumps over a longer one', () => {
    const clock = new SampleClock(RATE);
    run(clock, [0]);
    expect(clock.place(120_000, 0)).toEqual({ ...CONTINUE, silence: 4800 });
    expect(clock.timeUs(clock.position)).toBe(120_000);
    expect(clock.place(10_120_000, 0)).toEqual({ ...CONTINUE, jump: 480_000 });
    expect(clock.timeUs(clock.position)).toBe(10_120_000);
  });

  test('leaves out what comes twice', () => {
    const clock = new SampleClock(RATE);
    run(clock, [0, 20_000, 40_000, 60_000, 80_000, 100_000]);
    expect(clock.place(20_000, 0)).toEqual({ ...CONTINUE, trim: 4800 });
  });

  test('counts what is still in the resampler as placed', () => {
    const clock = new SampleClock(RATE);
    run(clock, [0]);
    expect(clock.place(70_000, 960)).toEqual(CONTINUE);
    expect(clock.place(70_000, 0)).toMatchObject({ silence: 2400 });
  });

  test.each([
    ['faster', 1.0002],
    ['slower', 0.9998],
  ])('stays with a source whose clock is a little %s, by stretching alone', (_name, speed) => {
    const clock = new SampleClock(RATE);
    const wanted = { stretched: 0, other: 0, worstUs: 0 };
    for (let frame = 0; frame < 50 * 600; frame += 1) {
      const timeUs = Math.round(frame * 20_000 * speed) + ((frame * 7) % 5) * 2000;
      const offUs = timeUs - clock.timeUs(clock.position);
      const { stretch, silence, trim, jump } = clock.place(timeUs, 0);
      wanted.stretched += stretch;
      wanted.other += silence + trim + jump;
      wanted.worstUs = Math.max(wanted.worstUs, Math.abs(offUs));
      // The resampler does as it is told, within the second that follows.
      clock.advance(FRAME + stretch);
    }
    expect(wanted.other).toBe(0);
    expect(Math.abs(wanted.stretched / RATE / 600 - (speed - 1))).toBeLessThan(0.00005);
    expect(wanted.worstUs).toBeLessThan(25_000);
  });
});
