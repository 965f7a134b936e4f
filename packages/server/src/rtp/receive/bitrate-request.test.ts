import { describe, expect, test } from 'vitest';
import { BitrateRequest, bitrateLimits } from './bitrate-request.ts';

const GOOD = { lossFraction: 0, jitterMs: 5 };
const LIMITS = { minBps: 100_000, maxBps: 2_000_000 };
const SETTINGS = { minBitrateBps: 100_000, maxBitrateBps: 2_000_000 };

/** What is asked for after so many seconds of the same. */
function after(request: BitrateRequest, seconds: number, received: Parameters<BitrateRequest['next']>[0]): number {
  let asked = Number.NaN;
  for (let i = 0; i < seconds; i++) asked = request.next(received);
  return asked;
}

describe('what is asked of a sender by REMB', () => {
  test('is never below the least bitrate of the settings nor above the highest', () => {
    const request = new BitrateRequest(LIMITS);
    expect(after(request, 1, { ...GOOD, bitsPerSecond: 0 })).toBe(100_000);
    expect(after(request, 9, { bitsPerSecond: 50_000, lossFraction: 0.5, jitterMs: 5 })).toBe(100_000);
    expect(after(request, 9, { ...GOOD, bitsPerSecond: 5_000_000 })).toBe(2_000_000);
  });

  test('stays at the highest, however much more is sent', () => {
    const request = new BitrateRequest(LIMITS);
    for (let bitsPerSecond = 2_000_000; bitsPerSecond < 9_000_000; bitsPerSecond += 500_000)
      expect(request.next({ ...GOOD, bitsPerSecond })).toBe(2_000_000);
  });

  test('falls when packets come unevenly, and rises again', () => {
    const request = new BitrateRequest(LIMITS);
    const even = after(request, 5, { ...GOOD, bitsPerSecond: 1_000_000 });
    const uneven = request.next({ bitsPerSecond: 1_000_000, lossFraction: 0, jitterMs: 80 });
    expect(uneven).toBeLessThan(1_000_000);
    expect(even).toBeGreaterThan(1_400_000);
    expect(after(request, 5, { ...GOOD, bitsPerSecond: 1_000_000 })).toBe(even);
  });

  test('stays as it is while a little is lost', () => {
    const request = new BitrateRequest(LIMITS);
    const before = after(request, 5, { ...GOOD, bitsPerSecond: 500_000 });
    expect(after(request, 5, { bitsPerSecond: 500_000, lossFraction: 0.05, jitterMs: 5 })).toBe(before);
  });
});

describe('a sender that estimates for itself', () => {
  test('is told its limit once it comes near to it, and from then on', () => {
    const request = new BitrateRequest(LIMITS);
    expect(request.limit(1_700_000, false)).toBeUndefined();
    expect(request.limit(1_900_000, false)).toBe(2_000_000);
    expect(request.limit(10_000, false)).toBe(2_000_000);
  });

  test('is told it from the beginning where the client asked for it, or it is to be told in any case', () => {
    expect(new BitrateRequest(LIMITS, true).limit(0, false)).toBe(2_000_000);
    expect(new BitrateRequest(LIMITS).limit(0, true)).toBe(2_000_000);
  });
});

test.each([
  [{}, 100_000, 2_000_000],
  [{ maxBitrateBps: 0, minBitrateBps: 0 }, 100_000, 2_000_000],
  [{ maxBitrateBps: 5_000_000 }, 100_000, 5_000_000],
  [{ maxBitrateBps: 500_000, minBitrateBps: 50_000 }, 50_000, 500_000],
  [{ minBitrateBps: 300_000 }, 300_000, 2_000_000],
  [{ maxBitrateBps: 60_000 }, 60_000, 60_000],
  [{ minBitrateBps: 9_000_000 }, 2_000_000, 2_000_000],
])('a client that asks for %o has limits of %i and %i', (wishes, minBps, maxBps) => {
  expect(bitrateLimits(SETTINGS, wishes)).toEqual({ minBps, maxBps });
});
