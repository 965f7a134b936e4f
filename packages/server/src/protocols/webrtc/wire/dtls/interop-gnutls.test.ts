import { expect, test, vi } from 'vitest';
import type { DtlsAssociation } from './association.ts';
import { ecdsaIdentity, foreignIdentity, type Identity } from './testing/identities.ts';
import { exported, freeUdpPort, IdentityFiles, Program, UdpEnd } from './testing/programs.ts';

vi.setConfig({ testTimeout: 60_000 });
const WAIT = { timeout: 15_000, interval: 20 };
const own = await ecdsaIdentity();
const peers = { ecdsa: await ecdsaIdentity(), rsa: await foreignIdentity('rsa') };
/** GnuTLS of today knows only profiles with SHA-1. */
const profile = 'AES_CM_128_HMAC_SHA1_80';

function gnutls(command: 'gnutls-cli' | 'gnutls-serv', files: IdentityFiles, args: string[]) {
  const identity = ['--x509certfile', files.cert, '--x509keyfile', files.key];
  const srtp = ['--srtp-profiles', 'SRTP_AES128_CM_HMAC_SHA1_80'];
  const exporter = ['--keymatexport', 'EXTRACTOR-dtls_srtp', '--keymatexportsize', '60'];
  const priority = ['--priority', 'NORMAL:-VERS-ALL:+VERS-DTLS1.2'];
  // The server keeps back what it prints as long as nobody reads it on a terminal.
  return new Program('stdbuf', ['-oL', command, '--udp', ...identity, ...srtp, ...exporter, ...priority, ...args]);
}

async function expectConnected(association: DtlsAssociation, program: Program): Promise<void> {
  await vi.waitFor(() => expect(association.connected, program.output).toBe(true), WAIT);
}

const CLIENTS: [keyof typeof peers, number][] = [
  ['ecdsa', 1400],
  ['ecdsa', 300],
  ['rsa', 1400],
  ['rsa', 300],
];

test.each(CLIENTS)('gnutls-cli with an %s certificate connects at an MTU of %i', async (kind, mtu) => {
  const identity: Identity = peers[kind];
  using files = new IdentityFiles(identity);
  using ours = await UdpEnd.open('server', own, { remoteFingerprints: identity.fingerprints, mtu });
  ours.start();
  const args = ['--insecure', '--mtu', String(mtu), '--port', String(ours.port), '127.0.0.1'];
  using program = gnutls('gnutls-cli', files, args);
  await expectConnected(ours.association, program);
  const keys = ours.end.keys[0];
  if (keys === undefined) throw new Error('not connected');
  expect(keys.profile).toBe(profile);
  await vi.waitFor(() => expect(program.output).toContain(`Key material: ${exported(keys, 'server')}`), WAIT);
  program.finish();
  await vi.waitFor(
    () => expect(ours.end.closed).toEqual([{ reason: 'close_notify', detail: 'the peer closed' }]),
    WAIT,
  );
});

const SERVERS: [number, string[]][] = [
  [1400, []],
  [1400, ['--nocookie']],
  [300, []],
  [300, ['--nocookie']],
];

test.each(SERVERS)('gnutls-serv is reached at an MTU of %i %j', async (mtu, more) => {
  using files = new IdentityFiles(peers.ecdsa);
  const port = await freeUdpPort();
  using program = gnutls('gnutls-serv', files, [
    '--require-client-cert',
    '--mtu',
    String(mtu),
    '--port',
    String(port),
    ...more,
  ]);
  await vi.waitFor(() => expect(program.output).toContain('done'), WAIT);
  const remoteFingerprints = peers.ecdsa.fingerprints;
  using ours = await UdpEnd.open('client', own, { remoteFingerprints, mtu, remotePort: port });
  ours.start();
  await expectConnected(ours.association, program);
  expect(ours.end.keys[0]?.profile).toBe(profile);
  // Over UDP the server does not print what it exports. It has accepted our Finished, or we would not be connected.
  await vi.waitFor(() => expect(program.output).toContain('DTLS profile set to SRTP_AES128_CM_HMAC_SHA1_80'), WAIT);
});
