import { ErrorBody, StreamObject } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AAC, ControlFixture, H264 } from '../testing/control-fixture.ts';

let fixture: ControlFixture;
let base: string;

beforeEach(async () => {
  fixture = new ControlFixture();
  base = await fixture.start();
});

afterEach(() => fixture.close());

const PLAY = { mediaType: 'play', status: 'PLAYING' } as const;

function call(method: string, body?: unknown): Promise<Response> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  return fetch(`${base}/rest-api/stream/${method}`, init);
}

async function find(body?: unknown): Promise<StreamObject[]> {
  const response = await call('find', body);
  expect(response.status).toBe(200);
  const objects = (await response.json()) as StreamObject[];
  for (const object of objects) expect(Value.Check(StreamObject, object)).toBe(true);
  return objects;
}

async function ids(body?: unknown): Promise<string[]> {
  return (await find(body)).map((object) => object.mediaSessionId);
}

async function refusal(response: Promise<Response>, status: number): Promise<string> {
  const { status: answered, ...rest } = await response.then(async (r) => ({ status: r.status, body: await r.json() }));
  expect(answered).toBe(status);
  expect(Value.Check(ErrorBody, rest.body)).toBe(true);
  return (rest.body as ErrorBody).message;
}

/** `room` with a publisher `p` and players `a` (RTMP) and `h` (HLS); `voice` with a publisher `q`, sound only. */
function populate(): void {
  fixture.publish('room', { mediaSessionId: 'p', sessionId: '/1' });
  fixture.addSession('room', { ...PLAY, mediaSessionId: 'a', sessionId: '/2' });
  fixture.addSession('room', { ...PLAY, mediaSessionId: 'h', sessionId: '/3', protocol: 'hls', mediaProvider: 'HLS' });
  fixture.addSession('voice', { mediaSessionId: 'q', sessionId: '/4', appKey: 'other' });
  const voice = fixture.streams.publish('voice', { sessionId: 'q', close: () => {} });
  voice.publish({ track: AAC, units: [], ptsUs: 0, dtsUs: 0, key: true, byteLength: 10 });
}

describe('/stream/find', () => {
  it.each([
    [{}, ['p', 'a', 'h', 'q']],
    [undefined, ['p', 'a', 'h', 'q']],
    [{ mediaSessionId: 'a' }, ['a']],
    [{ name: 'room' }, ['p', 'a', 'h']],
    [{ name: 'room', status: 'PLAYING' }, ['a', 'h']],
    [{ published: true }, ['p', 'q']],
    [{ published: 'false' }, ['a', 'h']],
    [{ sessionId: '/3' }, ['h']],
    [{ appKey: 'other' }, ['q']],
    [{ hasVideo: false }, ['q']],
    [{ hasAudio: 'TRUE', hasVideo: true, published: true }, ['p']],
    [{ mediaType: 'play', mediaProvider: 'HLS' }, ['h']],
    [{ videoCodec: 'H264', published: true }, ['p']],
    [{ mediaSessionId: null, name: 'voice', unknown: { a: 1 } }, ['q']],
  ])('finds by %j', async (filter, expected) => {
    populate();
    expect(await ids(filter)).toEqual(expected);
  });

  it('answers 404 when nothing matches, also by names that every object has', async () => {
    populate();
    expect(await refusal(call('find', { name: 'nobody' }), 404)).toBe('no stream matches');
    expect(await refusal(call('find', { name: 'room', published: true, status: 'PLAYING' }), 404)).toContain('no');
    expect(await ids({ constructor: 'x', toString: 1 })).toHaveLength(4);
  });

  it.each([
    [{ published: 'maybe' }, 'published is true or false'],
    [{ hasVideo: 1 }, 'hasVideo is true or false'],
    [{ name: ['a'] }, 'name is a text'],
    [{ name: {} }, 'name is a text'],
    [{ display: { a: 1 } }, 'display is a list'],
    [{ display: ['metrics', 1, {}] }, 'display[2] is a text'],
    [{ name: 'x'.repeat(5000) }, 'name has at most 4096 characters'],
  ])('answers 400 to %j and says what is allowed', async (filter, message) => {
    populate();
    expect(await refusal(call('find', filter), 400)).toBe(message);
    expect(fixture.errors).toEqual([]);
  });

  it('tells of a WebRTC player what was negotiated with it, not what the stream is', async () => {
    fixture.publish('room');
    const negotiated = {
      sdp: 'v=0',
      videoCodec: undefined,
      audioCodec: 'opus',
      minBitrateBps: 300_000,
      maxBitrateBps: 1_000_000,
      videoOrientation: true,
    };
    fixture.addSession('room', { ...PLAY, mediaSessionId: 'w', mediaProvider: 'WebRTC', negotiated });
    const [object] = await find({ mediaSessionId: 'w', hasVideo: false });
    const expected = { sdp: 'v=0', audioCodec: 'opus', hasAudio: true, minBitrate: 300, maxBitrate: 1000 };
    expect(object).toMatchObject({ ...expected, cvoExtension: true });
    expect(object).not.toHaveProperty('videoCodec');
  });

  it('finds a stream whose name is a number, which clients may send as one', async () => {
    fixture.publish('42', { mediaSessionId: 'n' });
    expect(await ids({ name: 42 })).toEqual(['n']);
  });
});

describe('metrics of /stream/find', () => {
  it('are told when they are asked for, with all keys of WCS', async () => {
    const stream = fixture.publish('room', { mediaSessionId: 'p', drops: { broken: 2, not_carried: 9 } });
    stream.videoRate.sample(1000);
    const frames = ['P', 'B', 'B', 'P', 'K', 'P'];
    const ptsMs = [160, 80, 120, 200, 240, 280];
    for (const [i, kind] of frames.entries()) {
      const us = (i + 1) * 40_000;
      const ptsUs = (ptsMs[i] ?? 0) * 1000;
      stream.publish({ track: H264, units: [], ptsUs, dtsUs: us, key: kind === 'K', byteLength: 500 });
      stream.publish({ track: AAC, units: [], ptsUs: us, dtsUs: us, key: true, byteLength: 50 });
    }
    stream.videoRate.sample(3000);
    expect((await find({ name: 'room' }))[0]).not.toHaveProperty('metrics');
    const [object] = await find({ name: 'room', display: ['metrics', 'other'] });
    expect(object?.metrics).toEqual({
      VIDEO_WIDTH: 1280,
      VIDEO_HEIGHT: 720,
      VIDEO_RATE: 12_000,
      VIDEO_SYNC: 0,
      VIDEO_FPS: 3,
      VIDEO_NACK: 0,
      VIDEO_PLI: 0,
      VIDEO_CODEC: 119,
      VIDEO_K_FRAMES: 2,
      VIDEO_P_FRAMES: 3,
      VIDEO_B_FRAMES: 2,
      VIDEO_GOP_SIZE: 5,
      VIDEO_LOST: 2,
      AUDIO_SYNC: 0,
      AUDIO_RATE: 0,
      AUDIO_LOST: 0,
      AUDIO_CODEC: 96,
    });
  });

  it('tell by how much the picture arrives after the sound', async () => {
    const stream = fixture.publish('room');
    const send = (track: typeof H264, ms: number): void =>
      stream.publish({ track, units: [], ptsUs: ms * 1000, dtsUs: ms * 1000, key: true, byteLength: 1 });
    for (let i = 0; i < 200; i++) {
      send(H264, i * 40);
      send(AAC, i * 40 + 700);
    }
    const [object] = await find({ display: 'metrics' });
    expect(object?.metrics?.VIDEO_SYNC).toBeGreaterThan(690);
    expect(object?.metrics?.VIDEO_SYNC).toBeLessThan(710);
    expect(object?.metrics?.AUDIO_SYNC).toBe(-(object?.metrics?.VIDEO_SYNC ?? 0));
  });

  it('have what RTP tells of the session', async () => {
    fixture.publish('room');
    const media = [
      { kind: 'video', delivery: 'as_is', nacks: 5, plis: 2, packetsLost: 9 },
      { kind: 'audio', delivery: 'as_is', nacks: 1, packetsLost: 4 },
    ] as const;
    fixture.addSession(
      'room',
      { ...PLAY, mediaSessionId: 'w', drops: { slow_viewer: 1 } },
      { explain: () => ({ media }) },
    );
    const [object] = await find({ mediaSessionId: 'w', display: 'metrics' });
    expect(object?.metrics).toMatchObject({ VIDEO_NACK: 5, VIDEO_PLI: 2, VIDEO_LOST: 10, AUDIO_LOST: 4 });
  });

  it('are those of the stream for a player, with its own losses, and 0 while it waits for one', async () => {
    fixture.publish('voice', { mediaSessionId: 'p', drops: { broken: 1 } });
    fixture.addSession('voice', { ...PLAY, mediaSessionId: 'v', drops: { slow_viewer: 7 } });
    fixture.addSession('later', { ...PLAY, mediaSessionId: 'w', drops: {} });
    const [player] = await find({ mediaSessionId: 'v', display: ['metrics'] });
    expect(player?.metrics).toMatchObject({ VIDEO_K_FRAMES: 1, VIDEO_LOST: 7 });
    const [waiting] = await find({ mediaSessionId: 'w', display: ['metrics'] });
    expect(waiting?.metrics).toMatchObject({ VIDEO_K_FRAMES: 0, VIDEO_CODEC: -1, AUDIO_CODEC: -1, VIDEO_WIDTH: 0 });
  });
});

describe('/stream/terminate', () => {
  async function terminate(body: unknown): Promise<string[]> {
    const response = await call('terminate', body);
    expect([response.status, await response.text()]).toEqual([200, '']);
    return fixture.closed;
  }

  it.each([
    [{ mediaSessionId: 'a' }, ['room']],
    [{ mediaSessionIds: ['a', 'h', 'unknown'] }, ['room', 'room']],
    [{ mediaSessionIds: ['a', 'h'], sessionId: '/3' }, ['room']],
    [{ name: 'voice', status: 'PUBLISHING' }, ['voice']],
    [{ published: false }, ['room', 'room']],
    [{ sessionId: '/4' }, ['voice']],
    [{ appKey: 'flashStreamingApp' }, ['room', 'room', 'room']],
  ])('ends what matches %j and nothing else', async (filter, names) => {
    populate();
    expect(await terminate(filter)).toEqual(names.map((name) => `${name}: Stopped by rest /terminate`));
  });

  it('ends a publication’s stream for its players at once', async () => {
    populate();
    const ends: string[] = [];
    fixture.streams.get('room')?.attach({ startAt: 'live', onReadable: () => {}, onEnd: (why) => void ends.push(why) });
    await terminate({ mediaSessionId: 'a' });
    expect(ends).toEqual([]);
    await terminate({ mediaSessionId: 'p' });
    expect(ends).toEqual(['Stopped by rest /terminate']);
  });

  it.each([{}, { mediaSessionId: null }, { unknown: 'x' }])(
    'ends nothing without a field that it knows: %j',
    async (body) => {
      populate();
      expect(await refusal(call('terminate', body), 400)).toMatch(
        /^say what to end: .*rest_terminate_all_enabled=true$/,
      );
      expect(fixture.closed).toEqual([]);
    },
  );

  it.each([{ name: 'nobody' }, { mediaSessionIds: [] }, { mediaSessionIds: ['x'] }])(
    'answers 404 when nothing matches %j',
    async (body) => {
      populate();
      expect(await refusal(call('terminate', body), 404)).toBe('no stream matches');
      expect(fixture.closed).toEqual([]);
    },
  );

  it('ends nothing for values of a wrong type', async () => {
    populate();
    expect(await refusal(call('terminate', { mediaSessionIds: [{}] }), 400)).toBe('mediaSessionIds[0] is a text');
    expect(fixture.closed).toEqual([]);
  });
});
