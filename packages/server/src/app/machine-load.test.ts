import { expect, test } from 'vitest';
import { MachineLoad } from './machine-load.ts';

/** A machine that is idle for the given shares of the seconds that pass. */
function pass(load: MachineLoad, times: { idle: number; total: number }, ...shares: number[]): boolean {
  for (const share of shares) {
    times.idle += share * 1000;
    times.total += 1000;
    load.look();
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

test('a look at which nothing has passed says nothing', () => {
  const times = { idle: 0, total: 1000 };
  const load = new MachineLoad(() => ({ ...times }));
  for (let i = 0; i < 10; i++) load.look();
  expect(load.isBusy).toBe(false);
});
