import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { ADDRESS_BYTES, formatAddress, writeAddress } from './addresses.ts';
import { Client, cleanUpAfterEach, IMPLEMENTATIONS, openPort, until } from './testing/rig.ts';

cleanUpAfterEach();

function written(address: string): Buffer {
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  writeAddress(bytes, 0, address, 5000);
  return bytes;
}

const LINK = `slt${process.pid % 1_000_000}`;
let madeLink = false;

afterAll(() => {
  if (madeLink) ip('link', 'del', `${LINK}a`);
});

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** A link-local address of this machine, with its interface; where there is none, one is made, which takes root. */
function linkLocal(): string {
  for (const [name, addresses] of Object.entries(networkInterfaces()))
    for (const { address, family } of addresses ?? [])
      if (family === 'IPv6' && address.startsWith('fe80:')) return `${address}%${name}`;
  const [near, far] = [`${LINK}a`, `${LINK}b`];
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
  madeLink = true;
  for (const end of [near, far]) ip('link', 'set', end, 'up');
  ip('addr', 'add', 'fe80::5:1/64', 'dev', near, 'nodad');
  return `fe80::5:1%${near}`;
}

describe('addresses', () => {
  it.each(['::1', '2001:db8::1', '1:2:3:4:5:6:7:8', 'fe80::fc:ff:fe00:1', 'fe80::1%7', 'fe80::1%70000'])(
    'keep %s as it is',
    (address) => {
      expect(formatAddress(written(address), 0)).toBe(address);
    },
  );

  it('keep the interface of link-local ones alone, by its number', () => {
    expect(formatAddress(written('2001:db8::1%2'), 0)).toBe('2001:db8::1');
    expect(formatAddress(written('fe80::1%none'), 0)).toBe('fe80::1');
    expect(written('fe80::1%2')).not.toEqual(written('fe80::1%3'));
  });

  it.each(IMPLEMENTATIONS)('of peers on a link are sent to on that link, by %s', async (implementation) => {
    const address = linkLocal();
    const { egress, came } = await openPort(implementation, { address: '::' });
    const client = await Client.open('AEAD_AES_128_GCM', address);
    client.socket.send(Buffer.of(1, 2), egress.port, address);
    await until(() => came.length === 1);
    const [heard = '', port] = (came[0]?.from ?? '').split(' ');
    egress.sendRaw(heard, Number(port), Buffer.of(3, 4));
    await until(() => client.other.length === 1);
    const peer = egress.addPeer(client.keys);
    egress.setAddress(peer, heard, Number(port));
    client.socket.send(Buffer.of(5, 6), egress.port, address);
    await until(() => came.length === 2);
    expect([came[1]?.peer, came[1]?.from]).toEqual([peer, came[0]?.from]);
  });
});
