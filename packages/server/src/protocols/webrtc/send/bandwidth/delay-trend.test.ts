import { describe, expect, test } from 'vitest';
import { DelayTrend } from './delay-trend.ts';

/** What the trend says after each packet of a stream of two a frame, of which each takes as long as told. */
function signals(delayMs: (sentMs: number) => number, seconds = 3): string[] {
  const trend = new DelayTrend();
  const said: string[] = [];
  for (let i = 0; i < seconds * 30; i++) {
    const sentMs = i * 33.3;
    for (let part = 0; part < 2; part++) {
      trend.add(sentMs + part, sentMs + part + delayMs(sentMs + part));
      said.push(trend.signal);
    }
  }
  return said;
}

describe('the trend of delays', () => {
  test('is too much soon after packets begin to take longer and longer', () => {
    const said = signals((sentMs) => 30 + Math.max(0, sentMs - 2000) * 0.3, 4);
    const first = said.indexOf('over');
    expect(first).toBeGreaterThan(120);
    // Half a second later, when 150 ms wait.
    expect(first).toBeLessThan(120 + 30);
  });

  test('is as it should be while they take as long as before, however long that is', () => {
    expect(signals(() => 30)).not.toContain('over');
    expect(signals(() => 900)).not.toContain('over');
    let seed = 5;
    const random = (): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed / 2 ** 32;
    };
    const noisy = signals(() => 30 + 4 * random(), 20);
    expect(noisy.filter((signal) => signal === 'over').length).toBeLessThan(noisy.length / 50);
  });

  test('is less than there is room for while a queue empties', () => {
    const said = signals((sentMs) => (sentMs < 2000 ? 500 : Math.max(30, 500 - (sentMs - 2000) * 0.4)), 4);
    expect(said.slice(120)).toContain('under');
    expect(said).not.toContain('over');
  });

  test('does not care about a clock that drifts', () => {
    expect(signals((sentMs) => 30 + sentMs * 0.0005, 20)).not.toContain('over');
  });

  test('begins anew when the clock is another one', () => {
    const trend = new DelayTrend();
    for (let i = 0; i < 60; i++) trend.add(i * 33, i * 33 + i * 10);
    expect(trend.signal).toBe('over');
    trend.reset();
    expect(trend.signal).toBe('normal');
  });
});
