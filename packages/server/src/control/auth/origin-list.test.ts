import { describe, expect, test } from 'vitest';
import { fitsMask } from './mask.ts';
import { OriginList } from './origin-list.ts';

describe('allow_domains', () => {
  test.each([
    { masks: [], origin: 'https://anywhere.test', allowed: true },
    { masks: [], origin: 'null', allowed: true },
    { masks: ['example.com'], origin: 'https://example.com', allowed: true },
    { masks: ['example.com'], origin: 'http://EXAMPLE.com:8888', allowed: true },
    { masks: ['example.com'], origin: 'https://example.com.', allowed: true },
    { masks: ['example.com'], origin: 'https://notexample.com', allowed: false },
    { masks: ['example.com'], origin: 'https://example.com.evil.test', allowed: false },
    { masks: ['example.com'], origin: 'https://sub.example.com', allowed: false },
    { masks: ['*.example.com'], origin: 'https://a.b.example.com', allowed: true },
    { masks: ['*.example.com'], origin: 'https://example.com', allowed: false },
    { masks: ['*.example.com'], origin: 'https://evilexample.com', allowed: false },
    { masks: ['*.example.com'], origin: 'https://example.com@evil.test', allowed: false },
    { masks: ['*.example.com'], origin: 'https://evil.test/.example.com', allowed: false },
    { masks: ['example.com:8443'], origin: 'https://example.com:8443', allowed: true },
    { masks: ['example.com:8443'], origin: 'https://example.com', allowed: false },
    { masks: ['!*.evil.com', '*'], origin: 'https://www.evil.com', allowed: false },
    { masks: ['!*.evil.com', '*'], origin: 'https://good.com', allowed: true },
    { masks: ['*', '!*.evil.com'], origin: 'https://www.evil.com', allowed: true },
    { masks: ['!*.evil.com'], origin: 'https://good.com', allowed: false },
    { masks: ['*'], origin: 'null', allowed: false },
    { masks: ['null'], origin: 'null', allowed: true },
    { masks: ['*'], origin: 'not an origin', allowed: false },
    { masks: ['*'], origin: '', allowed: false },
    { masks: ['[::1]'], origin: 'http://[::1]:8081', allowed: true },
  ])('$masks: a page of $origin may come in: $allowed', ({ masks, origin, allowed }) => {
    expect(new OriginList(masks).allows(origin)).toBe(allowed);
  });

  test('lets in who sends no Origin, as programs do', () => {
    expect(new OriginList(['example.com']).allows(undefined)).toBe(true);
  });
});

describe('a mask', () => {
  test.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abbd', false],
    ['a*b*c', 'aXbXbc', true],
    ['room-*', 'room-', true],
    ['room.1', 'roomX1', false],
    ['**', 'x', true],
  ])('%j fits %j: %s', (mask, text, fits) => {
    expect(fitsMask(mask, text)).toBe(fits);
  });

  test('with many stars is decided in no time', () => {
    const before = process.cpuUsage();
    expect(fitsMask(`${'a*'.repeat(500)}b`, 'a'.repeat(5000))).toBe(false);
    expect(process.cpuUsage(before).user).toBeLessThan(500_000);
  });
});
