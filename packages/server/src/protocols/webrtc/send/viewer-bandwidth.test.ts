import { beforeEach, describe, expect, test } from 'vitest';
import { FeedbackBandwidth } from './viewer-bandwidth.ts';

const SENT_BPS = 1_000_000;

let bandwidth: FeedbackBandwidth;
let nowMs: number;

/** A viewer that has been watching for a while. */
beforeEach(() => {
  bandwidth = new FeedbackBandwidth();
  nowMs = 0;
  for (; nowMs < 5000; nowMs += 1000) bandwidth.onSent(SENT_BPS, nowMs);
});

/** One second, with what the viewer says at its end. */
function second(said: { loss?: number; rttMs?: number; remb?: number; sentBps?: number }) {
  nowMs += 1000;
  bandwidth.onSent(said.sentBps ?? SENT_BPS, nowMs);
  if (said.loss !== undefined || said.rttMs !== undefined)
    bandwidth.onReport({ lossFraction: said.loss ?? 0, rttMs: said.rttMs }, nowMs);
  if (said.remb !== undefined) bandwidth.onRemb(said.remb, nowMs);
  return bandwidth.estimate(nowMs);
}

describe('the estimate of a viewer', () => {
  test('knows no limit while all is well, whatever little is lost', () => {
    for (const loss of [0, 0.04, 0.09, 0.02]) expect(second({ loss, rttMs: 30, remb: 1_400_000 }).bps).toBeUndefined();
  });

  test('is what comes through of what is sent when much is lost, and counts when that lasts', () => {
    expect(second({ loss: 0.3 })).toMatchObject({ bps: 700_000, congested: false });
    expect(second({ loss: 0.25 })).toEqual({
      bps: 750_000,
      congested: true,
      reason: '25 % of the packets are lost',
    });
  });

  test('is forgotten as soon as less is lost, or when nothing is said of it any more', () => {
    second({ loss: 0.3 });
    second({ loss: 0.3 });
    expect(second({ loss: 0.07 }).congested).toBe(true);
    expect(second({ loss: 0.01 })).toMatchObject({ bps: undefined, congested: false });
    second({ loss: 0.3 });
    second({ loss: 0.3 });
    for (let i = 0; i < 5; i++) second({});
    expect(bandwidth.estimate(nowMs)).toMatchObject({ bps: undefined, congested: false });
  });

  test('is less than what is sent while packets queue up on the way', () => {
    second({ rttMs: 40 });
    expect(second({ rttMs: 250 }).bps).toBeUndefined();
    second({ rttMs: 600 });
    expect(second({ rttMs: 900 })).toEqual({ bps: 800_000, congested: true, reason: 'packets wait 860 ms on the way' });
    expect(second({ rttMs: 80 }).congested).toBe(false);
  });

  test('takes a route that became longer for what it is after a while', () => {
    second({ rttMs: 40 });
    for (let i = 0; i < 70; i++) second({ rttMs: 400 });
    expect(bandwidth.estimate(nowMs).congested).toBe(false);
  });

  test("is not the viewer's own while that grows slowly after a change to something better", () => {
    for (let remb = 400_000; remb < 1_000_000; remb *= 1.08) expect(second({ remb }).bps).toBeUndefined();
    expect(second({ remb: 700_000 }).bps).toBe(700_000);
  });

  test("is the viewer's own where that falls below what is sent, and only then", () => {
    second({ remb: 1_500_000 });
    second({ remb: 400_000 });
    expect(second({ remb: 420_000 })).toMatchObject({ bps: 420_000, congested: true });
    expect(second({ remb: 1_100_000 })).toMatchObject({ bps: undefined, congested: false });
    // A still picture takes less than the viewer has seen before.
    for (let i = 0; i < 9; i++) second({ remb: 420_000, sentBps: 100_000 });
    expect(bandwidth.estimate(nowMs).bps).toBeUndefined();
  });

  test('is the least of what several things tell', () => {
    second({ remb: 1_500_000 });
    second({ loss: 0.2, remb: 300_000 });
    expect(second({ loss: 0.2, remb: 300_000 })).toMatchObject({ bps: 300_000, congested: true });
  });

  test('does not count what is said of the beginning, or of what was sent before a change', () => {
    const fresh = new FeedbackBandwidth();
    fresh.onReport({ lossFraction: 0.5, rttMs: 10 }, 0);
    fresh.onSent(9_000_000, 100);
    fresh.onReport({ lossFraction: 0.5, rttMs: 10 }, 1000);
    fresh.onRemb(1000, 2000);
    expect(fresh.estimate(2000).bps).toBeUndefined();
    second({ loss: 0.5 });
    second({ loss: 0.5 });
    bandwidth.onChanged(nowMs);
    expect(bandwidth.estimate(nowMs)).toMatchObject({ bps: undefined, congested: false });
    expect(second({ loss: 0.5 }).bps).toBeUndefined();
    second({ sentBps: 400_000 });
    expect(second({ loss: 0.5, sentBps: 400_000 }).bps).toBe(200_000);
  });
});
