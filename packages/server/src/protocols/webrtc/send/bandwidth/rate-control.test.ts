import { expect, test } from 'vitest';
import { RateControl, type RateObservation } from './rate-control.ts';

const QUEUED: Omit<RateObservation, 'sentBps' | 'ackedBps' | 'newestAckedBps'> = {
  signal: 'over',
  queueMs: 300,
  rttMs: 50,
  probing: false,
};

function sends(bps: number): RateObservation {
  return { ...QUEUED, sentBps: bps, ackedBps: bps, newestAckedBps: bps };
}

test('a queue leaves what arrived while it grew, and a part of that, where as much is sent as is allowed', () => {
  const rate = new RateControl(1_000_000, () => {});
  rate.update(sends(1_000_000), 1000);
  expect(rate.bps).toBeLessThan(900_000);
  const before = rate.bps;
  rate.update(sends(500_000), 2000);
  expect(rate.bps).toBeLessThan(before / 1.8);
});

test('a queue does not leave next to nothing where little is sent, and leaves less and less if it stays', () => {
  const rate = new RateControl(1_000_000, () => {});
  rate.update(sends(1_000_000), 1000);
  const before = rate.bps;
  rate.update(sends(60_000), 2000);
  expect(rate.bps).toBe(before / 2);
  for (let nowMs = 2300; nowMs < 4000; nowMs += 300) rate.update(sends(60_000), nowMs);
  expect(rate.bps).toBeLessThan(100_000);
});
