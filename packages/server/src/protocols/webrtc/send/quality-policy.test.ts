import { beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_QUALITY_POLICY, QualityPolicy } from './quality-policy.ts';
import type { BandwidthEstimate } from './viewer-bandwidth.ts';

const ALL = [
  { name: 'original', bandwidthBps: 2_000_000 },
  { name: '480', bandwidthBps: 1_000_000 },
  { name: '240', bandwidthBps: 400_000 },
];
const WELL: BandwidthEstimate = { bps: undefined, congested: false, reason: undefined };
const narrow = (bps: number): BandwidthEstimate => ({ bps, congested: true, reason: 'loss' });

let policy: QualityPolicy;
let nowMs: number;
let current: string;

beforeEach(() => {
  nowMs = 0;
  current = 'original';
  policy = new QualityPolicy(DEFAULT_QUALITY_POLICY, nowMs);
});

/** Time goes by with that estimate; gives when the quality changed, and to what. */
function pass(ms: number, estimateOf: (name: string) => BandwidthEstimate): string[] {
  const changes: string[] = [];
  for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 250) {
    const estimate = estimateOf(current);
    const direction = policy.due(estimate, nowMs);
    const wanted = direction && policy.choose(direction, { all: ALL, current }, { estimate, nowMs });
    if (direction === undefined || wanted === undefined) continue;
    current = wanted.name;
    policy.onMoved(direction, nowMs);
    changes.push(`${nowMs} ${current}`);
  }
  return changes;
}

/** A way that carries so much. */
const pipe = (bps: number) => (name: string) =>
  (ALL.find((one) => one.name === name)?.bandwidthBps ?? 0) > bps ? narrow(bps) : WELL;

describe('the quality of a viewer', () => {
  test('is lowered at once, to the best that takes 85 % of the estimate at most', () => {
    expect(pass(1000, () => narrow(1_300_000))).toEqual(['0 480']);
    current = 'original';
    policy = new QualityPolicy(DEFAULT_QUALITY_POLICY, nowMs);
    expect(pass(1000, () => narrow(1_100_000))).toEqual(['1000 240']);
  });

  test('is the lowest when nothing fits, and stays there', () => {
    expect(pass(60_000, () => narrow(100_000))).toEqual(['0 240']);
  });

  test('is not lowered to what takes more than the present one does at this moment', () => {
    const still = [{ name: 'original', bandwidthBps: 80_000 }, ...ALL.slice(1)];
    const estimate = narrow(50_000);
    expect(policy.choose('down', { all: still, current: 'original' }, { estimate, nowMs })).toBeUndefined();
  });

  test('is lowered again only when the change had time to show', () => {
    expect(pass(8000, (name) => narrow(name === 'original' ? 1_500_000 : 500_000))).toEqual(['0 480', '3000 240']);
  });

  test('is raised step by step after a while in which all is well', () => {
    current = '240';
    expect(pass(30_000, () => WELL)).toEqual(['8000 480', '16000 original']);
  });

  test('is not raised while there is a sign of a limit', () => {
    current = '240';
    const sign: BandwidthEstimate = { bps: 300_000, congested: false, reason: 'loss' };
    expect(pass(7000, () => WELL)).toEqual([]);
    expect(pass(250, () => sign)).toEqual([]);
    expect(pass(7500, () => WELL)).toEqual([]);
    expect(pass(1000, () => WELL)).toHaveLength(1);
  });

  test('is tried to be raised less and less often when that is in vain', () => {
    current = '480';
    const changes = pass(400_000, pipe(1_500_000));
    const attempts = changes
      .filter((change) => change.endsWith('original'))
      .map((change) => Number.parseInt(change, 10));
    const pauses = attempts.slice(1).map((at, i) => at - (attempts[i] ?? 0));
    expect(attempts[0]).toBe(8000);
    expect(pauses.length).toBeGreaterThanOrEqual(4);
    expect(pauses.at(-1)).toBeGreaterThan(5 * (pauses[0] ?? 0));
    for (const [i, pause] of pauses.slice(1).entries()) expect(pause).toBeGreaterThanOrEqual(pauses[i] ?? 0);
    expect(policy.stableMs).toBeLessThanOrEqual(DEFAULT_QUALITY_POLICY.maxStableMs);
    // Most of the time is spent where the way is wide enough.
    expect(changes.length).toBeLessThan(16);
  });

  test('is raised as soon as at first again after one that went well', () => {
    current = '480';
    pass(100_000, pipe(1_500_000));
    expect(policy.stableMs).toBeGreaterThan(DEFAULT_QUALITY_POLICY.stableMs);
    pass(200_000, () => WELL);
    expect(current).toBe('original');
    pass(1000, pipe(1_500_000));
    expect(policy.stableMs).toBe(DEFAULT_QUALITY_POLICY.stableMs);
  });

  test('is not one that could not be had, for a while', () => {
    policy.onFailed('480', nowMs);
    expect(pass(1000, () => narrow(1_500_000))).toEqual(['0 240']);
    expect(pass(29_000, () => WELL)).toEqual([]);
    expect(pass(20_000, () => WELL)[0]).toMatch(/480$/);
  });

  test('becomes any other one when it is lost', () => {
    policy.onFailed('original', nowMs);
    const from = { all: ALL, current: 'original' };
    expect(policy.choose('other', from, { estimate: WELL, nowMs })?.name).toBe('480');
  });
});
