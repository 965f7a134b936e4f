import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type MediaPacket, parseRtcp, parseRtp, type Track, unixMsOfNtp } from '@sluice/media';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Clip, CODECS, hashOutputs, ownHashes, readHashes } from '../server/testing/clip.ts';
import { feed, RtspRig } from '../server/testing/rig.ts';
import type { RtspRequest } from '../wire/reader.ts';
import { until } from './testing/pull-rig.ts';
import { collect, PushRig, unitsOf } from './testing/push-rig.ts';
import { type CameraScript, ordinaryAnswer, type ScriptedAnswer, ScriptedCamera } from './testing/scripted-camera.ts';
import { SyntheticVideo } from './testing/synthetic-video.ts';

let clip: Clip;
let tracks: readonly Track[];
let packets: readonly MediaPacket[];
beforeAll(async () => {
  clip = new Clip(CODECS.h264Aac);
  ({ tracks, packets } = await clip.read());
});
afterAll(() => clip[Symbol.dispose]());

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function rig(own: readonly Track[] = tracks, ...rest: [ConstructorParameters<typeof PushRig>[1]?]): PushRig {
  const made = new PushRig(own, ...rest);
  cleanups.push(() => made.close());
  return made;
}

async function target(script: CameraScript): Promise<ScriptedCamera> {
  const made = await ScriptedCamera.start(script);
  cleanups.push(() => made.close());
  return made;
}

/** Pushes the clip to a server of ours and gives what its viewers get. */
async function throughServer(scheme: 'rtsp' | 'rtspu', pauseMs: number): Promise<readonly MediaPacket[]> {
  const server = await RtspRig.start();
  cleanups.push(async () => {
    await until(() => server.server.connectionCount === 0);
    await server.close();
  });
  const pushing = rig();
  const link = pushing.push(server.url('there').replace('rtsp:', `${scheme}:`));
  await until(() => pushing.connected === 1, pushing.end?.message);
  await until(() => server.hub.streams.get('there') !== undefined);
  const stream = server.hub.streams.get('there');
  if (stream === undefined) throw new Error('nothing was published');
  const came = collect(stream);
  await feed(pushing.source, packets, pauseMs);
  // The last picture ends with its marker.
  await until(() => came.length >= packets.length, `${came.length} of ${packets.length}`);
  expect(link.facts()).toMatchObject({ transport: scheme === 'rtsp' ? 'TCP' : 'UDP', remoteAddress: '127.0.0.1' });
  expect(pushing.media).toBe(1);
  link.close('enough');
  expect(await link.ended).toEqual({ code: 'closed', message: 'enough' });
  await until(() => server.hub.streams.get('there')?.live !== true);
  return came;
}

test.each([
  ['rtsp', 0],
  ['rtspu', 8],
] as const)('a server of ours gets by %s what is pushed, byte for byte', async (scheme, pause) => {
  const came = await throughServer(scheme, pause);
  for (const kind of ['video', 'audio'] as const) expect(unitsOf(came, kind)).toEqual(unitsOf(packets, kind));
});

test('timestamps and reports tell the time of each packet, on one clock', async () => {
  const server = await target(recording);
  const pushing = rig();
  pushing.push(server.url);
  await until(() => pushing.connected === 1, pushing.end?.message);
  await feed(pushing.source, packets, 5);
  const onChannel = (wanted: number): readonly Uint8Array[] =>
    (server.connections[0]?.frames ?? []).filter(({ channel }) => channel === wanted).map(({ payload }) => payload);
  await until(() => onChannel(1).length > 0 && onChannel(3).length > 0);
  const firstMs = (channel: number, clockRate: number): number => {
    const first = parseRtp(onChannel(channel)[0] ?? new Uint8Array(0));
    const [report] = parseRtcp(onChannel(channel + 1)[0] ?? new Uint8Array(0));
    if (report?.kind !== 'sr') throw new Error('no sender report');
    expect(report.ssrc).toBe(first.ssrc);
    return unixMsOfNtp(report) + (((first.timestamp - report.rtpTimestamp) | 0) / clockRate) * 1000;
  };
  const wantedMs = (kind: Track['kind']): number =>
    (packets.find(({ track }) => track.kind === kind)?.ptsUs ?? 0) / 1000;
  const apartMs = firstMs(0, 90_000) - firstMs(2, 48_000);
  expect(Math.abs(apartMs - (wantedMs('video') - wantedMs('audio')))).toBeLessThan(1);
  expect(Math.abs(firstMs(0, 90_000) - Date.now())).toBeLessThan(10_000);
});

test('FFmpeg that listens gets every picture and every piece of sound', async () => {
  const port = await freePort();
  const url = `rtsp://127.0.0.1:${port}/live`;
  const program = spawn('ffmpeg', ['-v', 'error', '-rtsp_flags', 'listen', '-i', url, ...hashOutputs(tracks, clip)]);
  cleanups.push(() => program.kill('SIGKILL'));
  let errors = '';
  program.stderr.on('data', (bytes) => (errors += bytes));
  const pushing = rig();
  let link = pushing.push(url);
  while (pushing.connected === 0 && program.exitCode === null) {
    await until(() => pushing.connected === 1 || pushing.end !== undefined);
    if (pushing.end !== undefined) link = pushing.push(url);
  }
  await feed(pushing.source, packets, 5);
  await until(() => link.facts().queuedBytes === 0);
  await pushing.close();
  await ended(program);
  expect(errors).toBe('');
  const hashes = readHashes(tracks, clip);
  const own = ownHashes(tracks, clip);
  expect(hashes.video, errors).toEqual(own.video);
  expect(hashes.audio.length).toBe(own.audio.length);
});

test('what a server asks for is given: a password, another place, another way', async () => {
  const elsewhere = await target((request) => {
    if (request.headers.get('Authorization') === undefined)
      return { status: 401, headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n", qop="auth"' } };
    return recording(request);
  });
  const first = await target((request) =>
    request.method === 'ANNOUNCE' ? { status: 302, headers: { Location: elsewhere.url } } : recording(request),
  );
  const pushing = rig();
  pushing.push(`rtsp://user:secret@127.0.0.1:${first.port}/live`);
  await until(() => pushing.connected === 1, pushing.end?.message);
  expect(new Set(elsewhere.methods)).toEqual(new Set(['OPTIONS', 'ANNOUNCE', 'SETUP', 'RECORD']));
  expect(Buffer.from(elsewhere.request('ANNOUNCE')?.body ?? []).toString()).toContain('H264/90000');
  const transports = elsewhere.connections[0]?.requests
    .filter(({ method, headers }) => method === 'SETUP' && headers.get('Authorization') !== undefined)
    .map(({ headers }) => headers.get('Transport'));
  expect(transports).toEqual([
    'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record',
    'RTP/AVP/TCP;unicast;interleaved=2-3;mode=record',
  ]);
});

test('refusals are told with what to do', async () => {
  const player = await target((request) => ordinaryAnswer(request));
  expect(await rig().push(player.url).ended).toEqual({
    code: 'invalid',
    message: expect.stringMatching(/takes no streams/),
  });
  const locked = await target((request) => (request.method === 'ANNOUNCE' ? { status: 403 } : recording(request)));
  expect(await rig().push(locked.url).ended).toMatchObject({ code: 'refused' });
  const silent = await target(() => undefined);
  expect(await rig().push(silent.url, { connectTimeoutMs: 300 }).ended).toMatchObject({ code: 'unreachable' });
  expect(await rig([]).push(silent.url, { connectTimeoutMs: 300 }).ended).toMatchObject({
    code: 'stalled',
    message: expect.stringMatching(/sent nothing/),
  });
});

test('only the kind that is wanted is announced and sent, with sender reports', async () => {
  const server = await target(recording);
  const pushing = rig();
  pushing.push(server.url, { options: { without: 'video' } });
  await until(() => pushing.connected === 1, pushing.end?.message);
  expect(Buffer.from(server.request('ANNOUNCE')?.body ?? []).toString()).not.toContain('m=video');
  await feed(pushing.source, packets);
  const frames = (): readonly { channel: number; payload: Uint8Array }[] => server.connections[0]?.frames ?? [];
  await until(() => frames().some(({ channel, payload }) => channel === 1 && payload[1] === 200));
  expect(new Set(frames().map(({ channel }) => channel))).toEqual(new Set([0, 1]));
});

test('a track that can not be converted is left out with a note', async () => {
  const speex: Track = { id: 1, kind: 'audio', codec: 'speex', clockRate: 16_000, parameters: [] };
  const server = await target(recording);
  const pushing = rig([...tracks.filter(({ kind }) => kind === 'video'), speex]);
  pushing.push(server.url);
  await until(() => pushing.connected === 1, pushing.end?.message);
  expect(pushing.notes).toEqual([expect.stringMatching(/audio "speex" is left out/)]);
});

test('a server that reads too slowly gets whole groups of pictures only, and what waits is bounded', async () => {
  const video = new SyntheticVideo({ frameBytes: 20_000, keyInterval: 10 });
  const server = await target(recording);
  const pushing = rig([video.track], { pushQueueBytes: 200_000 });
  const link = pushing.push(server.url);
  await until(() => pushing.connected === 1, pushing.end?.message);
  const [connection] = server.connections;
  connection?.socket.pause();
  let most = 0;
  for (let i = 0; i < 600; i++) {
    pushing.source.publish(video.nextPacket());
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, link.facts().queuedBytes);
  }
  expect(most).toBeGreaterThan(200_000);
  expect(most).toBeLessThan(260_000);
  expect(link.facts().drops.slow_viewer).toBeGreaterThan(100);
  connection?.socket.resume();
  await until(() => link.facts().queuedBytes === 0);
  for (let i = 0; i < 20; i++) pushing.source.publish(video.nextPacket());
  await until(() => link.facts().queuedBytes === 0);
  const numbers = (): number[] => video.numbersOf(connection?.frames.map(({ payload }) => payload) ?? []);
  await until(() => numbers().at(-1) === 619);
  const came = numbers();
  for (const [i, number] of came.entries())
    expect(number === (came[i - 1] ?? -1) + 1 || video.isKey(number), `${came[i - 1]} then ${number}`).toBe(true);
});

test('a server that takes nothing any more has stalled', async () => {
  const video = new SyntheticVideo({ frameBytes: 60_000 });
  const server = await target(recording);
  const pushing = rig([video.track]);
  const link = pushing.push(server.url, { stallTimeoutMs: 300 });
  await until(() => pushing.connected === 1, pushing.end?.message);
  server.connections[0]?.socket.pause();
  const feeding = setInterval(() => pushing.source.publish(video.nextPacket()), 2);
  cleanups.push(() => clearInterval(feeding));
  expect(await link.ended).toMatchObject({ code: 'stalled', message: expect.stringMatching(/took nothing/) });
});

test('a stream that pauses is not given up, one that becomes another is announced anew', async () => {
  const server = await target(recording);
  const pushing = rig(tracks, { keepAliveIntervalMs: 50 });
  const link = pushing.push(server.url, { stallTimeoutMs: 200 });
  await until(() => server.methods.filter((method) => method === 'GET_PARAMETER').length >= 8);
  expect(pushing.end).toBeUndefined();
  const opus: Track = { id: 1, kind: 'audio', codec: 'aac', clockRate: 8000, parameters: [Uint8Array.of(0x15, 0x88)] };
  const unit = Uint8Array.of(1, 2, 3);
  pushing.source.publish({ ...(packets[0] as MediaPacket), dtsUs: 0, ptsUs: 0 });
  pushing.source.publish({ track: opus, units: [unit], ptsUs: 1, dtsUs: 1, key: true, byteLength: 3 });
  expect(await link.ended).toMatchObject({ code: 'ended', message: expect.stringMatching(/audio/) });
  expect(server.methods.at(-1)).toBe('TEARDOWN');
});

test('a server that tells no ports for media by UDP, or port 0, is told of and not sent to', async () => {
  for (const port of ['', ';server_port=0-0', ';server_port=7000-0']) {
    const server = await target((request) => {
      const answer = recording(request);
      return request.method === 'SETUP'
        ? { headers: { ...answer.headers, Transport: `RTP/AVP;unicast;client_port=1-2${port}` } }
        : answer;
    });
    const link = rig().push(server.url.replace('rtsp:', 'rtspu:'));
    expect(await link.ended).toMatchObject({ code: 'invalid', message: expect.stringMatching(/which ports/) });
  }
});

test('addresses of a tunnel over HTTP are not pushed to', () => {
  const { protocol } = rig();
  expect(() => protocol.check('rtsph://h/live', 'push')).toThrow(expect.objectContaining({ code: 'URL_INVALID' }));
  expect(() => protocol.check('rtsph://h/live', 'pull')).not.toThrow();
  expect(() => protocol.check('rtsp://', 'pull')).toThrow(expect.objectContaining({ code: 'URL_INVALID' }));
});

const recording = (request: RtspRequest): ScriptedAnswer =>
  request.method === 'OPTIONS'
    ? { headers: { Public: 'OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN, GET_PARAMETER' } }
    : ordinaryAnswer(request);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

async function ended(program: ChildProcess): Promise<void> {
  if (program.exitCode === null && program.signalCode === null) await once(program, 'exit');
}
