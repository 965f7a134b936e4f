import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { generate } from 'selfsigned';
import { afterEach, expect, test } from 'vitest';
import { parseAuthentications } from '../wire/authentication.ts';
import { RtspHeaders } from '../wire/headers.ts';
import { RtspReader, type RtspRequest } from '../wire/reader.ts';
import { writeResponse } from '../wire/writer.ts';
import { PullRig, until } from './testing/pull-rig.ts';
import { ordinaryAnswer, ScriptedCamera } from './testing/scripted-camera.ts';
import { SyntheticVideo } from './testing/synthetic-video.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function rig(...args: ConstructorParameters<typeof PullRig>): PullRig {
  const made = new PullRig(...args);
  cleanups.push(() => made.close());
  return made;
}

test('a camera with a certificate of its own is played by rtsps, unless certificates must be valid', async () => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'camera' }], { keySize: 2048 });
  const video = new SyntheticVideo();
  const script = (request: RtspRequest, connection: { frame(channel: number, packet: Uint8Array): void }) => {
    if (request.method === 'PLAY')
      for (let i = 0; i < 12; i++) for (const packet of video.next()) connection.frame(0, packet);
    return ordinaryAnswer(request);
  };
  const camera = await ScriptedCamera.start(script, { key, cert });
  cleanups.push(() => camera.close());
  const url = camera.url.replace('rtsp:', 'rtsps:');
  const pulling = rig();
  pulling.pull(url);
  await until(() => pulling.video.length > 5, pulling.end?.message);
  expect(camera.request('DESCRIBE')?.uri).toBe(url);
  const strict = await rig({ tlsVerify: true }).pull(url).ended;
  expect(strict).toEqual({ code: 'invalid', message: expect.stringMatching(/certificate.*rtsp_client_tls_verify/) });
  const plain = await rig({}, { connectTimeoutMs: 500 }).pull(camera.url).ended;
  expect(['unreachable', 'invalid']).toContain(plain.code);
});

/** A server of tunnels over HTTP that asks for Digest with SHA-256 of the tunnel and of RTSP alike. */
async function tunnelCamera(video: SyntheticVideo): Promise<{ port: number; cookies: Set<string>; asked: string[] }> {
  const cookies = new Set<string>();
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  /** Those that what we say goes to; the newest is last. */
  const tunnels: Socket[] = [];
  const hash = (...parts: (string | undefined)[]): string => createHash('sha256').update(parts.join(':')).digest('hex');
  const isSigned = ({ method, uri, headers }: RtspRequest): boolean => {
    const [given] = parseAuthentications(headers.get('Authorization') ?? '');
    const field = (name: string): string | undefined => given?.parameters.get(name);
    const parts = ['n', field('nc'), field('cnonce'), 'auth', hash(method, uri)];
    return field('response') === hash(hash('user', 'r', 'pass'), ...parts);
  };
  const challenge = { 'WWW-Authenticate': 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256' };
  const rtsp = new RtspReader();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const http = new RtspReader();
    let posted = false;
    socket.on('data', (bytes) => {
      if (posted) return takeBase64(bytes);
      http.push(bytes, (event) => {
        if (event.type !== 'request') return;
        asked.push(event.method);
        const signed = isSigned(event);
        if (signed) cookies.add(event.headers.get('x-sessioncookie') ?? '');
        if (event.method === 'GET') {
          const headers = RtspHeaders.of(signed ? { 'Content-Type': 'application/x-rtsp-tunnelled' } : challenge);
          socket.write(writeResponse({ status: signed ? 200 : 401, version: 'HTTP/1.0', headers }));
          if (signed) tunnels.push(socket);
        } else if (signed) {
          posted = true;
          http.stop();
        }
      });
      if (posted) takeBase64(http.rest());
    });
  });
  const takeBase64 = (bytes: Uint8Array): void => {
    const text = Buffer.from(bytes).toString('latin1');
    // Each message was encoded by itself.
    const parts = text.match(/[A-Za-z0-9+/]+={0,2}/g) ?? [];
    for (const part of parts)
      rtsp.push(Buffer.from(part, 'base64'), (event) => {
        const get = tunnels.at(-1);
        if (event.type !== 'request' || get === undefined) return;
        const {
          status = 200,
          headers = {},
          body = '',
        } = isSigned(event) ? ordinaryAnswer(event) : { status: 401, headers: challenge };
        const all = RtspHeaders.of({ CSeq: event.headers.get('CSeq'), ...headers });
        get.write(writeResponse({ status, headers: all, body }));
        if (event.method !== 'PLAY' || status !== 200) return;
        for (let i = 0; i < 12; i++)
          for (const packet of video.next()) {
            get.write(Buffer.from([0x24, 0, packet.length >> 8, packet.length & 0xff]));
            get.write(packet);
          }
      });
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, cookies, asked };
}

test('a tunnel over HTTP that asks for SHA-256 is opened and played, with one cookie for both halves', async () => {
  const camera = await tunnelCamera(new SyntheticVideo());
  const pulling = rig();
  const link = pulling.pull(`rtsph://user:pass@127.0.0.1:${camera.port}/live`);
  await until(() => pulling.video.length > 5, pulling.end?.message);
  expect(camera.asked).toEqual(['GET', 'GET', 'POST']);
  expect(camera.cookies.size).toBe(1);
  link.close('enough');
  expect((await link.ended).code).toBe('closed');
  expect(await rig().pull(`rtsph://user:wrong@127.0.0.1:${camera.port}/live`).ended).toMatchObject({ code: 'refused' });
  expect(await rig().pull(`rtsph://127.0.0.1:${camera.port}/live`).ended).toMatchObject({ code: 'refused' });
});

test('a tunnel whose answer goes on with what is no RTSP is closed, both halves of it', async () => {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    socket.once('data', (bytes) => {
      if (bytes.toString('latin1').startsWith('GET')) socket.write('HTTP/1.0 200 OK\r\n\r\nnothing of RTSP\r\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  expect(await rig().pull(`rtsph://127.0.0.1:${port}/live`).ended).toMatchObject({ code: 'invalid' });
  await expect.poll(() => open.size).toBe(0);
});
