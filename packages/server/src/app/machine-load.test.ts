import { expect, test } from 'vitest';
import { MachineLoad } from './machine-load.ts';

/** A machine that is idle for the given shares of the seconds that pass. */
function pass(load: MachineLoad, times: { idle: number; total: number }, ...shares: number[]): boolean {
  for (const share of shares) {
    times.idle += share * 1000;
    times.total += 1000;
    load.tick(times.total);
  }
  return load.isBusy;
}

test('a machine is busy after three seconds with next to nothing to spare, until it has some again', () => {
  const times = { idle: 0, total: 0 };
  const load = new MachineLoad(() => ({ ...times }));
  expect(pass(load, times, 0.5, 0.01, 0.02)).toBe(false);
  expect(pass(load, times, 0.03)).toBe(true);
  expect(pass(load, times, 0)).toBe(true);
  expect(pass(load, times, 0.06)).toBe(false);
});

test('it is looked at once a second, and a look at which nothing has passed says nothing', () => {
  const times = { idle: 0, total: 1000 };
  const load = new MachineLoad(() => ({ ...times }));
  for (let ms = 0; ms < 900; ms += 20) load.tick(ms);
  times.total += 10;
  for (let ms = 900; ms < 1000; ms += 20) load.tick(ms);
  expect(load.isBusy).toBe(false);
});
