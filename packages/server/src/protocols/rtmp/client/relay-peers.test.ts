import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { MediaPacket } from '@sluice/media';
import { generate } from 'selfsigned';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { encodedClip, shifted } from '../testing/clip.ts';
import { freePort, Nginx } from '../testing/nginx.ts';
import { facts, RelayRig } from '../testing/relay-rig.ts';
import { RtmpRig } from '../testing/rig.ts';

/** Streams are older than what is told of their time: beyond the 24 bits of a chunk's own time. */
const FIVE_HOURS_US = 5 * 3600 * 1_000_000;

let clip: MediaPacket[];
let rig: RelayRig;
let nginx: Nginx;

beforeAll(async () => {
  [clip, nginx] = await Promise.all([encodedClip(), Nginx.start()]);
  expect(clip.some(({ ptsUs, dtsUs }) => ptsUs - dtsUs > 40_000)).toBe(true);
});
afterAll(() => nginx.stop());
afterEach(() => rig.close());

function publishAll(stream: ReturnType<RelayRig['stream']>, packets: readonly MediaPacket[]): void {
  for (const packet of packets) stream.publish(packet);
}

/** All frames that went in have come out, bytes, times and order, B-frames included. */
async function expectSame(came: readonly MediaPacket[], went: readonly MediaPacket[]): Promise<void> {
  await vi.waitFor(() => expect(came.length).toBe(went.length));
  const [first, firstCame] = [went.find((p) => p.track.kind === 'video'), came.find((p) => p.track.kind === 'video')];
  for (const kind of ['video', 'audio'] as const)
    expect(facts(came, kind, firstCame?.dtsUs ?? 0)).toEqual(facts(went, kind, first?.dtsUs ?? 0));
}

describe('nginx with its RTMP module', () => {
  it('takes a push and gives it back by a pull, byte for byte and to the millisecond', async () => {
    rig = new RelayRig();
    const app = `rtmp://127.0.0.1:${nginx.port}/live`;
    const back = rig.stream('back');
    const came = rig.collect(back);
    const pull = rig.pull(back, `${app}/rtmp_cam`);
    await vi.waitFor(() => expect(pull.connected).toBe(1));
    const source = rig.stream('cam');
    publishAll(source, shifted(clip, FIVE_HOURS_US).slice(0, 3));
    const push = rig.push(source, app);
    await vi.waitFor(() => expect(push.connected).toBe(1));
    publishAll(source, shifted(clip, FIVE_HOURS_US).slice(3));
    await expectSame(came, clip);
    expect(came[0]?.dtsUs).toBe(0);
    expect(back.state.video?.parameters).toEqual(clip.find((p) => p.track.kind === 'video')?.track.parameters);
    expect([push.media, pull.media, push.notes, pull.notes]).toEqual([1, 1, [], []]);
    expect(push.link.facts()).toMatchObject({ remoteAddress: '127.0.0.1', packets: clip.length });
    expect(pull.link.facts()).toMatchObject({ packets: clip.length, drops: { broken: 0, not_carried: 0 } });
    await push.close();
    await vi.waitFor(() => expect(pull.end?.code).toBe('ended'));
  });

  it('says nothing while a publisher is silent: the pull ends as stalled, the push does not', async () => {
    rig = new RelayRig();
    const app = `rtmp://127.0.0.1:${nginx.port}/live`;
    const pull = rig.pull(rig.stream('back'), `${app}/rtmp_cam`, { stallTimeoutMs: 600 });
    await vi.waitFor(() => expect(pull.connected).toBe(1));
    const source = rig.stream('cam');
    const push = rig.push(source, app, {}, { stallTimeoutMs: 600 });
    publishAll(source, clip);
    await vi.waitFor(() => expect(pull.end?.code).toBe('stalled'));
    expect([pull.media, push.end]).toEqual([1, undefined]);
  });

  it('refuses a name that is taken, and the push says so', async () => {
    rig = new RelayRig();
    const source = rig.stream('cam');
    const [first] = [rig.push(source, `rtmp://127.0.0.1:${nginx.port}/live/double`, { fullUrl: true })];
    await vi.waitFor(() => expect(first.connected).toBe(1));
    const second = rig.push(source, `rtmp://127.0.0.1:${nginx.port}/live/double`, { fullUrl: true });
    await vi.waitFor(() => expect(second.end).toMatchObject({ code: 'refused' }));
    expect(second.connected).toBe(0);
    expect(second.end?.message).not.toContain('double');
  });

  it('tells of an application that it does not have', async () => {
    rig = new RelayRig();
    const push = rig.push(rig.stream('cam'), `rtmp://127.0.0.1:${nginx.port}/nothing`);
    await vi.waitFor(() => expect(push.end).toBeDefined());
    expect(['refused', 'not_found']).toContain(push.end?.code);
  });

  it('sends nothing of a stream that is not there: the pull ends as not found', async () => {
    rig = new RelayRig();
    const url = `rtmp://127.0.0.1:${nginx.port}/live/nobody`;
    const pull = rig.pull(rig.stream('back'), url, { connectTimeoutMs: 1500 });
    await vi.waitFor(() => expect(pull.end?.code).toBe('not_found'));
    expect(pull.connected).toBe(1);
  });

  it('ends a push when it stops, and takes the next one once it is back', async () => {
    rig = new RelayRig();
    const other = await Nginx.start();
    const source = rig.stream('cam');
    const url = `rtmp://127.0.0.1:${other.port}/live`;
    const push = rig.push(source, url);
    await vi.waitFor(() => expect(push.connected).toBe(1));
    await other.stop();
    await vi.waitFor(() => expect(push.end?.code).toMatch(/ended|unreachable/));
    const down = rig.push(source, url);
    await vi.waitFor(() => expect(down.end).toMatchObject({ code: 'unreachable' }));
    expect(down.end?.message).toContain('nothing listens there');
    const again = await Nginx.start(other.port);
    const back = rig.push(source, url);
    await vi.waitFor(() => expect(back.connected).toBe(1));
    await back.close();
    await again.stop();
  });
});

describe('FFmpeg as a server', () => {
  it('takes a push and decodes all of it', async () => {
    rig = new RelayRig();
    const port = await freePort();
    const url = `rtmp://127.0.0.1:${port}/live/key`;
    // At the end it tells of an input/output error, whoever was its client.
    const args = ['-v', 'fatal', '-listen', '1', '-i', url, '-f', 'framemd5', '-'];
    const ffmpeg = spawn('ffmpeg', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    ffmpeg.stdout.on('data', (bytes) => {
      text += String(bytes);
    });
    const ended = once(ffmpeg, 'exit');
    const source = rig.stream('cam');
    publishAll(source, clip.slice(0, 2));
    // It listens some time after it was started.
    let push = rig.push(source, url, { fullUrl: true });
    await vi.waitFor(() => {
      if (push.end !== undefined) push = rig.push(source, url, { fullUrl: true });
      expect(push.media).toBe(1);
    });
    publishAll(source, clip.slice(2));
    await vi.waitFor(() => expect(push.link.facts()).toMatchObject({ packets: clip.length, queuedBytes: 0 }));
    await push.close();
    await ended;
    const frames = text.split('\n').filter((line) => line.startsWith('0,'));
    expect(frames).toHaveLength(clip.filter(({ track }) => track.kind === 'video').length);
  });
});

describe('another Sluice', () => {
  let server: RtmpRig;

  afterEach(() => server.close());

  it('takes a push by RTMPS under the name of its certificate, and gives it back', async () => {
    const pems = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', algorithm: 'sha256' });
    server = await RtmpRig.start({
      listen: [{ host: '127.0.0.1', port: 0, secure: true }],
      tls: { cert: pems.cert, key: pems.private },
    });
    const url = `rtmps://localhost:${server.server.securePort}/live`;
    rig = new RelayRig();
    const source = rig.stream('cam');
    const strict = rig.push(source, url);
    await vi.waitFor(() => expect(strict.end?.code).toBe('invalid'));
    expect(strict.end?.message).toContain('certificate');
    await rig.close();

    rig = new RelayRig({ tlsVerify: false });
    const cam = rig.stream('cam');
    const push = rig.push(cam, url);
    await vi.waitFor(() => expect(push.connected).toBe(1));
    publishAll(cam, clip);
    await vi.waitFor(() => expect(server.hub.streams.get('rtmp_cam')?.videoRate.packets).toBe(50));
    const back = rig.stream('back');
    const came = rig.collect(back);
    rig.pull(back, `${url}/rtmp_cam`);
    // The newest group of pictures is there at once, and what comes afterwards.
    await vi.waitFor(() => expect(came.length).toBeGreaterThan(2));
    expect(came[0]?.key).toBe(true);
    const lastUs = clip.at(-1)?.dtsUs ?? 0;
    publishAll(cam, shifted(clip, lastUs + 40_000));
    const wanted = clip.filter(({ track }) => track.kind === 'video');
    await vi.waitFor(() => {
      const pictures = came.filter(({ track }) => track.kind === 'video').slice(-wanted.length);
      expect(pictures.map(({ units }) => units)).toEqual(wanted.map(({ units }) => units));
    });
    await push.close();
  });

  it('is sent what only Enhanced RTMP carries as it is, since it lists that', async () => {
    server = await RtmpRig.start();
    const converter = new RelabelConverter();
    rig = new RelayRig({}, converter);
    const source = rig.stream('cam');
    source.publish(opus(0));
    rig.push(source, `rtmp://127.0.0.1:${server.server.port}/live`);
    const there = () => server.hub.streams.get('rtmp_cam');
    await vi.waitFor(() => expect(there()?.state.audio?.codec).toBe('opus'));
    expect(converter.opened).toEqual([]);
  });

  it('is sent AAC when Enhanced RTMP is turned off', async () => {
    server = await RtmpRig.start();
    const converter = new RelabelConverter();
    rig = new RelayRig({ enhanced: 'never' }, converter);
    const source = rig.stream('cam');
    source.publish(opus(0));
    rig.push(source, `rtmp://127.0.0.1:${server.server.port}/live`);
    const there = () => server.hub.streams.get('rtmp_cam');
    await vi.waitFor(() => expect(there()?.state.audio?.codec).toBe('aac'));
    expect(converter.opened.map(({ target }) => target)).toEqual(['aac']);
  });

  it('is reached at an IPv6 address', async () => {
    server = await RtmpRig.start({ listen: [{ host: '::1', port: 0 }] });
    rig = new RelayRig();
    const push = rig.push(rig.stream('cam'), `rtmp://[::1]:${server.server.port}/live`);
    await vi.waitFor(() => expect(push.connected).toBe(1));
    expect(push.link.facts().remoteAddress).toBe('::1');
  });

  it('is not sent the sound of a push without', async () => {
    server = await RtmpRig.start();
    rig = new RelayRig();
    const source = rig.stream('cam');
    const push = rig.push(source, `rtmp://127.0.0.1:${server.server.port}/live`, { without: 'audio' });
    await vi.waitFor(() => expect(push.connected).toBe(1));
    publishAll(source, clip);
    const there = () => server.hub.streams.get('rtmp_cam');
    await vi.waitFor(() => expect(there()?.videoRate.packets).toBe(50));
    expect(there()?.state.audio).toBeUndefined();
    expect(there()?.state.metadata).toMatchObject({ width: 160, height: 120, videocodecid: 7 });
    expect(Object.keys(there()?.state.metadata ?? {})).not.toContain('audiocodecid');
  });

  it('says that a stream is not there', async () => {
    server = await RtmpRig.start();
    rig = new RelayRig();
    const pull = rig.pull(rig.stream('back'), `rtmp://127.0.0.1:${server.server.port}/live/nobody`);
    await vi.waitFor(() => expect(pull.end?.code).toBe('not_found'));
  });

  it('asks to connect again when it stops, and pushes end for that', async () => {
    server = await RtmpRig.start({ reconnectUrl: 'rtmp://127.0.0.1:1/other' });
    rig = new RelayRig();
    const source = rig.stream('cam');
    const url = `rtmp://127.0.0.1:${server.server.port}/live`;
    const push = rig.push(source, url);
    await vi.waitFor(() => expect(push.connected).toBe(1));
    const stopped = server.server.close();
    await vi.waitFor(() => expect(push.end?.code).toBe('ended'));
    await stopped;
    expect(push.end?.message).toContain('connect anew');
    const next = rig.push(source, url);
    await next.link.ended;
    expect(rig.resolved.at(-1)).toBe('rtmp://127.0.0.1:1/');
    const third = rig.push(source, url);
    await third.link.ended;
    expect(`${rig.resolved.at(-1)}live`).toBe(url);
  });
});

function opus(ms: number): MediaPacket {
  const head = Buffer.from('4f707573486561640102380180bb0000000000', 'hex');
  const track = { id: 1, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [head] } as const;
  return { track, units: [Buffer.of(0xfc, 1)], ptsUs: ms * 1000, dtsUs: ms * 1000, key: true, byteLength: 2 };
}
