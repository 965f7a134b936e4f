import { describe, expect, test } from 'vitest';
import { AddressList } from './address-list.ts';

describe('a list of addresses', () => {
  const list = new AddressList(['192.0.2.7', '10.0.0.0/8', '2001:db8::/32', '::1']);

  test.each(['192.0.2.7', '10.255.1.2', '2001:db8:1::5', '::1', '::ffff:10.0.0.1'])('has %s', (address) => {
    expect(list.has(address)).toBe(true);
  });

  test.each(['192.0.2.8', '11.0.0.1', '2001:db9::1', '', 'localhost', '10.0.0.1:80', '::ffff:11.0.0.1'])(
    'has not %j',
    (address) => {
      expect(list.has(address)).toBe(false);
    },
  );

  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0/8',
    '::/129',
    'example.com',
    '',
    '1.2.3.4/8/8',
    '::1%lo',
  ])('refuses the entry %j', (entry) => {
    expect(() => new AddressList([entry])).toThrow(RangeError);
  });

  test('takes the whole Internet', () => {
    expect(new AddressList(['0.0.0.0/0']).has('203.0.113.9')).toBe(true);
    expect(new AddressList(['::/0']).has('2001:db8::1')).toBe(true);
  });
});
