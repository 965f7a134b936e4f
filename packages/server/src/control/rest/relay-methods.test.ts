import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MediaServerError, type TransportStreamInput, type TransportStreamStart } from '../../core/index.ts';
import { ControlFixture } from '../testing/control-fixture.ts';
import { ScriptedRelays } from '../testing/scripted-relays.ts';

let fixture: ControlFixture;
let relays: ScriptedRelays;
let inputs: TransportStreamInput[];
let starts: TransportStreamStart[];
let base: string;

beforeEach(async () => {
  fixture = new ControlFixture();
  fixture.publish('room', { mediaSessionId: 'p' });
  relays = new ScriptedRelays();
  inputs = [];
  starts = [];
  const transportStreams = {
    startup: async (start: TransportStreamStart) => {
      if (start.allowedList?.includes('nonsense')) throw new MediaServerError('CONFIG_INVALID', 'no address: nonsense');
      starts.push(start);
      const { streamName, transport, timeoutMs = 90_000, maxTimestampDiffS = 1, allowedList = [] } = start;
      const input: TransportStreamInput = {
        ...{ mediaSessionId: 'ts', streamName, uri: `${transport}://host:31014`, receiving: false, notes: [] },
        ...{ protocol: transport === 'srt' ? 'srt' : 'mpegts', hasVideo: false, hasAudio: false },
        ...{ timeoutMs, maxTimestampDiffS, allowedList },
      };
      inputs.push(input);
      return input;
    },
    all: () => inputs,
    end: (matches: (input: TransportStreamInput) => boolean) => {
      const before = inputs.length;
      inputs = inputs.filter((input) => !matches(input));
      return before - inputs.length;
    },
  };
  base = await fixture.start({ relays, transportStreams, pushPrefix: 'rtmp_', agentScheme: 'wss' });
});

afterEach(() => fixture.close());

async function call(path: string, body: object = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${base}/rest-api${path}`, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, body: text === '' ? '' : JSON.parse(text) };
}

const statusOf = async (path: string, body?: object): Promise<number> => (await call(path, body)).status;
const messageOf = async (path: string, body?: object): Promise<unknown> =>
  ((await call(path, body)).body as { message: unknown }).message;

describe('/push', () => {
  const START = { streamName: 'room', rtmpUrl: 'rtmp://target/live' };

  async function push(body: object = {}): Promise<{ mediaSessionId: string }> {
    const answer = await call('/push/startup', { ...START, ...body });
    expect(answer.status).toBe(200);
    return answer.body as { mediaSessionId: string };
  }

  it('begins with the object of WCS, and 409 the second time', async () => {
    expect(await push()).toMatchObject({
      streamName: 'rtmp_room',
      rtmpUrl: 'rtmp://target/live',
      width: 1280,
      height: 720,
      muted: false,
      soundEnabled: false,
      options: {},
      status: 'NEW',
    });
    expect(await statusOf('/push/startup', START)).toBe(409);
    expect(await statusOf('/push/startup', { streamName: 'room' })).toBe(400);
  });

  it('hands on the address as it is, the version, and how it begins', async () => {
    const sound = { action: 'sound_on', soundFile: 'sample.wav', loop: 'true' };
    await push({ rtmpTransponderFullUrl: 'true', rtmpFlashVersion: 'FMLE/3.0', options: sound, appKey: 'mine' });
    expect(relays.starts).toEqual([
      {
        streamName: 'room',
        url: 'rtmp://target/live',
        appKey: 'mine',
        fullUrl: true,
        flashVersion: 'FMLE/3.0',
        muted: false,
        sound: { file: 'sample.wav', loop: true },
      },
    ]);
    expect((await call('/push/find_all')).body).toMatchObject([
      { soundEnabled: true, options: { action: 'sound_on', soundFile: 'sample.wav', loop: true } },
    ]);
    expect(await messageOf('/push/startup', { ...START, options: { action: 'sound_on' } })).toContain('soundFile');
  });

  it('finds by the name with and without prefix, mutes, plays sounds, ends', async () => {
    const { mediaSessionId } = await push();
    expect(await statusOf('/push/find', { streamName: 'rtmp_room' })).toBe(200);
    expect(await statusOf('/push/find', { streamName: 'room', rtmpUrl: START.rtmpUrl })).toBe(200);
    expect(await statusOf('/push/find', { streamName: 'hall' })).toBe(404);
    expect(await statusOf('/push/mute', { mediaSessionId })).toBe(200);
    expect(await statusOf('/push/sound_on', { mediaSessionId, soundFile: 'a.wav', loop: false })).toBe(200);
    expect((await call('/push/find_all')).body).toMatchObject([{ muted: true, soundEnabled: true }]);
    expect(await statusOf('/push/unmute', { mediaSessionId })).toBe(200);
    expect(await statusOf('/push/sound_off', { mediaSessionId, soundFile: 'a.wav', loop: false })).toBe(200);
    expect((await call('/push/find_all')).body).toMatchObject([{ muted: false, soundEnabled: false }]);
    expect(await statusOf('/push/terminate', { mediaSessionId })).toBe(200);
    for (const method of ['terminate', 'mute', 'unmute', 'sound_off'])
      expect(await statusOf(`/push/${method}`, { mediaSessionId })).toBe(404);
    expect(await statusOf('/push/find_all')).toBe(404);
  });

  it('ends by its id what it began, by WebRTC too', async () => {
    const { mediaSessionId } = await push({ rtmpUrl: 'ws://target:8080' });
    expect(await statusOf('/push/terminate', { mediaSessionId })).toBe(200);
    expect(relays.all()).toEqual([]);
  });

  it('tells how it goes: the last error, and when it is tried again', async () => {
    const { mediaSessionId } = await push();
    const lastError = { message: 'connection refused', atMs: 5000.7 };
    relays.change(mediaSessionId, { state: 'waiting', attempts: 3, lastError, nextAttemptAtMs: 7000.2 });
    expect((await call('/push/find_all')).body).toMatchObject([
      { status: 'PENDING', state: 'waiting', attempts: 3, lastError: 'connection refused', nextAttemptTime: 7000 },
    ]);
  });
});

describe('/pull', () => {
  const PULL = { uri: 'ws://other:8080', localStreamName: 'here', remoteStreamName: 'there' };

  it('pulls from servers of its kind, by addresses without scheme too', async () => {
    expect(await call('/pull/pull', PULL)).toEqual({ status: 200, body: '' });
    expect(await statusOf('/pull/pull', PULL)).toBe(409);
    expect(await statusOf('/pull/startup', { uri: 'other:8443', remoteStreamName: 'x', record: 'true' })).toBe(200);
    expect(relays.starts).toMatchObject([
      { url: 'ws://other:8080', streamName: 'here', remoteStreamName: 'there' },
      { url: 'wss://other:8443', streamName: 'x', record: true },
    ]);
    expect(await messageOf('/pull/pull', { uri: 'ws://other' })).toContain('remoteStreamName');
    expect((await call('/pull/find', { uri: 'other:8443' })).body).toMatchObject([{ uri: 'wss://other:8443' }]);
    expect((await call('/pull/find_all')).body).toMatchObject([
      { uri: 'ws://other:8080', localStreamName: 'here', remoteMediaSessionId: null, status: 'NEW' },
      { record: true },
    ]);
  });

  it('answers an empty list, not 404, when there is nothing', async () => {
    for (const path of ['/pull/find_all', '/pull/find', '/pull/rtmp/find_all'])
      expect(await call(path)).toEqual({ status: 200, body: [] });
  });

  it('ends by any of its names, with /websocket at the end of the address or without', async () => {
    await call('/pull/pull', { ...PULL, uri: 'ws://other:8080/websocket' });
    expect(await statusOf('/pull/terminate')).toBe(400);
    expect(await statusOf('/pull/terminate', { ...PULL, remoteStreamName: 'elsewhere' })).toBe(404);
    expect(await statusOf('/pull/terminate', PULL)).toBe(200);
    expect(relays.relays).toEqual([]);
  });

  it('pushes by WebRTC, and keeps that apart from /push', async () => {
    expect(await statusOf('/pull/push', { uri: 'whip://other/whip', localStreamName: 'room' })).toBe(200);
    expect((await call('/pull/find_all')).body).toMatchObject([{ direction: 'push', localStreamName: 'room' }]);
    expect(await statusOf('/push/find_all')).toBe(404);
  });

  it('pulls RTMP by its own methods, under the address when there is no name', async () => {
    const uri = 'rtmp://other/live/one';
    expect(await statusOf('/pull/rtmp/pull', { uri })).toBe(200);
    expect(await statusOf('/pull/rtmp/pull', { uri: 'http://other' })).toBe(400);
    expect((await call('/pull/rtmp/find_all')).body).toMatchObject([{ uri, localStreamName: uri }]);
    expect(await statusOf('/pull/rtmp/terminate', { uri })).toBe(200);
    expect(await statusOf('/pull/rtmp/terminate', { uri })).toBe(404);
  });

  it('says why an address is refused', async () => {
    relays.refusal = new MediaServerError('URL_DENIED', '10.0.0.1 is private (outbound_private_networks)');
    expect(await call('/pull/pull', PULL)).toMatchObject({ status: 403, body: { message: relays.refusal.message } });
  });
});

describe('/rtsp', () => {
  const uri = 'rtsp://user:secret@camera/1';

  it('pulls a camera, finds it by any of its values, ends it', async () => {
    expect(await call('/rtsp/startup', { uri, localStreamName: 'door' })).toEqual({ status: 200, body: '' });
    expect(await statusOf('/rtsp/startup', { uri, localStreamName: 'door' })).toBe(409);
    expect(await statusOf('/rtsp/startup', { uri: 'rtmp://x/y' })).toBe(400);
    const [relay] = relays.relays;
    relays.change(relay?.mediaSessionId ?? '', { state: 'running', hasVideo: true, notes: ['audio left out'] });
    expect((await call('/rtsp/find', { status: 'PLAYING' })).body).toMatchObject([
      { uri, status: 'PLAYING', localStreamName: 'door', hasVideo: true, hasAudio: false, notes: ['audio left out'] },
    ]);
    expect(await statusOf('/rtsp/find', { uri: 'rtsp://camera/1' })).toBe(404);
    expect(await statusOf('/rtsp/find_all')).toBe(200);
    expect(await statusOf('/rtsp/terminate')).toBe(400);
    expect(await statusOf('/rtsp/terminate', { uri, status: 'PLAYING' })).toBe(200);
    expect(await statusOf('/rtsp/find_all')).toBe(404);
  });
});

describe('/mpegts', () => {
  it('tells the caller what is wrong with what it gives', async () => {
    const body = { localStreamName: 'field', transport: 'udp', allowedList: ['nonsense'] };
    expect(await call('/mpegts/startup', body)).toMatchObject({
      status: 400,
      body: { message: 'no address: nonsense' },
    });
  });

  it('opens a port, lists it, ends it', async () => {
    const start = {
      localStreamName: 'field',
      transport: 'SRT',
      timeout: '5000',
      hasAudio: 'false',
      allowedList: '::1',
    };
    expect(await call('/mpegts/startup', start)).toEqual({
      status: 200,
      body: {
        localMediaSessionId: 'ts',
        localStreamName: 'field',
        uri: 'srt://host:31014',
        status: 'CONNECTED',
        hasAudio: false,
        hasVideo: false,
        record: false,
        transport: 'SRT',
        cdn: false,
        timeout: 5000,
        maxTimestampDiff: 1,
        allowedList: ['::1'],
        notes: [],
      },
    });
    expect(starts).toMatchObject([{ streamName: 'field', transport: 'srt', timeoutMs: 5000, hasAudio: false }]);
    expect(await statusOf('/mpegts/find', { localStreamName: 'field' })).toBe(200);
    expect(await statusOf('/mpegts/find', { localStreamName: 'meadow' })).toBe(404);
    expect(await statusOf('/mpegts/terminate')).toBe(400);
    expect(await statusOf('/mpegts/terminate', { uri: 'srt://host:31014' })).toBe(200);
    expect(await statusOf('/mpegts/find_all')).toBe(404);
  });
});
