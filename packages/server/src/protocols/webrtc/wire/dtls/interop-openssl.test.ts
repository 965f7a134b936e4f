import { expect, test, vi } from 'vitest';
import type { DtlsAssociation } from './association.ts';
import { ecdsaIdentity, foreignIdentity, type Identity } from './testing/identities.ts';
import { exported, freeUdpPort, IdentityFiles, Program, UdpEnd } from './testing/programs.ts';
import type { SrtpProfile } from './types.ts';

vi.setConfig({ testTimeout: 60_000 });
const WAIT = { timeout: 15_000, interval: 20 };
const own = await ecdsaIdentity();
const peers = { ecdsa: await ecdsaIdentity(), rsa: await foreignIdentity('rsa') };

/** OpenSSL's names of the profiles, and how many bytes they take from the exporter. */
const SRTP = {
  AEAD_AES_128_GCM: { name: 'SRTP_AEAD_AES_128_GCM', bytes: 56 },
  AES_CM_128_HMAC_SHA1_80: { name: 'SRTP_AES128_CM_SHA1_80', bytes: 60 },
} as const;

function openssl(command: 's_client' | 's_server', files: IdentityFiles, o: { profile: SrtpProfile; args: string[] }) {
  const { name, bytes } = SRTP[o.profile];
  const identity = ['-cert', files.cert, '-key', files.key];
  const srtp = ['-use_srtp', name, '-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', String(bytes)];
  return new Program('openssl', [command, '-dtls1_2', ...identity, ...srtp, ...o.args]);
}

async function expectConnected(association: DtlsAssociation, program: Program): Promise<void> {
  await vi.waitFor(() => expect(association.connected, program.output).toBe(true), WAIT);
}

async function expectSameKeys(ours: UdpEnd, role: 'client' | 'server', program: Program): Promise<void> {
  const keys = ours.end.keys[0];
  if (keys === undefined) throw new Error('not connected');
  const hex = exported(keys, role).toUpperCase();
  await vi.waitFor(() => expect(program.output).toContain(`Keying material: ${hex}`), WAIT);
}

const CLIENTS: [keyof typeof peers, number, SrtpProfile][] = [
  ['ecdsa', 1400, 'AEAD_AES_128_GCM'],
  ['ecdsa', 300, 'AES_CM_128_HMAC_SHA1_80'],
  ['rsa', 1400, 'AES_CM_128_HMAC_SHA1_80'],
  ['rsa', 300, 'AEAD_AES_128_GCM'],
];

test.each(CLIENTS)(
  'openssl s_client with an %s certificate connects at an MTU of %i with %s',
  async (kind, mtu, profile) => {
    const identity: Identity = peers[kind];
    using files = new IdentityFiles(identity);
    using ours = await UdpEnd.open('server', own, { remoteFingerprints: identity.fingerprints, mtu });
    ours.start();
    const args = ['-connect', `127.0.0.1:${ours.port}`, '-mtu', String(mtu)];
    using program = openssl('s_client', files, { profile, args });
    await expectConnected(ours.association, program);
    await expectSameKeys(ours, 'server', program);
    expect(Math.max(...ours.end.sent.map((datagram) => datagram.length))).toBeLessThanOrEqual(mtu);
    // The end of its input makes it say close_notify.
    program.finish();
    await vi.waitFor(
      () => expect(ours.end.closed).toEqual([{ reason: 'close_notify', detail: 'the peer closed' }]),
      WAIT,
    );
  },
);

const SERVERS: [number, string[], SrtpProfile][] = [
  [1400, [], 'AEAD_AES_128_GCM'],
  [1400, ['-listen'], 'AES_CM_128_HMAC_SHA1_80'],
  [300, [], 'AES_CM_128_HMAC_SHA1_80'],
  [300, ['-listen'], 'AEAD_AES_128_GCM'],
];

test.each(SERVERS)('openssl s_server is reached at an MTU of %i %j with %s', async (mtu, more, profile) => {
  using files = new IdentityFiles(peers.ecdsa);
  const port = await freeUdpPort();
  const args = ['-accept', `127.0.0.1:${port}`, '-Verify', '1', '-mtu', String(mtu), ...more];
  using program = openssl('s_server', files, { profile, args });
  await vi.waitFor(() => expect(program.output).toContain('ACCEPT'), WAIT);
  const remoteFingerprints = peers.ecdsa.fingerprints;
  using ours = await UdpEnd.open('client', own, { remoteFingerprints, mtu, remotePort: port });
  ours.start();
  await expectConnected(ours.association, program);
  await expectSameKeys(ours, 'client', program);
  expect(Math.max(...ours.end.sent.map((datagram) => datagram.length))).toBeLessThanOrEqual(mtu);
  ours.close();
  await vi.waitFor(() => expect(program.output).toMatch(/CONNECTION CLOSED|DONE|shutting down/i), WAIT);
});
