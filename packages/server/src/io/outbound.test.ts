import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type LookupFunction } from 'node:net';
import { expect, test } from 'vitest';
import { type HostLookup, isPublicAddress, OutboundGuard, type OutboundGuardOptions, OutboundPolicy } from './index.ts';

/** A guard for which each name has these addresses. */
function guardOf(hosts: Readonly<Record<string, readonly string[]>>, options: Partial<OutboundGuardOptions> = {}) {
  const asked: string[] = [];
  const lookup: HostLookup = async (host) => {
    asked.push(host);
    const addresses = hosts[host];
    if (addresses === undefined) throw Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return { guard: new OutboundGuard(options, lookup), asked };
}

const DENY = { privateNetworks: 'deny' } as const;

test.each([
  ['8.8.8.8', true],
  ['2a00:1450:4001::1', true],
  ['127.0.0.1', false],
  ['10.1.2.3', false],
  ['172.31.0.1', false],
  ['192.168.1.1', false],
  ['169.254.169.254', false],
  ['0.0.0.0', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:7f00:1', false],
  ['::ffff:8.8.8.8', true],
  ['64:ff9b::7f00:1', false],
  ['64:ff9b::808:808', true],
  ['2002:7f00:1::', false],
  ['2001::1', false],
  ['fd00::1', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['localhost', false],
])('%s is on the internet: %s', (address, is) => {
  expect(isPublicAddress(address)).toBe(is);
});

test('allowed goes before denied, and that before private networks', () => {
  const policy = new OutboundPolicy({
    ...DENY,
    allowed: ['10.0.0.0/24', '192.0.2.7'],
    denied: ['10.0.0.0/8', '8.8.8.8'],
  });
  expect(policy.refusal('10.0.0.9')).toBeUndefined();
  expect(policy.refusal('192.0.2.7')).toBeUndefined();
  expect(policy.refusal('10.0.1.9')).toContain('outbound_denied');
  expect(policy.refusal('::ffff:8.8.8.8')).toContain('outbound_denied');
  expect(policy.refusal('192.168.0.1')).toContain('outbound_private_networks');
  expect(policy.refusal('9.9.9.9')).toBeUndefined();
});

test.each(['169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::169.254.169.254', 'fd00:ec2::254'])(
  'the secrets of a cloud at %s are denied although private networks are allowed',
  async (address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    await expect(new OutboundGuard().resolve(`rtsp://${host}/latest`)).rejects.toMatchObject({
      code: 'URL_DENIED',
      message: expect.stringContaining('outbound_denied'),
    });
  },
);

test.each([
  ['rtsp://127.0.0.1/a'],
  ['rtsp://2130706433/a'],
  ['rtsp://0x7f000001/a'],
  ['rtsp://0177.0.0.1/a'],
  ['rtsp://127.1/a'],
  ['rtsp://127.0.0.1./a'],
  ['rtsp://127.0.0.1../a'],
  ['rtsp://127%2e0.0.1/a'],
  ['rtsp://0/a'],
  ['rtsp://[::1]/a'],
  ['rtsp://[::ffff:127.0.0.1]/a'],
  ['rtsp://user:p%40ss@[0:0:0:0:0:ffff:7f00:0001]:8554/a'],
  ['ws://2130706433/a'],
  ['RTSP://127.0.0.1/a'],
])('%s is this machine, and denied where private networks are', async (url) => {
  const { guard, asked } = guardOf({}, DENY);
  await expect(guard.resolve(url)).rejects.toMatchObject({ code: 'URL_DENIED' });
  expect(asked).toEqual([]);
});

test.each([
  'rtsp://',
  'rtsp:///path',
  'rtsp://./a',
  'nothing',
  'rtsp://[fe80::1%25eth0]/a',
  'rtsp://host name/a',
  'rtsp://host\r\n/a',
  'rtsp://ho\tst/a',
  'rtsp://user:pa/ss@host/a',
  'rtsp://host:99999/a',
  'rtsp://a%2fb/a',
  `rtsp://${'a'.repeat(300)}/`,
  `rtsp://host/${'a'.repeat(5000)}`,
])('%j is refused as an address that can not be read', async (url) => {
  await expect(guardOf({}).guard.resolve(url)).rejects.toMatchObject({ code: 'URL_INVALID' });
});

test('schemes that the settings do not name are refused, in words without the password', async () => {
  const error = await guardOf({})
    .guard.resolve('gopher://user:hush@host/a')
    .catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'URL_DENIED', message: expect.stringContaining('outbound_schemes') });
  expect(String(error)).not.toContain('hush');
  await expect(guardOf({}).guard.resolve('file:///etc/passwd')).rejects.toMatchObject({ code: 'URL_DENIED' });
});

test('a host is resolved once; what is denied is left out, and IPv4 goes first', async () => {
  const { guard, asked } = guardOf({ 'camera.example': ['fd00::1', '2a00::1', '10.0.0.1', '9.9.9.9'] }, DENY);
  expect(await guard.resolve('rtsp://user:hush@camera.example.:8554/a')).toEqual({
    host: 'camera.example',
    address: '9.9.9.9',
    family: 4,
    port: 8554,
  });
  expect(asked).toEqual(['camera.example']);
  expect(await guard.resolve('rtsp://[2a00::2]/a')).toEqual({
    host: '2a00::2',
    address: '2a00::2',
    family: 6,
    port: undefined,
  });
});

test('a host all of whose addresses are denied is refused in words that name it and the setting', async () => {
  const { guard } = guardOf({ 'inside.example': ['::ffff:10.0.0.1', '192.168.0.1'] }, DENY);
  await expect(guard.resolve('rtmp://inside.example/live')).rejects.toMatchObject({
    code: 'URL_DENIED',
    message: expect.stringMatching(/inside\.example.*outbound_private_networks/),
  });
});

test('a name that nobody knows, or that nobody answers for in time, is an unknown host', async () => {
  await expect(guardOf({}).guard.resolve('rtsp://nowhere.example/a')).rejects.toMatchObject({
    code: 'HOST_UNKNOWN',
    message: 'the host nowhere.example is not known (ENOTFOUND)',
  });
  await expect(guardOf({ 'empty.example': [] }).guard.resolve('rtsp://empty.example/a')).rejects.toMatchObject({
    code: 'HOST_UNKNOWN',
  });
  const silent = new OutboundGuard({ lookupTimeoutMs: 20 }, () => new Promise(() => {}));
  await expect(silent.resolve('rtsp://slow.example/a')).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
});

test('sockets that look up by the guard reach what is allowed only', async () => {
  const server: Server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const hosts = { 'here.example': ['127.0.0.1'] };
  const open = (lookup: LookupFunction) => {
    const socket = connect({ host: 'here.example', port, lookup });
    return once(socket, 'connect').finally(() => socket.destroy());
  };
  await open(guardOf(hosts).guard.lookup);
  await expect(open(guardOf(hosts).guard.withoutPrivateNetworks.lookup)).rejects.toMatchObject({ code: 'URL_DENIED' });
  await expect(open(guardOf({}).guard.lookup)).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
  server.close();
});

test('hosts that are addresses are judged without a look-up, names are not', () => {
  const { guard, asked } = guardOf({}, DENY);
  for (const host of ['127.0.0.1', '[::1]', '::1', '0x7f.1', '127.0.0.1.'])
    expect(guard.hostRefusal(host)).toMatchObject({ code: 'URL_DENIED' });
  expect(guard.hostRefusal('8.8.8.8')).toBeUndefined();
  expect(guard.hostRefusal('localhost')).toBeUndefined();
  expect(guard.hostRefusal('a b')).toMatchObject({ code: 'URL_INVALID' });
  expect(asked).toEqual([]);
});
