import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tlsIdentity } from '../../app/tls-identity.ts';
import { TestLog } from '../../core/testing/hub.ts';
import type { TlsIdentity } from '../../io/index.ts';
import { SignallingFixture } from './testing/signalling-fixture.ts';
import { WebSdkClient } from './testing/web-sdk-client.ts';

vi.setConfig({ testTimeout: 30_000 });

let fixture: SignallingFixture;
let folder: string;
let identity: TlsIdentity;

async function makeIdentity(host: string): Promise<TlsIdentity> {
  const dataDir = join(folder, host);
  return tlsIdentity({ certificateFile: '', privateKeyFile: '', dataDir, host, log: new TestLog() });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalling-'));
  identity = await makeIdentity('first.example');
  const listen = [
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port: 0, secure: true },
  ];
  fixture = await SignallingFixture.start({ listen, identity });
});

afterEach(async () => {
  await fixture.close();
  rmSync(folder, { recursive: true });
});

/** Whom a new connection is shown a certificate of. */
function subject(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('WSS', () => {
  it('serves the same sessions as WS', async () => {
    const url = `wss://127.0.0.1:${fixture.server.securePort}/any`;
    const client = await WebSdkClient.open(url, { ca: identity.cert });
    client.send('connection', { appKey: 'defaultApp' });
    expect((await client.next('getUserData')).data[0]).toMatchObject({ status: 'ESTABLISHED' });
    expect((await fixture.client()).offences).toEqual([]);
    expect(fixture.hub.connections.size).toBe(2);
    const [secure] = [...fixture.hub.connections.all()];
    expect(secure?.sessionId).toMatch(new RegExp(`^/127.0.0.1:\\d+/127.0.0.1:${fixture.server.securePort}$`));
    expect(secure?.describe().bytesIn).toBeGreaterThan(0);
    client.close();
  });

  it('closes without waiting for peers that never began their handshake', async () => {
    const silent = connectTcp(fixture.server.securePort, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    const gone = once(silent, 'close');
    const before = performance.now();
    await fixture.server.close();
    expect(performance.now() - before).toBeLessThan(5000);
    await gone;
  });

  it('takes another certificate for new connections, and keeps the present one when the new one is unusable', async () => {
    const { securePort } = fixture.server;
    expect(await subject(securePort)).toBe('first.example');
    const other = await makeIdentity('second.example');
    expect(() => fixture.server.setIdentity({ cert: identity.cert, key: other.key })).toThrow();
    expect(await subject(securePort)).toBe('first.example');
    fixture.server.setIdentity(other);
    expect(await subject(securePort)).toBe('second.example');
  });
});
