import { describe, expect, test } from 'vitest';
import { type Attempt, AttemptLimiter, type AttemptLimits, isLoopback } from './attempt-limiter.ts';

const LIMITS: AttemptLimits = { free: 3, firstWaitMs: 1000, longestWaitMs: 8000, forgetMs: 60_000 };

class Clock {
  ms = 0;
  readonly limiter = new AttemptLimiter(LIMITS, { now: () => this.ms });

  /** Fails once and gives the wait before the next attempt, 0 for none. */
  fail(address: string): number {
    begun(this.limiter.begin(address)).failed();
    return this.wait(address);
  }

  wait(address: string): number {
    const next = this.limiter.begin(address);
    if (typeof next === 'number') return next;
    next.abandoned();
    return 0;
  }
}

function begun(attempt: Attempt | number): Attempt {
  if (typeof attempt === 'number') throw new Error(`must wait ${attempt} ms`);
  return attempt;
}

describe('the limiter of attempts', () => {
  test('lets an address fail a few times and then makes it wait, longer each time up to a bound', () => {
    const clock = new Clock();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const wait = clock.fail('192.0.2.1');
      waits.push(wait);
      clock.ms += wait;
    }
    expect(waits).toEqual([0, 0, 1000, 2000, 4000, 8000, 8000, 8000]);
    expect(clock.wait('192.0.2.2')).toBe(0);
  });

  test('forgives an address that succeeds', () => {
    const clock = new Clock();
    for (let i = 0; i < 3; i++) clock.fail('192.0.2.1');
    clock.ms += 1000;
    begun(clock.limiter.begin('192.0.2.1')).succeeded();
    expect(clock.limiter.size).toBe(0);
    expect(clock.fail('192.0.2.1')).toBe(0);
  });

  test('forgets after a while', () => {
    const clock = new Clock();
    for (let i = 0; i < 3; i++) clock.fail('192.0.2.1');
    clock.ms += 60_001;
    expect(clock.fail('192.0.2.1')).toBe(0);
  });

  test('lets no more attempts through at once than may fail', () => {
    const clock = new Clock();
    const attempts = Array.from({ length: 10 }, () => clock.limiter.begin('192.0.2.1'));
    const open = attempts.filter((attempt) => typeof attempt !== 'number');
    expect(open).toHaveLength(3);
    for (const attempt of open) attempt.failed();
    expect(clock.wait('192.0.2.1')).toBe(1000);
  });

  test('counts IPv6 by /64 and IPv4 mapped to IPv6 as IPv4', () => {
    const clock = new Clock();
    for (const address of ['2001:db8:0:1::1', '2001:db8:0:1:a:b:c:d', '2001:0DB8::1:0:0:0:9']) clock.fail(address);
    expect(clock.wait('2001:db8:0:1::77')).toBe(1000);
    expect(clock.wait('2001:db8:0:2::1')).toBe(0);
    for (const address of ['192.0.2.9', '::ffff:192.0.2.9', '::FFFF:192.0.2.9']) clock.fail(address);
    expect(clock.wait('192.0.2.9')).toBe(1000);
  });

  test('is gentler to this machine itself', () => {
    const clock = new Clock();
    for (let i = 0; i < 19; i++) expect(clock.fail('127.0.0.1')).toBe(0);
    for (let i = 0; i < 20; i++) {
      const wait = clock.fail('127.0.0.1');
      expect(wait).toBeLessThanOrEqual(2000);
      clock.ms += wait;
    }
  });

  test('remembers a bounded number of addresses', () => {
    const { limiter } = new Clock();
    for (let i = 0; i < 25_000; i++) begun(limiter.begin(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)).failed();
    expect(limiter.size).toBe(20_000);
  });

  test.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['128.0.0.1', false],
    ['', false],
    ['127.0.0.1.evil.test', false],
  ])('%s is of this machine: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected);
  });
});
