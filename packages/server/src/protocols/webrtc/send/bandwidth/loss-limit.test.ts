import { expect, test } from 'vitest';
import { LossLimit } from './loss-limit.ts';

/** One window of losses, a second long. */
function lose(limit: LossLimit, sentBps: number): void {
  const way = { sentBps, ackedBps: sentBps * 0.7, rateBps: 500_000, queueMs: 100 };
  limit.update({ lost: 0, reported: 0 }, way, 1000);
  limit.update({ lost: 30, reported: 100 }, way, 2000);
}

test('losses limit to what arrived, where as much was sent as delays allow', () => {
  const limit = new LossLimit();
  lose(limit, 500_000);
  expect(limit.bps).toBe(350_000);
});

test('losses do not limit to next to nothing where little is sent by now', () => {
  const limit = new LossLimit();
  lose(limit, 60_000);
  expect(limit.bps).toBe(250_000);
});
