import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpMount } from '../io/index.ts';
import { ControlFixture } from './testing/control-fixture.ts';

let fixture: ControlFixture;
let sockets: Socket[];

beforeEach(() => {
  fixture = new ControlFixture();
  sockets = [];
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await fixture.close();
});

/** Answers with what it was asked; an upgraded connection echoes. */
class EchoMount implements HttpMount {
  readonly prefix = '/echo/';
  readonly upgraded: Duplex[] = [];

  request(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/echo/endless') {
      response.writeHead(200).write('begins');
      return;
    }
    if (request.url === '/echo/fault') throw new Error('a fault');
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => response.end(`${request.method} ${request.url} ${body}`));
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.upgraded.push(socket);
    socket.on('error', () => {});
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.url} ${head.toString()}`);
    socket.on('data', (bytes) => socket.write(bytes));
  }
}

/** Opens a connection, sends `text` and gives what comes until `isEnough` or the connection ends. */
function exchange(text: string, isEnough: (answer: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(fixture.server?.port ?? 0, '127.0.0.1', () => socket.write(text));
    sockets.push(socket);
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += String(chunk);
      if (isEnough(answer)) resolve(answer);
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}

const UPGRADE = 'HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';

describe('a protocol mounted on the web port', () => {
  it.each(['GET', 'POST', 'PROPFIND', 'DELETE'])('gets %s requests under its prefix as they came', async (method) => {
    const base = await fixture.start({ mounts: [new EchoMount()] });
    const body = method === 'GET' ? '' : '{ not json';
    const answer = await new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      const request = httpRequest(`${base}/echo/a%zz?b=%2F`, { method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += String(chunk);
        });
        response.on('end', () => resolve(text));
      });
      request.on('error', reject).end(body);
    });
    expect(answer).toBe(`${method} /echo/a%zz?b=%2F ${body}`);
  });

  it('leaves all other paths to the control server', async () => {
    const base = await fixture.start({ mounts: [new EchoMount()] });
    expect((await fetch(`${base}/echo`)).status).toBe(404);
    expect((await fetch(`${base}/health`)).status).toBe(200);
  });

  it('gets upgrades to WebSocket under its prefix with the bytes that followed', async () => {
    const mount = new EchoMount();
    await fixture.start({ mounts: [mount] });
    const answer = await exchange(`GET /echo/ws ${UPGRADE}first`, (text) => text.includes('first'));
    expect(answer).toContain('/echo/ws first');
  });

  it('that throws costs only its own request, and is logged', async () => {
    const base = await fixture.start({ mounts: [new EchoMount()] });
    await expect(fetch(`${base}/echo/fault`)).rejects.toThrow();
    expect((await fetch(`${base}/health`)).status).toBe(200);
    expect(fixture.errors).toEqual(['mounted protocol failed']);
  });

  it('cannot hold up closing with requests and connections that it never ends', async () => {
    const mount = new EchoMount();
    const base = await fixture.start({ mounts: [mount] });
    const endless = await fetch(`${base}/echo/endless`);
    await exchange(`GET /echo/ws ${UPGRADE}first`, (text) => text.includes('first'));
    await fixture.server?.close();
    await expect(endless.text()).rejects.toThrow();
    expect(mount.upgraded.map((socket) => socket.destroyed)).toEqual([true]);
  });

  it('has time to say goodbye on its connections while the server closes', async () => {
    const mount = new EchoMount();
    await fixture.start({ mounts: [mount] });
    let goodbye = '';
    const answer = await exchange(`GET /echo/ws ${UPGRADE}first`, (text) => text.includes('first'));
    const left = new Promise((resolve) => sockets[0]?.on('close', resolve));
    sockets[0]?.on('data', (chunk) => {
      goodbye += String(chunk);
    });
    const closing = fixture.server?.close();
    setImmediate(() => mount.upgraded[0]?.end('goodbye'));
    await Promise.all([closing, left]);
    expect([answer.includes('first'), goodbye]).toEqual([true, 'goodbye']);
  });
});

describe('upgrades that nobody takes', () => {
  it('are refused with 404 when they are to WebSocket, and the connection is closed', async () => {
    await fixture.start({ mounts: [new EchoMount()] });
    const answer = await exchange(`GET /elsewhere?a=1 ${UPGRADE}`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(answer).toContain('"path":"/elsewhere"');
  });

  it('are ignored when they are to HTTP/2, as Java clients propose, and the request is answered', async () => {
    await fixture.start({ mounts: [new EchoMount()] });
    const head = [
      'POST /rest-api/stream/find_all HTTP/1.1',
      'host: localhost',
      'connection: Upgrade, HTTP2-Settings',
      'upgrade: h2c',
      'http2-settings: AAMAAABkAARAAAAAAAIAAAAA',
      'content-type: application/json',
      'content-length: 20',
    ];
    fixture.publish('room');
    const body = '{"unknown": "field"}';
    const next = 'GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    const answer = await exchange(`${head.join('\r\n')}\r\n\r\n${body}${next}`);
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(answer).toContain('"name":"room"');
    expect(answer).toContain('"status":"ok"');
  });

  it('are answered when their body comes in parts', async () => {
    await fixture.start();
    const answer = exchange(
      'POST /rest-api/x HTTP/1.1\r\nhost: localhost\r\nconnection: close, Upgrade\r\nupgrade: h2c\r\ncontent-length: 4\r\n\r\n{',
    );
    await new Promise((resolve) => sockets[0]?.on('connect', resolve));
    await new Promise(setImmediate);
    sockets[0]?.write('"a');
    await new Promise(setImmediate);
    sockets[0]?.write('}');
    expect(await answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});
