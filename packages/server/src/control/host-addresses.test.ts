import type { NetworkInterfaceInfo } from 'node:os';
import { expect, it } from 'vitest';
import { hostAddresses } from './host-addresses.ts';

function info(address: string, internal = false): NetworkInterfaceInfo {
  const base = { address, netmask: '', mac: '', internal, cidr: null };
  return address.includes(':') ? { ...base, family: 'IPv6', scopeid: 0 } : { ...base, family: 'IPv4' };
}

const INTERFACES = {
  lo: [info('127.0.0.1', true), info('::1', true)],
  eth0: [info('2001:db8::1'), info('fe80::1'), info('192.0.2.1'), info('169.254.0.7')],
};

it('tells the addresses that others can use, IPv4 first', () => {
  expect(hostAddresses('0.0.0.0', INTERFACES)).toEqual(['192.0.2.1', '2001:db8::1']);
});

it('tells the one address that the server listens on', () => {
  expect(hostAddresses('192.0.2.9', INTERFACES)).toEqual(['192.0.2.9']);
});

it('always tells an address', () => {
  expect(hostAddresses('::', { lo: INTERFACES.lo })).toEqual(['127.0.0.1']);
});
