import { expect, test } from 'vitest';
import { canonicalAddress, networkOf } from './own-addresses.ts';

test('an address has one notation, and what is none has none', () => {
  expect(['2001:db8::1', '2001:DB8:0:0:0:0:0:1'].map(canonicalAddress)).toEqual(Array(2).fill('2001:db8:0:0:0:0:0:1'));
  expect(['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201'].map(canonicalAddress)).toEqual(
    Array(3).fill('192.0.2.1'),
  );
  expect(['', 'localhost', '1.2.3', '::g'].map(canonicalAddress)).toEqual(Array(4).fill(undefined));
});

test('addresses of IPv6 of one customer are one network, those of IPv4 are each their own', () => {
  expect(new Set(['2001:db8::1', '2001:db8::ffff:2', '2001:db8:0:0:1::%eth0'].map(networkOf)).size).toBe(1);
  expect(networkOf('2001:db8:0:1::1')).not.toBe(networkOf('2001:db8::1'));
  expect(networkOf('192.0.2.1')).not.toBe(networkOf('192.0.2.2'));
  expect(networkOf('::ffff:192.0.2.1')).toBe(networkOf('192.0.2.1'));
});
