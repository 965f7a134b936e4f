import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../media/src/testing/mutate.ts';
import { MediaServerError, type Stream, type StreamResolver } from '../../core/index.ts';
import { Ticker } from '../../io/index.ts';
import { FlvServer } from './index.ts';
import { FlvFixture } from './testing/flv-fixture.ts';
import { AUDIO, feed, PUBLISHER, packet } from './testing/packets.ts';
import { exchange } from './testing/viewers.ts';

let fixture: FlvFixture;

beforeEach(async () => {
  fixture = await FlvFixture.start();
});

afterEach(() => fixture.close());

async function restart(...args: Parameters<typeof FlvFixture.start>): Promise<void> {
  await fixture.close();
  fixture = await FlvFixture.start(...args);
}

describe('a request that can not be answered with a stream', () => {
  it('waits for an unknown stream, then gets 404 that says what to do', async () => {
    const { status, body, headers } = await fixture.refusal('/flv/nobody.flv?a=1');
    expect(status).toBe(404);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(body).toEqual({
      timestamp: expect.any(Number),
      status: 404,
      error: 'Not Found',
      message: expect.stringMatching(/"nobody".*publish it first/),
      path: '/flv/nobody.flv',
    });
  });

  it('plays a stream that appears while it waits', async () => {
    await restart({ playWaitMs: 5000 });
    const opened = fixture.view('/flv/soon.flv');
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    feed(fixture.hub.streams.publish('soon', PUBLISHER), { fromMs: 0, toMs: 40 });
    expect((await opened).response.statusCode).toBe(200);
  });

  it('gets 503 for a stream that sends nothing', async () => {
    fixture.hub.streams.publish('cam', PUBLISHER);
    expect((await fixture.refusal('/flv/cam.flv')).status).toBe(503);
  });

  it('gets 404 when the stream ends before it has sent anything', async () => {
    await restart({ mediaWaitMs: 60_000 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    const answer = fixture.refusal('/flv/cam.flv');
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'gone');
    expect((await answer).status).toBe(404);
  });

  it('gets 415 when nothing of the stream is left for it', async () => {
    fixture.hub.streams.publish('cam', PUBLISHER).publish(packet(AUDIO, 0));
    const { status, body } = await fixture.refusal('/flv/cam.flv?audio=0');
    expect(status).toBe(415);
    expect(body).toMatchObject({ message: expect.stringContaining('"cam" has aac') });
  });

  it('gets 404 or 400 for paths that name no stream, whatever they hold', async () => {
    const paths: [string, number][] = [
      ['/flv/', 404],
      ['/flv/.flv', 404],
      ['/flv/cam', 404],
      ['/flv/cam.mp4', 404],
      ['/flv/%ff.flv', 400],
      ['/flv/%00.flv', 400],
      ['/flv/cam.flv?video=0&audio=0', 400],
      [`/flv/${'x'.repeat(1025)}.flv`, 400],
      ['/flv/%2e%2e%2f%2e%2e%2fetc%2fpasswd.flv', 404],
    ];
    for (const [path, status] of paths) expect([path, (await fixture.refusal(path)).status]).toEqual([path, status]);
    const raw = await exchange(
      fixture.port,
      'GET /flv/../../etc/passwd.flv HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect(raw).toMatch(/^HTTP\/1\.1 404 .*no stream \\"\.\.\/\.\.\/etc\/passwd\\"/s);
  });

  it('takes names with slashes and other signs', async () => {
    for (const name of ['a/b', 'ünï ✓', 'x.flv', 'q?a=1']) {
      feed(fixture.hub.streams.publish(name, PUBLISHER), { fromMs: 0, toMs: 40 });
      expect((await fixture.view(`/flv/${encodeURIComponent(name)}.flv`)).response.statusCode).toBe(200);
    }
    expect((await fixture.view('/flv/a/b.flv')).response.statusCode).toBe(200);
  });

  it('gets 405 for other methods', async () => {
    const { status, headers } = await fixture.refusal('/flv/cam.flv', { method: 'POST', body: 'x' });
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  it('behind an endless answer on the same connection ends that connection, not the server', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const get = 'GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n';
    const answer = exchange(fixture.port, get.repeat(50));
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    expect(fixture.flv.viewerCount).toBe(1);
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'gone');
    expect((await answer).match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('answers HEAD as GET, without a viewer', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const response = await fetch(fixture.url('/flv/cam.flv'), { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'video/x-flv']);
    expect((await fetch(fixture.url('/flv/nobody.flv'), { method: 'HEAD' })).status).toBe(404);
    expect(fixture.hub.sessions.totals()).toEqual([]);
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(0));
  });

  it('answers a preflight, with the headers of the settings', async () => {
    await restart({
      headers: [
        ['Access-Control-Allow-Origin', 'https://example.org'],
        ['Access-Control-Allow-Headers', 'x-token'],
      ],
    });
    const response = await fetch(fixture.url('/flv/cam.flv'), { method: 'OPTIONS' });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': 'https://example.org',
      // A token in this header must always be possible.
      'access-control-allow-headers': 'x-token, Authorization',
      'access-control-allow-methods': 'GET, HEAD, OPTIONS',
    });
  });

  it('refuses settings whose headers can not be sent', () => {
    const make = () =>
      new FlvServer({ ...fixture.hub, resolvers: [], ticker: new Ticker() }, { headers: [['a b', 'c']] });
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('a stream that a resolver makes live', () => {
  it('plays, and the resolver’s errors are told', async () => {
    const resolvers = (hub: FlvFixture['hub']): StreamResolver[] => [
      {
        accepts: (name) => name.startsWith('vod-live://'),
        resolve: (name): Promise<Stream | undefined> => {
          if (name.endsWith('bad.mp4')) throw new MediaServerError('FILE_INVALID', 'bad.mp4 is no MP4 file');
          if (name.endsWith('none.mp4')) return Promise.resolve(undefined);
          const stream = hub.streams.publish(name, PUBLISHER);
          feed(stream, { fromMs: 0, toMs: 40 });
          return Promise.resolve(stream);
        },
      },
    ];
    await restart({}, { resolvers });
    expect((await fixture.view('/flv/vod-live://clip.mp4.flv')).response.statusCode).toBe(200);
    expect((await fixture.refusal('/flv/vod-live%3A%2F%2Fnone.mp4.flv')).status).toBe(404);
    expect(await fixture.refusal('/flv/vod-live%3A%2F%2Fbad.mp4.flv')).toMatchObject({
      status: 400,
      body: { message: 'bad.mp4 is no MP4 file' },
    });
  });
});

it('survives mutated requests', async () => {
  await restart({ playWaitMs: 0 });
  feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
  const random = prng(7);
  const seeds = [
    'GET /flv/cam.flv?a=%41 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\x05hello',
  ].map((text) => Buffer.from(text, 'latin1'));
  for (let round = 0; round < 300; round++) {
    const socket = connect({ port: fixture.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.resume();
    socket.end(mutate(seeds[round % 2] ?? Buffer.alloc(0), random));
    await once(socket, 'close');
  }
  await vi.waitFor(() => expect([fixture.flv.viewerCount, fixture.connections]).toEqual([0, 0]));
  expect((await fixture.view('/flv/cam.flv')).response.statusCode).toBe(200);
  expect(fixture.hub.log.lines.filter((line) => line.level === 'error')).toEqual([]);
}, 30_000);
