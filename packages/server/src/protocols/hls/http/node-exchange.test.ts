import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { Exchange } from './exchange.ts';
import { NodeExchange } from './node-exchange.ts';

let server: Server | undefined;

afterEach(() => {
  server?.close();
});

/** What a client gets of an answer that is written so. */
async function answered(write: (exchange: Exchange) => void) {
  server = createServer((request, response) => write(new NodeExchange(request, response)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [response] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage];
  let body = '';
  for await (const bytes of response) body += String(bytes);
  return { response, body };
}

it('a header that is set again has its last value, however it is spelled', async () => {
  let had: boolean[] = [];
  const { response, body } = await answered((exchange) => {
    exchange.status = 404;
    exchange.header('Cache-Control', 'no-store');
    exchange.header('X-Other', 'same');
    exchange.header('cache-control', 'max-age=1');
    exchange.header('Content-Length', 4);
    had = [exchange.hasHeader('CACHE-CONTROL'), exchange.hasHeader('X-None'), exchange.begun];
    exchange.end(Buffer.from('text'));
    exchange.header('X-Late', 'too late');
    had.push(exchange.begun);
  });
  expect([response.statusCode, body, had]).toEqual([404, 'text', [true, false, false, true]]);
  expect(response.rawHeaders.filter((text) => /^cache-control$/i.test(text))).toHaveLength(1);
  expect(response.headers).toMatchObject({ 'cache-control': 'max-age=1', 'x-other': 'same', 'content-length': '4' });
  expect(response.headers['x-late']).toBeUndefined();
});

it('a body of several pieces goes as it is', async () => {
  const { response, body } = await answered((exchange) => {
    exchange.header('Content-Length', 6);
    exchange.sendAll([Buffer.from('one'), Buffer.from('two')]);
  });
  expect([response.statusCode, body]).toEqual([200, 'onetwo']);
});

it('a body of unknown length goes in chunks, and goes on when the client has taken what there was', async () => {
  let drains = 0;
  const piece = Buffer.alloc(1024 * 1024, 'x');
  const { response, body } = await answered((exchange) => {
    exchange.header('Content-Type', 'text/plain');
    let left = 20;
    const more = (): void => {
      while (left-- > 0) if (!exchange.write(piece)) return;
      exchange.onDrain = undefined;
      exchange.end();
    };
    exchange.onDrain = () => {
      drains++;
      more();
    };
    more();
  });
  expect([response.headers['transfer-encoding'], body.length]).toEqual(['chunked', 20 * piece.length]);
  expect(drains).toBeGreaterThan(0);
});
