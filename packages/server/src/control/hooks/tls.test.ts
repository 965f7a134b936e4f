import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AccessRig } from './testing/access-rig.ts';

let server: Server;
let url: string;
let rig: AccessRig | undefined;

beforeEach(async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec' });
  server = createServer({ cert, key }, (request, response) => {
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await rig?.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('a back end whose certificate nobody has signed is refused, unless it is not to be looked at', async () => {
  for (const tlsVerify of [true, false]) {
    rig = await AccessRig.start({ tlsVerify, eventRetryMs: 0 });
    await rig.addApplication('secure', { url });
    const connecting = rig.connect({ appKey: 'secure' });
    if (tlsVerify) await expect(connecting).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    else expect((await connecting).appKey).toBe('secure');
    if (tlsVerify) expect(rig.lines.join('\n')).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
    await rig.close();
    rig = undefined;
  }
});
