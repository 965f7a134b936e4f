import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { type CandidateOptions, candidateAddresses, candidateLines } from './candidates.ts';
import { datagramKind, isRtcp } from './demux.ts';

const OPTIONS: CandidateOptions = {
  port: 31_001,
  families: ['IPv4', 'IPv6'],
  advertisedAddresses: [],
  offerLoopback: false,
};

function info(address: string, internal = false): NetworkInterfaceInfo {
  const shared = { address, netmask: '', mac: '', internal, cidr: null };
  return address.includes(':') ? { ...shared, family: 'IPv6', scopeid: 0 } : { ...shared, family: 'IPv4' };
}

const INTERFACES = {
  lo: [info('127.0.0.1', true), info('::1', true)],
  eth0: [info('2001:db8::5'), info('fe80::1'), info('192.0.2.5'), info('169.254.1.1')],
  eth1: [info('198.51.100.7'), info('192.0.2.5')],
};

describe('candidates', () => {
  it('are the addresses of the interfaces: IPv4 first, no loopback, none that is only good on one link', () => {
    expect(candidateAddresses(OPTIONS, INTERFACES)).toEqual(['192.0.2.5', '198.51.100.7', '2001:db8::5']);
  });

  it('are the loopback addresses when there is nothing else, or when that is asked for', () => {
    expect(candidateAddresses(OPTIONS, { lo: INTERFACES.lo })).toEqual(['127.0.0.1', '::1']);
    expect(candidateAddresses({ ...OPTIONS, offerLoopback: true }, INTERFACES)).toEqual([
      '192.0.2.5',
      '198.51.100.7',
      '127.0.0.1',
      '2001:db8::5',
      '::1',
    ]);
  });

  it('are those that are advertised and no others', () => {
    const advertisedAddresses = ['2001:db8::99', '203.0.113.9', 'not an address'];
    const options = { ...OPTIONS, advertisedAddresses, reachedAt: '192.0.2.5' };
    expect(candidateAddresses(options, INTERFACES)).toEqual(['203.0.113.9', '2001:db8::99']);
    expect(candidateAddresses({ ...options, families: ['IPv4'] }, INTERFACES)).toEqual(['203.0.113.9']);
  });

  it('begin with the address that the client has reached', () => {
    expect(candidateAddresses({ ...OPTIONS, reachedAt: '::ffff:198.51.100.7' }, INTERFACES)[0]).toBe('198.51.100.7');
    expect(candidateAddresses({ ...OPTIONS, reachedAt: '127.0.0.1' }, INTERFACES)[0]).toBe('127.0.0.1');
    for (const reachedAt of ['', 'host', 'fe80::2%eth0']) {
      expect(candidateAddresses({ ...OPTIONS, reachedAt }, INTERFACES)).toHaveLength(3);
    }
  });

  it('are the only address that is listened on, and no more than sixteen', () => {
    expect(candidateAddresses({ ...OPTIONS, bindAddress: '192.0.2.5', families: ['IPv4'] }, INTERFACES)).toEqual([
      '192.0.2.5',
    ]);
    expect(candidateAddresses({ ...OPTIONS, bindAddress: '0.0.0.0', families: ['IPv4'] }, INTERFACES)).toEqual(
      candidateAddresses({ ...OPTIONS, families: ['IPv4'] }, INTERFACES),
    );
    const many = { eth0: Array.from({ length: 100 }, (_, i) => info(`192.0.2.${i}`)) };
    expect(candidateAddresses(OPTIONS, many)).toHaveLength(16);
  });

  it('are written with falling priorities and foundations of their own', () => {
    expect(candidateLines(['192.0.2.5', '2001:db8::5'], 31_001)).toEqual([
      '1 1 udp 2130706431 192.0.2.5 31001 typ host',
      '2 1 udp 2130706175 2001:db8::5 31001 typ host',
    ]);
  });
});

describe('protocols on one port', () => {
  it('are told apart by the first byte as RFC 7983 §7 has it', () => {
    const kinds = Array.from({ length: 256 }, (_, first) => datagramKind(Uint8Array.of(first, 0)));
    const from = (kind: string): number[] => kinds.flatMap((each, first) => (each === kind ? [first] : []));
    expect(from('stun')).toEqual([0, 1, 2, 3]);
    expect([from('dtls')[0], from('dtls').at(-1), from('dtls').length]).toEqual([20, 63, 44]);
    expect([from('srtp')[0], from('srtp').at(-1), from('srtp').length]).toEqual([128, 191, 64]);
    expect(datagramKind(new Uint8Array())).toBe('unknown');
  });

  it('are RTCP by the second byte as RFC 5761 §4 has it', () => {
    const types = Array.from({ length: 256 }, (_, second) => second).filter((b) => isRtcp(Uint8Array.of(0x80, b)));
    expect([types[0], types.at(-1), types.length]).toEqual([192, 223, 32]);
    expect(isRtcp(Uint8Array.of(0x80))).toBe(false);
  });
});
