import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MEDIA_PORT } from './testing/scripted-port.ts';
import { HOST, selfSigned, TurnRig, USER } from './testing/turn-rig.ts';

const AIOICE = fileURLToPath(new URL('testing/aioice_client.py', import.meta.url));
const run = promisify(execFile);

let rig: TurnRig;

beforeEach(async () => {
  rig = await TurnRig.start(await selfSigned());
});

afterEach(() => rig.close());

describe('clients of others', () => {
  // By Send indications: with channels it binds ports on purpose that are none of our media. One message: of a stream it
  // loses frames that come together.
  it.each([
    ['UDP', ['-s']],
    ['TLS', ['-s', '-t', '-S']],
  ] as const)("coturn's turnutils_uclient exchanges a datagram with the media by %s", async (transport, flags) => {
    const port = transport === 'TLS' ? rig.server.securePort : rig.server.port;
    const peer = ['-e', HOST, '-r', String(MEDIA_PORT)];
    const who = ['-u', USER.name, '-w', USER.password];
    const { stdout } = await run(
      'turnutils_uclient',
      [...flags, '-c', '-X', '-g', '-n', '1', '-p', String(port), ...peer, ...who, HOST],
      { timeout: 30_000 },
    );
    expect(stdout).toContain('tot_send_msgs=1, tot_recv_msgs=1');
    expect(rig.port.received).toHaveLength(1);
  });

  it.each([
    ['udp', 'plain'],
    ['tcp', 'plain'],
    ['tcp', 'tls'],
  ] as const)(
    'aioice exchanges a datagram with the media by %s, %s, and ends its allocation',
    async (transport, security) => {
      const port = security === 'tls' ? rig.server.securePort : rig.server.port;
      const { username, credential } = rig.server.issue(HOST);
      const args = [AIOICE, String(port), transport, security, username, credential, String(MEDIA_PORT)];
      const { stdout } = await run('/usr/bin/python3', args, { timeout: 30_000 });
      expect(stdout.trim()).toBe(`hello from ${HOST}:${MEDIA_PORT}`);
      expect(rig.server.sizes.allocations).toBe(0);
      expect(rig.port.forgotten).toHaveLength(1);
    },
  );
});
