import { once } from 'node:events';
import { connect } from 'node:net';
import { decodeAmf0 } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FlvFixture } from './testing/flv-fixture.ts';
import { AUDIO, feed, PUBLISHER, packet, VIDEO } from './testing/packets.ts';

let fixture: FlvFixture;

beforeEach(async () => {
  fixture = await FlvFixture.start();
});

afterEach(() => fixture.close());

async function restart(...args: Parameters<typeof FlvFixture.start>): Promise<void> {
  await fixture.close();
  fixture = await FlvFixture.start(...args);
}

describe('an HTTP-FLV viewer', () => {
  it('gets header, metadata and configurations, then all since the last key frame, then what comes', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.setMetadata({ encoder: 'test', width: 640 }, 100);
    feed(stream, { fromMs: 0, toMs: 1080 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags).toHaveLength(7));
    expect(viewer.header).toEqual({ video: true, audio: true });
    expect(viewer.summary).toBe('m0 vc1000 ac1000 V1000 a1000 v1040 a1040');
    expect(decodeAmf0(viewer.tags[0]?.data ?? Uint8Array.of())).toEqual([
      'onMetaData',
      { encoder: 'test', width: 640 },
    ]);
    stream.publish(packet(VIDEO, 1080, { key: false }));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/ v1080$/));
    expect(stream.viewers).toBe(1);
  });

  it('is answered with raw bytes that only closing ends, for pages of any origin', async () => {
    feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const { response } = await fixture.view('/flv/cam.flv');
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'video/x-flv',
      'cache-control': 'no-store',
      connection: 'close',
      'access-control-allow-origin': '*',
    });
    expect(response.headers).not.toHaveProperty('transfer-encoding');
    expect(response.headers).not.toHaveProperty('content-length');
  });

  it('gets metadata made from the tracks when the publisher sent none', async () => {
    feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    const [, fields] = decodeAmf0(viewer.tags[0]?.data ?? Uint8Array.of());
    expect(fields).toMatchObject({ videocodecid: 7, audiocodecid: 10, audiosamplerate: 48_000, stereo: true });
    expect(fields).toMatchObject({ width: 640, height: 360 });
  });

  it('gets none of the metadata that is true of a file only', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.setMetadata({ duration: 12, filesize: 5, hasAudio: false, keyframes: { times: [0] }, encoder: 'test' }, 100);
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    expect(decodeAmf0(viewer.tags[0]?.data ?? Uint8Array.of())[1]).toEqual({ encoder: 'test' });
  });

  it('who wants no picture or no sound gets the rest, with metadata and header to fit', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.setMetadata({ width: 640, audiosamplerate: 48_000 }, 100);
    feed(stream, { fromMs: 0, toMs: 80 });
    const [sound, picture] = [
      await fixture.view('/flv/cam.flv?video=0'),
      await fixture.view('/flv/cam.flv?audio=0&a=b'),
    ];
    await vi.waitFor(() => expect(picture.summary).toBe('m0 vc0 V0 v40'));
    expect([sound.header, picture.header]).toEqual([
      { video: false, audio: true },
      { video: true, audio: false },
    ]);
    stream.publish(packet(AUDIO, 80));
    await vi.waitFor(() => expect(sound.summary).toMatch(/^m0 ac40 .*a80$/));
    expect(sound.summary).not.toMatch(/v/i);
    expect(decodeAmf0(sound.tags[0]?.data ?? Uint8Array.of())[1]).toEqual({ audiosamplerate: 48_000 });
    expect(decodeAmf0(picture.tags[0]?.data ?? Uint8Array.of())[1]).toEqual({ width: 640 });
    const drops = [...fixture.hub.sessions.all()].map((session) => session.describe().drops);
    expect(drops).toEqual(Array(2).fill({ slow_viewer: 0, not_carried: 0 }));
  });

  it('waits a while for a second track, and its header announces both', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.publish(packet(VIDEO, 0));
    const opened = fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    stream.publish(packet(AUDIO, 20));
    const viewer = await opened;
    await vi.waitFor(() => expect(viewer.summary).toMatch(/V0 .*a20/));
    expect(viewer.header).toEqual({ video: true, audio: true });
  });

  it('is not kept waiting for a track that does not come, nor told that it would', async () => {
    fixture.hub.streams.publish('cam', PUBLISHER).publish(packet(VIDEO, 0));
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.summary).toBe('m0 vc0 V0'));
    expect(viewer.header).toEqual({ video: true, audio: false });
  });

  it('begins at once with the one track of a stream that has run for longer than that', async () => {
    await restart({ trackWaitMs: 15_000 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    for (let ms = 0; ms <= 14_000; ms += 1000) stream.publish(packet(VIDEO, ms));
    const opened = fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    expect(fixture.hub.sessions.size).toBe(0);
    stream.publish(packet(VIDEO, 15_000));
    expect((await opened).response.statusCode).toBe(200);
  });

  it('gets a track that comes after all, with its configuration before it', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.publish(packet(VIDEO, 0));
    const viewer = await fixture.view('/flv/cam.flv');
    stream.publish(packet(AUDIO, 40));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/V0 m0 ac40 a40$/));
  });

  it('sees time go on and new configurations when the publisher comes back', async () => {
    await restart({}, { graceMs: 5000 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.summary).toMatch(/a40$/));
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'gone');
    const again = { ...PUBLISHER };
    expect(fixture.hub.streams.publish('cam', again)).toBe(stream);
    stream.publish(packet({ ...VIDEO }, 500));
    stream.publish(packet({ ...AUDIO }, 510));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/a40 m0 vc500 V500 m0 ac510 a510$/));
  });

  it('is ended cleanly, with all that was sent, when the stream is over', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    stream.publish(packet(VIDEO, 80, { key: false }));
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'publisher stopped');
    expect(await viewer.ended).toBe(true);
    expect(viewer.summary).toMatch(/v80$/);
    await vi.waitFor(() => expect(fixture.connections).toBe(0));
  });

  it('who leaves is forgotten', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    viewer.close();
    await vi.waitFor(() => expect([stream.viewers, stream.readerCount, fixture.flv.viewerCount]).toEqual([0, 0, 0]));
  });

  it('who ends its own side and reads no more is let go at once', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 1000, bytes: 1_000_000 });
    const socket = connect({ port: fixture.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write('GET /flv/cam.flv HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    socket.pause();
    expect(stream.viewers).toBe(1);
    socket.end();
    await vi.waitFor(() => expect([stream.viewers, fixture.connections]).toEqual([0, 0]));
    socket.destroy();
  });

  it('who reads nothing for too long is dropped', async () => {
    await restart({ viewerStallTimeoutMs: 400 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 80 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    viewer.response.pause();
    let ms = 1000;
    const pump = (): void => {
      feed(stream, { fromMs: ms, toMs: ms + 1000, bytes: 200_000 });
      ms += 1000;
    };
    await vi.waitFor(() => {
      pump();
      expect(stream.viewers).toBe(0);
    }, 10_000);
    await vi.waitFor(() => expect(fixture.connections).toBe(0));
    const reasons = fixture.hub.log.lines.map(({ fields }) => (fields as { reason?: string }).reason);
    expect(reasons).toContain('viewer has not read for 400 ms');
  });

  it('who falls behind for a while goes on at a key frame with nothing torn', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await fixture.view('/flv/cam.flv');
    await vi.waitFor(() => expect(viewer.tags.length).toBeGreaterThan(0));
    viewer.response.pause();
    for (let ms = 1000; ms < 60_000; ms += 1000) {
      feed(stream, { fromMs: ms, toMs: ms + 1000, bytes: 100_000 });
      await new Promise((resolve) => setImmediate(resolve));
    }
    viewer.response.resume();
    const [session] = fixture.hub.sessions.all();
    await vi.waitFor(() => expect(session?.describe().drops.slow_viewer).toBeGreaterThan(0));
    stream.publish(packet(VIDEO, 60_000));
    await vi.waitFor(() => expect(viewer.summary).toMatch(/V60000$/));
    expect(viewer.summary).toMatch(/ m0 vc(\d+) ac\1 V\1 /);
  });
});

describe('many viewers', () => {
  it('get the same bytes in a few shared writes', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const all = await Promise.all(Array.from({ length: 60 }, () => fixture.view('/flv/cam.flv')));
    await vi.waitFor(() => expect(all.every((viewer) => viewer.tags.length === 5)).toBe(true));
    const pieces = all.map((viewer) => {
      const count = { value: 0 };
      viewer.response.on('data', () => count.value++);
      return count;
    });
    for (let i = 1; i <= 20; i++) stream.publish(packet(AUDIO, i * 20));
    await vi.waitFor(() => expect(all.every((viewer) => viewer.summary.endsWith('a400'))).toBe(true));
    expect(new Set(all.map((viewer) => viewer.summary)).size).toBe(1);
    for (const { value } of pieces) expect(value).toBeLessThanOrEqual(4);
    expect(stream.readerCount).toBe(1);
    expect(stream.viewers).toBe(60);
  });

  it('are refused beyond the limit, until one leaves', async () => {
    await restart({ maxViewers: 2 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const first = await fixture.view('/flv/cam.flv');
    await fixture.view('/flv/cam.flv');
    const { status, body, headers } = await fixture.refusal('/flv/cam.flv');
    expect(status).toBe(503);
    expect(body).toMatchObject({ message: expect.stringContaining('flv_max_viewers') });
    expect(headers.get('retry-after')).toBe('2');
    first.close();
    await vi.waitFor(() => expect(fixture.flv.viewerCount).toBe(1));
    expect((await fixture.view('/flv/cam.flv')).response.statusCode).toBe(200);
  });
});

describe('a session', () => {
  it('is listed with its connection, its figures and the parameters of its URL', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 40 });
    const viewer = await fixture.view('/flv/cam.flv?token=abc&__proto__=x');
    await vi.waitFor(() => expect(viewer.tags).toHaveLength(5));
    const [session] = [...fixture.hub.sessions.all()].map((s) => s.describe());
    expect(session).toMatchObject({
      protocol: 'flv',
      mediaProvider: 'HTTP-FLV',
      mediaType: 'play',
      streamName: 'cam',
      status: 'PLAYING',
      remoteAddress: '127.0.0.1',
      bytesOut: viewer.bytes,
      packets: 2,
      custom: { token: 'abc' },
    });
    const connection = fixture.hub.connections.get(session?.sessionId ?? '');
    expect(connection?.describe()).toMatchObject({
      mediaProvider: 'HTTP-FLV',
      status: 'ESTABLISHED',
      keepAlive: false,
    });
    connection?.close('test');
    expect(await viewer.ended).toBe(true);
    expect(fixture.hub.sessions.totals()).toContainEqual(
      expect.objectContaining({ protocol: 'flv', active: 0, opened: 1, packets: 2, bytesOut: viewer.bytes }),
    );
  });

  it('ends when it is told to', async () => {
    feed(fixture.hub.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 40 });
    const viewer = await fixture.view('/flv/cam.flv');
    for (const session of [...fixture.hub.sessions.all()]) session.close('by REST');
    expect(await viewer.ended).toBe(true);
    expect(fixture.hub.sessions.size).toBe(0);
  });

  it('of a viewer who does not read ends in time when the server stops', async () => {
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    feed(stream, { fromMs: 0, toMs: 1000, bytes: 1_000_000 });
    const viewer = await fixture.view('/flv/cam.flv');
    viewer.response.pause();
    const started = performance.now();
    await fixture.flv.close();
    expect(performance.now() - started).toBeLessThan(2000);
    expect(fixture.connections).toBe(0);
    expect((await fixture.refusal('/flv/cam.flv')).status).toBe(503);
  });
});
