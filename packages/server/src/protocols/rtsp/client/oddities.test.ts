import { createHash } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { RelayEnd } from '../../../core/index.ts';
import { parseAuthentications } from '../wire/authentication.ts';
import { PullRig, until } from './testing/pull-rig.ts';
import { AUDIO_SDP, type CameraScript, ordinaryAnswer, ScriptedCamera, VIDEO_SDP } from './testing/scripted-camera.ts';
import { SyntheticVideo } from './testing/synthetic-video.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function camera(script: CameraScript): Promise<ScriptedCamera> {
  const made = await ScriptedCamera.start(script);
  cleanups.push(() => made.close());
  return made;
}

function rig(...args: ConstructorParameters<typeof PullRig>): PullRig {
  const made = new PullRig(...args);
  cleanups.push(() => made.close());
  return made;
}

async function endOf(pulling: PullRig, url: string): Promise<RelayEnd> {
  return pulling.pull(url).ended;
}

/** Answers as ordinary cameras do, and sends pictures after PLAY. */
function playing(video: SyntheticVideo, channel = 0, sdp = VIDEO_SDP): CameraScript {
  return (request, connection) => {
    if (request.method === 'PLAY') {
      connection.answer(request, ordinaryAnswer(request, sdp));
      for (let i = 0; i < 12; i++) for (const packet of video.next()) connection.frame(channel, packet);
      return undefined;
    }
    return ordinaryAnswer(request, sdp);
  };
}

test('a camera is played, told that it is wanted, and let go of in good order', async () => {
  const video = new SyntheticVideo();
  const source = await camera(playing(video));
  const pulling = rig({ keepAliveIntervalMs: 50 });
  const link = pulling.pull(source.url);
  await until(() => pulling.packets.length >= 11 && source.methods.includes('GET_PARAMETER'));
  expect(pulling.packets.map((packet) => video.numberOf(packet)).slice(0, 11)).toEqual([...Array(11).keys()]);
  expect([pulling.connected, pulling.media]).toEqual([1, 1]);
  expect(link.facts()).toMatchObject({ transport: 'TCP', remoteAddress: '127.0.0.1' });
  expect(link.facts().bytesIn).toBeGreaterThan(30_000);
  link.close('enough');
  expect(await link.ended).toEqual({ code: 'closed', message: 'enough' });
  expect(source.methods.slice(0, 4)).toEqual(['OPTIONS', 'DESCRIBE', 'SETUP', 'PLAY']);
  expect(source.methods.at(-1)).toBe('TEARDOWN');
  expect(source.request('TEARDOWN')?.headers.get('Session')).toBe('4711');
});

test('reports about what was received go back over the connection', async () => {
  const source = await camera(playing(new SyntheticVideo()));
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => source.connections.some(({ frames }) => frames.length > 0));
  const frame = source.connections[0]?.frames[0];
  expect([frame?.channel, frame?.payload[1]]).toEqual([1, 201]);
});

test('a camera that has no GET_PARAMETER is asked for its OPTIONS instead', async () => {
  const source = await camera((request) =>
    request.method === 'OPTIONS' ? { headers: { Public: 'DESCRIBE, SETUP, PLAY' } } : ordinaryAnswer(request),
  );
  const pulling = rig({ keepAliveIntervalMs: 30 });
  pulling.pull(source.url);
  await until(() => source.methods.filter((method) => method === 'OPTIONS').length >= 3);
  expect(source.methods).not.toContain('GET_PARAMETER');
});

test('a camera that says nothing is given up, with what has not happened', async () => {
  const silent = await camera(() => undefined);
  expect(await endOf(rig({}, { connectTimeoutMs: 300 }), silent.url)).toEqual({
    code: 'unreachable',
    message: expect.stringMatching(/did not answer/),
  });
});

test('half a header is not waited for any longer than nothing', async () => {
  const half = await camera((request, { socket }) => {
    if (request.method === 'OPTIONS') socket.write('RTSP/1.0 200 OK\r\nCSeq: 1\r\nPub');
    return undefined;
  });
  expect(await endOf(rig({}, { connectTimeoutMs: 300 }), half.url)).toMatchObject({ code: 'unreachable' });
});

test('a header without end costs no more than its limit', async () => {
  let written = 0;
  const endless = await camera((_request, { socket }) => {
    socket.write('RTSP/1.0 200 OK\r\n');
    const line = Buffer.from(`X-Filler: ${'x'.repeat(4000)}\r\n`);
    const more = (): void => {
      while (written < 1024 ** 3 && !socket.destroyed) {
        written += line.length;
        if (!socket.write(line)) return void socket.once('drain', more);
      }
    };
    more();
    return undefined;
  });
  expect(await endOf(rig(), endless.url)).toMatchObject({ code: 'invalid' });
  expect(written).toBeLessThan(16 * 1024 ** 2);
});

test('a line without end, and a body of a gigabyte, are refused at once', async () => {
  const line = await camera((_request, { socket }) => void socket.write(`RTSP/1.0 200 ${'O'.repeat(20_000)}`));
  expect(await endOf(rig(), line.url)).toMatchObject({ code: 'invalid' });
  const body = await camera((request) =>
    request.method === 'DESCRIBE' ? { headers: { 'Content-Length': '1073741824' } } : ordinaryAnswer(request),
  );
  expect(await endOf(rig(), body.url)).toMatchObject({ code: 'invalid' });
});

test('what is no RTSP is told apart from a camera that is away', async () => {
  const http = await camera((_request, { socket }) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n'));
  expect(await endOf(rig(), http.url)).toMatchObject({ code: 'invalid', message: expect.stringMatching(/RTSP/) });
  const { port } = http;
  await http.close();
  expect(await endOf(rig(), `rtsp://127.0.0.1:${port}/`)).toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(/refuses connections/),
  });
});

test.each([
  [404, 'not_found', /path/],
  [403, 'refused', /not do that/],
  [401, 'refused', /user name and password/],
  [453, 'unreachable', /no more/],
  [500, 'unreachable', /500/],
  [415, 'invalid', /415/],
] as const)('%i to DESCRIBE ends as %s', async (status, code, text) => {
  const source = await camera((request) =>
    request.method === 'DESCRIBE'
      ? { status, headers: { 'WWW-Authenticate': 'Basic realm="x"' } }
      : ordinaryAnswer(request),
  );
  expect(await endOf(rig(), source.url)).toEqual({ code, message: expect.stringMatching(text) });
});

test('a nonce that runs out in mid-play is answered with a new signature', async () => {
  let nonce = 1;
  let accepted = 0;
  const source = await camera((request) => {
    const [given] = parseAuthentications(request.headers.get('Authorization') ?? '');
    const hash = (text: string): string => createHash('md5').update(text).digest('hex');
    const secret = hash('admin:cam:p@ss');
    const right = hash(`${secret}:${nonce}:${hash(`${request.method}:${request.uri}`)}`);
    if (given?.parameters.get('response') !== right)
      return { status: 401, headers: { 'WWW-Authenticate': `Digest realm="cam", nonce="${nonce}"` } };
    accepted++;
    if (request.method === 'GET_PARAMETER') nonce++;
    return ordinaryAnswer(request);
  });
  const pulling = rig({ keepAliveIntervalMs: 20 });
  pulling.pull(`rtsp://admin:p%40ss@127.0.0.1:${source.port}/live`);
  await until(() => nonce >= 4);
  expect(accepted).toBeGreaterThanOrEqual(7);
  expect(pulling.end).toBeUndefined();
  expect(source.request('SETUP')?.uri).not.toContain('p%40ss');
});

test('a wrong password is refused after one try', async () => {
  let tries = 0;
  const source = await camera((request) => {
    if (request.headers.get('Authorization') !== undefined) tries++;
    return { status: 401, headers: { 'WWW-Authenticate': `Digest realm="cam", nonce="${Math.random()}"` } };
  });
  const end = await endOf(rig(), `rtsp://admin:secret@127.0.0.1:${source.port}/live`);
  expect(end).toEqual({ code: 'refused', message: 'it refused the user name or password' });
  expect(tries).toBe(1);
});

test('redirections are followed, through the guard, and not for ever', async () => {
  const video = new SyntheticVideo();
  const target = await camera(playing(video));
  const source = await camera((request) =>
    request.method === 'DESCRIBE'
      ? { status: 302, headers: { Location: `${target.url}/there?x=1` } }
      : ordinaryAnswer(request),
  );
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => pulling.packets.length > 5);
  expect(pulling.resolved).toEqual([source.url, `${target.url}/there?x=1`]);
  expect(target.request('DESCRIBE')?.uri).toBe(`${target.url}/there?x=1`);

  const loop: ScriptedCamera = await camera(() => ({ status: 301, headers: { Location: loop.url } }));
  const looping = rig();
  expect(await endOf(looping, loop.url)).toMatchObject({
    code: 'invalid',
    message: expect.stringMatching(/redirects/),
  });
  expect(loop.connections.length).toBe(6);
});

test('a redirection to an address that is denied goes nowhere', async () => {
  const { MediaServerError } = await import('../../../core/index.ts');
  const source = await camera(() => ({ status: 302, headers: { Location: 'rtsp://169.254.169.254/' } }));
  const pulling = rig();
  const link = pulling.pull(source.url, {
    outbound: {
      resolve: async (url) => {
        if (url.includes('169.254')) throw new MediaServerError('URL_DENIED', 'that address is denied');
        return { host: '127.0.0.1', address: '127.0.0.1', family: 4, port: source.port };
      },
    },
  });
  expect(await link.ended).toEqual({ code: 'refused', message: 'that address is denied' });
});

test('an address of the camera own network in Content-Base is not connected to', async () => {
  const source = await camera((request) => {
    const answer = ordinaryAnswer(request);
    if (request.method !== 'DESCRIBE') return answer;
    return { ...answer, headers: { ...answer.headers, 'Content-Base': 'rtsp://192.168.1.64:554/Streaming/101/' } };
  });
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => source.methods.includes('PLAY'));
  const place = `rtsp://127.0.0.1:${source.port}/Streaming/101/`;
  expect([source.request('SETUP')?.uri, source.request('PLAY')?.uri]).toEqual([`${place}trackID=0`, place]);
  expect(pulling.resolved).toEqual([source.url]);
});

test('packets on other channels than those agreed upon are told apart by their payload type', async () => {
  const video = new SyntheticVideo();
  const source = await camera(playing(video, 6, VIDEO_SDP + AUDIO_SDP));
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
});

test('the channels of the settings are asked for, and those of the answer are used', async () => {
  const video = new SyntheticVideo();
  const source = await camera((request, connection) => {
    if (request.method !== 'SETUP' || !request.uri.endsWith('trackID=0'))
      return playing(video, 8, VIDEO_SDP + AUDIO_SDP)(request, connection);
    return { headers: { Session: '4711', Transport: 'RTP/AVP/TCP;unicast;interleaved=8-9;ssrc=deadbeef' } };
  });
  const pulling = rig({ channels: { audio: [0, 1], video: [4, 5] } });
  pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
  const asked = source.connections[0]?.requests.filter(({ method }) => method === 'SETUP');
  expect(asked?.map(({ headers }) => headers.get('Transport'))).toEqual([
    expect.stringContaining('interleaved=4-5'),
    expect.stringContaining('interleaved=0-1'),
  ]);
});

test('answers without number, late answers and lines that are no header do no harm', async () => {
  const video = new SyntheticVideo();
  const source = await camera((request, connection) => {
    connection.socket.write('RTSP/1.0 200 OK\r\nCSeq: 0\r\n\r\n');
    if (request.method !== 'OPTIONS') return playing(video)(request, connection);
    connection.socket.write('RTSP/1.0 200\r\nno header at all\r\n\r\n');
    return undefined;
  });
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
});

test('parameter sets that the description has with start codes, or not at all, come to the track', async () => {
  const sets = VIDEO_SDP.replace(/sprop-parameter-sets=\S+/, () => {
    const code = (base64: string): string =>
      Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from(base64, 'base64')]).toString('base64');
    return `sprop-parameter-sets=${code('Z0LADdoFB+wEQAAAAwBAAAA=')},${code('aM4PyA==')}`;
  });
  for (const sdp of [sets, VIDEO_SDP.replace(/;sprop-parameter-sets=\S+/, '')]) {
    const video = new SyntheticVideo();
    const source = await camera(playing(video, 0, sdp));
    const pulling = rig();
    pulling.pull(source.url);
    await until(() => pulling.video.length > 5);
    expect(pulling.stream.state.video?.parameters.map((unit) => unit[0])).toEqual([0x67, 0x68]);
  }
});

test('pictures without parameter sets anywhere are not given to viewers', async () => {
  const video = new SyntheticVideo();
  const source = await camera((request, connection) => {
    const sdp = VIDEO_SDP.replace(/;sprop-parameter-sets=\S+/, '');
    if (request.method !== 'PLAY') return ordinaryAnswer(request, sdp);
    connection.answer(request, ordinaryAnswer(request, sdp));
    // Without the packet before each key frame that has the sets.
    for (let i = 0; i < 30; i++)
      for (const packet of video.next()) if ((packet[12] ?? 0) % 32 !== 24) connection.frame(0, packet);
    return undefined;
  });
  const pulling = rig({}, { stallTimeoutMs: 400 });
  expect(await endOf(pulling, source.url)).toMatchObject({ code: 'stalled' });
  expect(pulling.video).toEqual([]);
});

test('what can not be used is left out with a note, the rest is played', async () => {
  const odd =
    'm=audio 0 RTP/AVP 14\r\na=control:trackID=1\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n';
  const video = new SyntheticVideo();
  const source = await camera(playing(video, 0, VIDEO_SDP + odd));
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
  expect(pulling.notes).toEqual([expect.stringMatching(/MPA/)]);
  expect(source.methods.filter((method) => method === 'SETUP').length).toBe(1);
});

test('audio codecs of the settings are left out', async () => {
  const source = await camera((request) => ordinaryAnswer(request, VIDEO_SDP + AUDIO_SDP));
  const pulling = rig({ stripAudioCodecs: ['PCMA'] });
  pulling.pull(source.url);
  await until(() => source.methods.includes('PLAY'));
  expect(source.methods.filter((method) => method === 'SETUP').length).toBe(1);
  expect(pulling.notes).toEqual([expect.stringContaining('rtsp_client_strip_audio_codecs')]);
});

test('sound that would go to the camera is not asked for', async () => {
  const sdp = `${VIDEO_SDP}a=recvonly\r\n${AUDIO_SDP}a=sendonly\r\n`;
  const source = await camera((request) => ordinaryAnswer(request, sdp));
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => source.methods.includes('PLAY'));
  expect(source.methods.filter((method) => method === 'SETUP').length).toBe(1);
  expect(pulling.notes).toEqual([expect.stringMatching(/goes to the camera/)]);
});

test('a track that is refused is left out, the other is played', async () => {
  const video = new SyntheticVideo();
  const source = await camera((request, connection) =>
    request.uri.endsWith('trackID=1') ? { status: 404 } : playing(video, 0, VIDEO_SDP + AUDIO_SDP)(request, connection),
  );
  const pulling = rig();
  pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
  expect(pulling.notes).toEqual([expect.stringMatching(/audio "pcma" is left out.*404/)]);
});

test('a description of nothing that can be used, or of nothing, says so', async () => {
  const source = await camera((request) => ordinaryAnswer(request, 'v=0\r\nm=audio 0 RTP/AVP 14\r\n'));
  expect(await endOf(rig(), source.url)).toEqual({ code: 'invalid', message: expect.stringContaining('MPA') });
  const empty = await camera((request) => ordinaryAnswer(request, ''));
  expect(await endOf(rig(), empty.url)).toMatchObject({ code: 'invalid' });
});

test('media that stops, and a camera that agrees and sends none, have stalled', async () => {
  const stopping = await camera(playing(new SyntheticVideo()));
  expect(await endOf(rig({}, { stallTimeoutMs: 300 }), stopping.url)).toMatchObject({ code: 'stalled' });
  const mute = await camera((request) => ordinaryAnswer(request));
  expect(await endOf(rig({}, { connectTimeoutMs: 300 }), mute.url)).toEqual({
    code: 'stalled',
    message: expect.stringMatching(/sent no media/),
  });
});

test('requests of the camera are answered, and its goodbye is taken', async () => {
  const video = new SyntheticVideo();
  const source = await camera(playing(video));
  const pulling = rig();
  const link = pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
  const [connection] = source.connections;
  const answers: string[] = [];
  connection?.socket.on('data', (bytes) => answers.push(bytes.toString('latin1')));
  connection?.ask('OPTIONS');
  await until(() => answers.join('').includes('Public: '));
  connection?.ask('ANNOUNCE', {}, VIDEO_SDP);
  connection?.ask('PLAY');
  await until(() => answers.join('').includes('501 Not Implemented'));
  expect(pulling.end).toBeUndefined();
  connection?.ask('TEARDOWN');
  expect(await link.ended).toMatchObject({ code: 'ended' });
});

test('a camera that sends us elsewhere in mid-play is followed by the next attempt', async () => {
  const target = await camera(playing(new SyntheticVideo()));
  const source = await camera(playing(new SyntheticVideo()));
  const pulling = rig();
  const link = pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
  source.connections[0]?.ask('REDIRECT', { Location: target.url });
  expect(await link.ended).toMatchObject({ code: 'ended' });
  pulling.pull(source.url);
  await until(() => target.methods.includes('PLAY'));
});

test('a camera that drops us and comes back goes on in the same stream, later in time', async () => {
  const source = await camera(playing(new SyntheticVideo({ keyInterval: 4 })));
  const pulling = rig();
  const first = pulling.pull(source.url);
  await until(() => pulling.video.length > 5);
  source.connections[0]?.socket.destroy();
  expect(await first.ended).toMatchObject({ code: 'unreachable' });
  const before = pulling.video.length;
  const lastUs = pulling.stream.lastDtsUs;
  pulling.pull(source.url);
  await until(() => pulling.video.length > before + 5);
  expect(pulling.video[before]?.dtsUs).toBeGreaterThan(lastUs);
  expect(pulling.stream.state.epoch).toBe(1);
});

test('a session that is over at the server is begun anew', async () => {
  const source = await camera((request) =>
    request.method === 'GET_PARAMETER' ? { status: 454 } : ordinaryAnswer(request),
  );
  expect(await endOf(rig({ keepAliveIntervalMs: 30 }), source.url)).toMatchObject({ code: 'ended' });
});

test('closing while nothing has been answered yet releases everything at once', async () => {
  const silent = await camera(() => undefined);
  const pulling = rig();
  const link = pulling.pull(silent.url);
  await until(() => silent.methods.length > 0);
  link.close('not wanted any more');
  expect(await link.ended).toEqual({ code: 'closed', message: 'not wanted any more' });
  await until(() => silent.connections.every(({ socket }) => socket.destroyed));
});
