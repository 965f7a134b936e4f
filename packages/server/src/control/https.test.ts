import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tlsIdentity } from '../app/tls-identity.ts';
import { TestLog } from '../core/testing/hub.ts';
import type { HttpMount, TlsIdentity } from '../io/index.ts';
import { ControlFixture } from './testing/control-fixture.ts';

let fixture: ControlFixture;
let identity: TlsIdentity;

async function makeIdentity(host: string): Promise<TlsIdentity> {
  const dataDir = join(fixture.folder, host);
  return tlsIdentity({ certificateFile: '', privateKeyFile: '', dataDir, host, log: new TestLog() });
}

beforeEach(async () => {
  fixture = new ControlFixture();
  identity = await makeIdentity('first.example');
});

afterEach(() => fixture.close());

/** Answers with its path; an upgraded connection echoes. */
const ECHO: HttpMount = {
  prefix: '/echo/',
  request: (request, response) => void response.end(`mounted ${request.url}`),
  upgrade: (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    socket.pipe(socket);
  },
};

/** Starts the server with both doors and gives the ports. */
async function start(): Promise<{ plain: number; secure: number }> {
  await fixture.start({ mounts: [ECHO] }, { https: { port: 0, identity } });
  return { plain: fixture.server?.port ?? 0, secure: fixture.server?.securePort ?? 0 };
}

function get(port: number, path: string, secure: boolean): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const answer = (response: IncomingMessage): void => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    };
    const options = { port, path, host: '127.0.0.1', ca: identity.cert };
    const request = secure ? httpsRequest(options, answer) : httpRequest(options, answer);
    request.on('error', reject).end();
  });
}

async function tlsSocket(port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends `text` and gives what comes until `isEnough` or the connection ends. */
async function exchange(socket: Duplex, text: string, isEnough: (answer: string) => boolean): Promise<string> {
  let answer = '';
  socket.write(text);
  for await (const chunk of socket) {
    answer += String(chunk);
    if (isEnough(answer)) break;
  }
  return answer;
}

describe('HTTPS', () => {
  it('answers as HTTP does, beside it', async () => {
    fixture.addConnection('/1');
    const { plain, secure } = await start();
    for (const path of ['/health', '/rest-api/connection/find_all', '/echo/x', '/none', '/?action=stat']) {
      const [one, other] = [await get(plain, path, false), await get(secure, path, true)];
      expect(other.status).toBe(one.status);
      if (path.startsWith('/rest') || path.startsWith('/echo')) expect(other.text).toBe(one.text);
    }
  });

  it('is off without an identity', async () => {
    await fixture.start();
    expect(fixture.server?.securePort).toBe(0);
  });

  it('gives WebSockets to mounts, and answers proposals of other upgrades as if they were none', async () => {
    const { secure } = await start();
    const webSocket = await tlsSocket(secure);
    const upgrade = 'GET /echo/ HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';
    expect(await exchange(webSocket, upgrade, (text) => text.endsWith('\r\n\r\n'))).toMatch(/^HTTP\/1.1 101/);
    const java = await tlsSocket(secure);
    const h2c = 'GET /health HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\r\n';
    expect(await exchange(java, h2c, (text) => text.includes('"status":"ok"'))).toMatch(/^HTTP\/1.1 200/);
    const lost = await tlsSocket(secure);
    expect(await exchange(lost, upgrade.replace('/echo/', '/none'), () => false)).toMatch(/^HTTP\/1.1 404/);
  });

  it('answers what is not HTTP with 400', async () => {
    const { secure } = await start();
    expect(await exchange(await tlsSocket(secure), 'nonsense\r\n\r\n', () => false)).toMatch(/^HTTP\/1.1 400/);
  });

  it('takes another certificate for new connections, and keeps the present one when the new one is unusable', async () => {
    const { secure } = await start();
    const other = await makeIdentity('second.example');
    expect(() => fixture.server?.setIdentity({ cert: other.cert, key: identity.key })).toThrow();
    const old = await tlsSocket(secure);
    expect(old.getPeerCertificate().subject.CN).toBe('first.example');
    fixture.server?.setIdentity(other);
    const fresh = await tlsSocket(secure);
    expect(fresh.getPeerCertificate().subject.CN).toBe('second.example');
    expect(await exchange(old, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n', (text) => text.includes('ok'))).toMatch(
      /200/,
    );
    fresh.destroy();
  });

  it('closes with all connections: idle ones, upgraded ones, and those that never began their handshake', async () => {
    const { secure } = await start();
    const sockets = [connectTcp(secure, '127.0.0.1'), await tlsSocket(secure), await tlsSocket(secure)];
    const gone = sockets.map((socket) => {
      socket.on('error', () => {});
      socket.resume();
      return once(socket, 'close');
    });
    sockets[2]?.write('GET /echo/ HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    await once(sockets[2] as Duplex, 'data');
    const before = performance.now();
    await fixture.server?.close();
    await Promise.all(gone);
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it('says which setting to change when its port is taken, and leaves nothing open', async () => {
    const { secure } = await start();
    const second = new ControlFixture();
    await expect(second.start({}, { https: { port: secure, identity } })).rejects.toThrow(/https\.port/);
    await expect(get(second.server?.port ?? 0, '/health', false)).rejects.toThrow();
    await second.close();
  });
});
