import { describe, expect, test } from 'vitest';
import type { Log } from '../core/index.ts';
import { type AddressSituation, checkAddress, judgeAddress, parseStunServer } from './address-check.ts';

const PLAIN: AddressSituation = {
  ip: '',
  advertised: [],
  bindAddress: undefined,
  port: 31_001,
  tcp: true,
  stunServer: '',
  own: ['198.51.100.9'],
  inContainer: false,
  outside: undefined,
};
const STUN = 'stun.example.com:3478';

function told(situation: Partial<AddressSituation>): string[] {
  return judgeAddress({ ...PLAIN, ...situation }).map(({ severity, code, text }) => `${severity} ${code}: ${text}`);
}

function advertised(ip: string, situation: Partial<AddressSituation> = {}): string[] {
  return told({ ip, advertised: [ip], ...situation });
}

describe('the address that clients are told for media', () => {
  test('is nothing to talk about when the machine has a public one, or the one that is set is its own', () => {
    expect(told({})).toEqual([]);
    expect(told({ own: ['10.0.0.5', '198.51.100.9'] })).toEqual([]);
    expect(told({ own: ['10.0.0.5', '2a01:db8::9'] })).toEqual([]);
    expect(told({ bindAddress: '::' })).toEqual([]);
    expect(told({ bindAddress: '0.0.0.0', own: ['198.51.100.9', 'fd00::1'] })).toEqual([]);
    expect(told({ bindAddress: '0.0.0.0', own: ['10.0.0.5', '2a01:db8::9'] })[0]).toMatch(/told 10\.0\.0\.5, which/);
    expect(advertised('198.51.100.9')).toEqual([]);
    expect(advertised('192.168.1.5', { own: ['192.168.1.5'] })).toEqual([]);
  });

  test('in a container: says what to set, and how to publish the port', () => {
    const [line = ''] = told({ own: ['172.17.0.2'], inContainer: true });
    expect(line).toMatch(/^warn CONTAINER: .*172\.17\.0\.2.*inside of this container/);
    expect(line).toContain('Set ip=<public address of the host>');
    expect(line).toContain('-p 31001:31001/udp -p 31001:31001/tcp');
    expect(told({ own: ['172.17.0.2'], inContainer: true, tcp: false })[0]).not.toContain('/tcp');
    expect(told({ own: ['198.51.100.9', '172.17.0.1'], inContainer: true })).toEqual([]);
  });

  test('on a machine with private addresses alone: says that clients elsewhere need another', () => {
    for (const own of [['192.168.1.5'], ['10.1.2.3', 'fd00::1'], ['100.64.3.4'], ['172.31.0.1']]) {
      const [line = ''] = told({ own });
      expect(line).toMatch(/^warn PRIVATE: .*set ip=<public address> and let UDP and TCP port 31001 in/);
      expect(line).toContain(own[0]);
    }
    expect(told({ own: ['172.32.0.1'] })).toEqual([]);
    expect(told({ bindAddress: '10.0.0.5', own: ['10.0.0.5', '198.51.100.9'] })[0]).toContain('PRIVATE: ');
  });

  test('of the machine itself alone is of no use to others', () => {
    expect(advertised('127.0.0.1')[0]).toMatch(/^warn LOOPBACK: ip=127\.0\.0\.1 .*Set ip=/);
    expect(advertised('0.0.0.0')[0]).toMatch(/^warn LOOPBACK/);
    expect(advertised('::1')[0]).toMatch(/^warn LOOPBACK/);
    expect(told({ own: [] })[0]).toMatch(/^warn LOOPBACK: this machine has no address/);
    expect(told({ bindAddress: '127.0.0.1' })[0]).toMatch(/^warn LOOPBACK/);
  });

  test('that is private on a machine with a public one is most likely a mistake', () => {
    const [line] = advertised('10.0.0.5', { own: ['10.0.0.5', '198.51.100.9'] });
    expect(line).toMatch(/^warn PRIVATE_BESIDE_PUBLIC: ip=10\.0\.0\.5 is private.*set ip=198\.51\.100\.9/);
    expect(advertised('10.0.0.5', { own: ['10.0.0.5', '2a01:db8::9'] })).toEqual([]);
  });

  test('that is not the machine’s own is fine behind NAT, which must pass the port on', () => {
    const [line] = advertised('198.51.100.77', { own: ['10.0.0.5'] });
    expect(line).toMatch(/^info NOT_OWN: ip=198\.51\.100\.77 is not an address of this machine \(10\.0\.0\.5\)/);
    expect(line).toContain('UDP and TCP port 31001');
    const named = told({ ip: 'media.example.com', advertised: ['198.51.100.77'], own: ['10.0.0.5'] });
    expect(named[0]).toContain('ip=media.example.com (198.51.100.77)');
  });
});

describe('the address from outside', () => {
  const outside = { address: '203.0.113.44', port: 31_001 };
  const asked = { stunServer: STUN, outside };

  test('that is what clients are told confirms it, also behind NAT', () => {
    const [line, ...more] = advertised('203.0.113.44', { ...asked, own: ['10.0.0.5'] });
    expect([line, more]).toEqual([expect.stringMatching(/^info CONFIRMED: .*203\.0\.113\.44/), []]);
    const moved = { ...asked, outside: { ...outside, port: 40_000 } };
    expect(advertised('203.0.113.44', moved)[0]).toContain('(what is sent from port 31001 leaves as 40000)');
  });

  test('that is another one is told with the one that clients are told', () => {
    const [line, ...more] = advertised('198.51.100.77', { ...asked, own: ['10.0.0.5'] });
    expect(more).toEqual([]);
    expect(line).toMatch(/^warn OTHER_OUTSIDE: .*at 203\.0\.113\.44.*told 198\.51\.100\.77.*set ip=203\.0\.113\.44/);
    expect(told(asked)[0]).toMatch(/^warn OTHER_OUTSIDE: .*told 198\.51\.100\.9 \(ip is empty\)/);
  });

  test('is what to set, in the line about a private address or a container', () => {
    for (const inContainer of [true, false]) {
      const lines = told({ ...asked, own: ['172.17.0.2'], inContainer });
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/[Ss]et ip=203\.0\.113\.44/);
    }
  });

  test('that nobody tells is said, for UDP may not get out', () => {
    expect(told({ stunServer: STUN })[0]).toMatch(/^warn STUN_SILENT: .*stun\.example\.com:3478 .*3 s/);
  });
});

test.each([
  ['stun.example.com', 'stun.example.com', 3478],
  ['stun:stun.example.com:19302', 'stun.example.com', 19_302],
  ['192.0.2.1:3479', '192.0.2.1', 3479],
  ['[2001:db8::1]:3479', '2001:db8::1', 3479],
])('the STUN server %s is read', (text, address, port) => {
  expect(parseStunServer(text)).toEqual({ address, port });
});

test.each(['', 'a b', 'host:0', 'host:70000', '[zz]:1', 'http://host', 'host:port'])('%j is no STUN server', (text) => {
  expect(parseStunServer(text)).toBeUndefined();
});

describe('the check at the start', () => {
  const lines: string[] = [];
  const note = (level: string) => (_: object, message: string) => lines.push(`${level} ${message}`);
  const levels = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const log: Log = { ...levels, child: () => log };
  const options = { ...PLAIN };

  test('tells the log, and asks nobody unless a STUN server is set', async () => {
    lines.length = 0;
    const asked: unknown[] = [];
    const deps = {
      log,
      interfaces: () => ['127.0.0.1', '::1', 'fe80::1', '172.17.0.2'],
      isContainer: () => Promise.resolve(true),
      askOutside: (server: unknown) => {
        asked.push(server);
        return Promise.resolve({ address: '203.0.113.44', port: 1 });
      },
    };
    const findings = await checkAddress(options, deps);
    expect([findings.map(({ code }) => code), asked]).toEqual([['CONTAINER'], []]);
    expect(lines).toEqual([expect.stringMatching(/^warn WebRTC clients are told 172\.17\.0\.2,/)]);
    const known = await checkAddress({ ...options, stunServer: '192.0.2.1' }, deps);
    expect([known[0]?.text.includes('ip=203.0.113.44'), asked]).toEqual([true, [{ address: '192.0.2.1', port: 3478 }]]);
  });

  test('never fails: neither for a setting that can’t be read, nor for the system', async () => {
    const deps = { log, interfaces: () => ['198.51.100.9'], askOutside: () => Promise.reject(new Error('no')) };
    expect(await checkAddress({ ...options, stunServer: '::::' }, deps)).toMatchObject([{ code: 'STUN_UNREADABLE' }]);
    expect(await checkAddress({ ...options, stunServer: '192.0.2.1' }, deps)).toEqual([]);
    const silent = { ...deps, askOutside: () => Promise.resolve(undefined) };
    expect(await checkAddress({ ...options, stunServer: 'no-such-host.invalid' }, silent)).toMatchObject([
      { code: 'STUN_SILENT' },
    ]);
  });
});
