import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MediaServerError, type VideoForm } from '../../core/index.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';
import { boxesOf, MseFixture, type MseViewer } from './testing/mse-fixture.ts';
import { AUDIO, feed, PUBLISHER, packet, VIDEO } from './testing/packets.ts';

let fixture: MseFixture;

beforeEach(async () => {
  fixture = await MseFixture.start();
});

afterEach(() => fixture.close());

async function restart(...args: Parameters<typeof MseFixture.start>): Promise<void> {
  await fixture.close();
  fixture = await MseFixture.start(...args);
}

function live(toMs = 1080, options: { gopMs?: number; bytes?: number } = {}) {
  const stream = fixture.hub.streams.publish('cam', PUBLISHER);
  feed(stream, { fromMs: 0, toMs, ...options });
  return stream;
}

/** Decoding time of the first track of a fragment, milliseconds (`tfdt`, ISO 14496-12 §8.8.12). */
function timeMs(message: Buffer, rate = 90): number {
  return Number(message.readBigUInt64BE(message.indexOf('tfdt') + 8)) / rate;
}

async function fragments(viewer: MseViewer, count: number): Promise<Buffer[]> {
  const moofs = (): Buffer[] => viewer.messages.filter((message) => boxesOf(message)[0]?.type === 'moof');
  await vi.waitFor(() => expect(moofs().length).toBeGreaterThanOrEqual(count));
  return moofs();
}

describe('a viewer at /mse/', () => {
  it('is told the codecs, then given the init segment and a fragment for each frame from the newest key frame on', async () => {
    live(1080);
    const viewer = await fixture.view('/mse/cam');
    await fragments(viewer, 4);
    expect(viewer.order.slice(0, 3)).toEqual(['init', 'ftyp', 'moof']);
    expect(viewer.texts[0]).toEqual({
      type: 'init',
      codecs: 'video/mp4; codecs="avc1.42C01E,mp4a.40.2"',
      video: { codec: 'h264', width: 640, height: 360 },
      audio: { codec: 'aac', sampleRate: 48_000, channels: 2 },
      fragment: 'frame',
    });
    const [first] = await fragments(viewer, 4);
    expect(first && timeMs(first)).toBe(1000);
    expect(boxesOf(first ?? Buffer.alloc(0)).map(({ type }) => type)).toEqual(['moof', 'mdat']);
  });

  it('gets the picture in the size that it asks for, when that can be had', async () => {
    const converter = new RelabelConverter();
    const asked: unknown[] = [];
    const renditions = {
      admit: (_stream: unknown, form: VideoForm): void => {
        asked.push(form);
        if (form.height === 1080) throw new MediaServerError('TRANSCODING_LIMIT', 'no processor time is left');
      },
    };
    await restart({}, { converter, renditions });
    live();
    await fixture.view('/mse/cam?width=320&bitrate=500');
    await vi.waitFor(() =>
      expect(converter.opened.map(({ wanted }) => wanted.picture)).toEqual([{ width: 320, bitrateBps: 500_000 }]),
    );
    const refused = await fixture.view('/mse/cam?height=1080');
    expect(await refused.closed).toMatchObject({ code: 4503 });
    expect(refused.texts).toEqual([{ type: 'error', status: 503, message: 'no processor time is left' }]);
    expect(asked).toEqual([{ width: 320, bitrateBps: 500_000 }, { height: 1080 }]);
  });

  it('is told when the size that it asked for is not made any more', async () => {
    const converter = new RelabelConverter();
    await restart({}, { converter });
    live();
    const viewer = await fixture.view('/mse/cam?width=320');
    await vi.waitFor(() => expect(converter.opened).toHaveLength(1));
    converter.opened[0]?.fail('the machine can not keep up');
    expect((await viewer.closed).code).toBe(4503);
    expect(viewer.texts.at(-1)).toEqual({ type: 'error', status: 503, message: 'the machine can not keep up' });
  });

  it('is a session of the protocol mse, counted at its stream', async () => {
    const stream = live();
    const viewer = await fixture.view('/mse/cam?token=abc&appKey=app');
    await fragments(viewer, 2);
    const [session] = [...fixture.hub.sessions.all()];
    const told = { protocol: 'mse', mediaProvider: 'MSE', streamName: 'cam', appKey: 'app', custom: { token: 'abc' } };
    expect(session?.describe()).toMatchObject({ ...told, status: 'PLAYING' });
    expect(session?.explain?.().media).toMatchObject([{ delivery: 'as_is', codec: 'h264' }, { codec: 'aac' }]);
    expect(stream.viewers).toBe(1);
    viewer.webSocket.close();
    await vi.waitFor(() => expect([stream.viewers, stream.readerCount, fixture.mse.viewerCount]).toEqual([0, 0, 0]));
  });

  it('shares the packaging with all others who watch the same', async () => {
    const stream = live();
    await Promise.all(Array.from({ length: 5 }, () => fixture.view('/mse/cam')));
    await vi.waitFor(() => expect(stream.viewers).toBe(5));
    expect(stream.readerCount).toBe(1);
  });

  it('gets a new init segment with its codecs when the configuration changes, and none for mere metadata', async () => {
    const stream = live(40);
    const viewer = await fixture.view('/mse/cam');
    await fragments(viewer, 1);
    stream.setMetadata({ title: 'x' }, 10);
    stream.publish(packet(VIDEO, 80, { key: false }));
    const mono = { ...AUDIO, parameters: [Uint8Array.of(0x11, 0x88)] };
    stream.publish(packet(mono, 90));
    const inits = () => viewer.texts.filter(({ type }) => type === 'init');
    await vi.waitFor(() => expect(inits()).toHaveLength(2));
    expect(inits()[1]).toMatchObject({ audio: { channels: 1 } });
    await vi.waitFor(() => expect(viewer.order.join(' ')).toMatch(/moof init ftyp moof$/));
  });

  it('gets parts of the length that it asks for, each key frame at once', async () => {
    const stream = live(40);
    const viewer = await fixture.view('/mse/cam?part=200');
    feed(stream, { fromMs: 40, toMs: 1280, gopMs: 5000 });
    const parts = await fragments(viewer, 6);
    expect(viewer.texts[0]).toMatchObject({ fragment: 200 });
    // A key frame, the sound up to the next one, that key frame, then 200 ms each: five pictures and their sound.
    const [first, , second, ...rest] = parts;
    expect([first, second].map((part) => part && timeMs(part))).toEqual([0, 40]);
    for (const part of rest.slice(0, 3)) expect(part.length).toBeGreaterThan(14 * 100);
  });

  it('gets only the kinds that it wants', async () => {
    live();
    const sound = await fixture.view('/mse/cam?video=0');
    const picture = await fixture.view('/mse/cam?audio=0');
    await Promise.all([fragments(sound, 1), fragments(picture, 1)]);
    expect(sound.texts[0]).toMatchObject({ codecs: 'audio/mp4; codecs="mp4a.40.2"' });
    expect(picture.texts[0]).toMatchObject({ codecs: 'video/mp4; codecs="avc1.42C01E"' });
  });

  it('is told the end by a text and a close frame', async () => {
    const stream = live();
    const viewer = await fixture.view('/mse/cam');
    await fragments(viewer, 1);
    fixture.hub.streams.unpublish(stream, PUBLISHER, 'publisher stopped');
    expect(await viewer.closed).toEqual({ code: 1000, reason: 'publisher stopped' });
    expect(viewer.texts.at(-1)).toEqual({ type: 'end', status: 'STOPPED', reason: 'Stopped by publisher stop' });
  });

  it('is told by a text and a close code what is wrong', async () => {
    const viewer = await fixture.view('/mse/nothing');
    expect((await viewer.closed).code).toBe(4404);
    expect(viewer.texts).toMatchObject([{ type: 'error', status: 404 }]);
    expect(fixture.hub.counters.of('mse_refused')).toBe(1);
  });

  it('is refused in the handshake for what can not be read, and beyond the limit', async () => {
    for (const path of ['/mse/', '/mse/%zz', '/mse/a?video=0&audio=0', '/mse/a?codecs=vp8', '/mse/a?part=1'])
      await expect(fixture.view(path)).rejects.toThrow(/40[04]/);
    await restart({ maxViewers: 1 });
    live();
    await fixture.view('/mse/cam');
    await expect(fixture.view('/mse/cam')).rejects.toThrow('503');
    await restart({ allowsOrigin: (origin) => origin === undefined });
    await expect(fixture.view('/mse/cam', { origin: 'http://other.example' })).rejects.toThrow('403');
  });

  it('is refused by the access control with its words', async () => {
    const access = {
      ...fixture.hub.access,
      connect: async () => {
        throw new MediaServerError('ACCESS_DENIED', 'not for you');
      },
    };
    await restart({}, { access });
    live();
    const viewer = await fixture.view('/mse/cam');
    expect(await viewer.closed).toEqual({ code: 4403, reason: 'not for you' });
  });

  it('who reads nothing for too long is dropped', async () => {
    await restart({ viewerStallTimeoutMs: 100 });
    const stream = live(40);
    const viewer = await fixture.view('/mse/cam');
    await fragments(viewer, 1);
    viewer.webSocket.pause();
    for (let ms = 80; ms < 4000; ms += 40) stream.publish(packet(VIDEO, ms, { key: ms % 400 === 0, bytes: 200_000 }));
    await vi.waitFor(() => expect(fixture.mse.viewerCount).toBe(0), 5000);
    expect(fixture.hub.counters.of('mse_slow_viewers')).toBe(1);
  });

  it('is told the time of the stream now and then', async () => {
    await restart({ keepAliveIntervalMs: 10 });
    live();
    const viewer = await fixture.view('/mse/cam');
    await vi.waitFor(() => expect(viewer.texts.find(({ type }) => type === 'clock')).toBeDefined(), 3000);
    const clock = viewer.texts.find(({ type }) => type === 'clock');
    expect(clock).toMatchObject({ streamMs: 1067, serverMs: expect.any(Number) as number });
    expect(viewer.texts[0]).toMatchObject({ type: 'init' });
  });

  it('is told no time before the codecs, however long it waits for a key frame', async () => {
    await restart({ keepAliveIntervalMs: 1 });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    stream.setTrack(VIDEO);
    stream.setTrack(AUDIO);
    stream.publish(packet(VIDEO, 0, { key: false }));
    const viewer = await fixture.view('/mse/cam');
    await vi.waitFor(() => expect(stream.viewers).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 1200));
    stream.publish(packet(VIDEO, 40));
    await fragments(viewer, 1);
    expect(viewer.texts[0]).toMatchObject({ type: 'init' });
  });

  it('gets what pages do not play as H.264 and AAC, and Opus only when it asks for it', async () => {
    const converter = new RelabelConverter();
    await restart({}, { converter });
    const stream = fixture.hub.streams.publish('cam', PUBLISHER);
    const opus = {
      ...AUDIO,
      codec: 'opus' as const,
      parameters: [Buffer.from('4f7075734865616401020000 80bb0000 000000'.replace(/ /g, ''), 'hex')],
    };
    const vp8 = { ...VIDEO, codec: 'vp8' as const, parameters: [] };
    for (let ms = 0; ms < 1000; ms += 40) {
      stream.publish(packet(vp8, ms, { key: ms === 0 }));
      stream.publish(packet(opus, ms));
    }
    const viewer = await fixture.view('/mse/cam');
    await vi.waitFor(() =>
      expect(viewer.texts[0]).toMatchObject({ video: { codec: 'h264' }, audio: { codec: 'aac' } }),
    );
    const other = await fixture.view('/mse/cam?audio=opus');
    await vi.waitFor(() =>
      expect(other.texts[0]).toMatchObject({ video: { codec: 'h264' }, audio: { codec: 'opus' } }),
    );
  });
});

describe('a plain request at /mse/', () => {
  it('is answered with 426 and words', async () => {
    const asked = request({ port: fixture.port, path: '/mse/cam' }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect([response.statusCode, response.headers.upgrade]).toEqual([426, 'websocket']);
    expect(Buffer.concat(chunks).toString()).toMatch(/WebSocket/);
  });
});
