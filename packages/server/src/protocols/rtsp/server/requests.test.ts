import { parseRtcp, parseRtp, unixMsOfNtp } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Fields, MediaServerError, Stream } from '../../../core/index.ts';
import { PersonalStreams } from '../../../core/testing/personal-streams.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { type AccessAnswer, ScriptedAccess } from '../../../core/testing/scripted-access.ts';
import { parseRtpInfo } from '../wire/playback-headers.ts';
import type { TestClient } from './testing/client.ts';
import { AUDIO, packet, VIDEO } from './testing/packets.ts';
import { RtspRig } from './testing/rig.ts';

let rig: RtspRig;
afterEach(() => rig.close());

/** Pictures at 25 a second and sound with each. */
function feed(stream: Stream, fromMs: number, toMs: number, gopMs = 1000): void {
  for (let ms = fromMs; ms < toMs; ms += 40) {
    stream.publish(packet(VIDEO, ms, ms % gopMs === 0));
    stream.publish(packet(AUDIO, ms));
  }
}

function live(name = 'cam'): Stream {
  const stream = rig.publish(name, [VIDEO, AUDIO]);
  feed(stream, 0, 1400);
  return stream;
}

/** The packets of RTP of one channel. */
function packetsOf(client: TestClient, channel: number): ReturnType<typeof parseRtp>[] {
  return client.frames.filter((frame) => frame.channel === channel).map(({ payload }) => parseRtp(payload));
}

const TCP = { Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1' };

describe('requests of RTSP', () => {
  it('are refused when they are of another version, without number, unknown, or of no session', async () => {
    rig = await RtspRig.start();
    const client = await rig.client();
    const options = await client.request('OPTIONS', '*');
    expect(options.headers.get('Public')).toContain('GET_PARAMETER');
    expect((await client.request('OPTIONS', '*', { CSeq: 'x' })).status).toBe(400);
    const required = await client.request('OPTIONS', '*', { Require: 'www.onvif.org/ver20/backchannel' });
    expect([required.status, required.headers.get('Unsupported')]).toEqual([551, 'www.onvif.org/ver20/backchannel']);
    expect((await client.request('JUMP', rig.url('cam'))).status).toBe(501);
    expect((await client.request('PLAY', rig.url('cam'))).status).toBe(454);
    expect((await client.request('OPTIONS', '*', { Session: 'other' })).status).toBe(454);
    expect((await client.request('RECORD', rig.url('cam'))).status).toBe(454);
    client.socket.write('OPTIONS * RTSP/2.0\r\nCSeq: 9\r\n\r\n');
    expect((await client.answer()).status).toBe(505);
    await client.gone();
  });

  it('find streams by their exact name, also one that comes a little later', async () => {
    rig = await RtspRig.start({ playWaitMs: 2000 });
    live('a/b c');
    const client = await rig.client();
    const found = await client.request('DESCRIBE', rig.url('a%2Fb%20c'));
    expect(found.status).toBe(200);
    expect(found.headers.get('Content-Base')).toBe(rig.url('a%2Fb%20c/'));
    expect(Buffer.from(found.body).toString()).toMatch(
      /m=video 0 RTP\/AVP 96[\s\S]*trackID=0[\s\S]*m=audio[\s\S]*trackID=1/,
    );
    const later = client.request('DESCRIBE', rig.url('late'));
    setTimeout(() => live('late'), 50);
    expect((await later).status).toBe(200);
  });

  it('for what can not be played say why', async () => {
    rig = await RtspRig.start();
    rig.publish('empty');
    const client = await rig.client();
    const answers = [];
    for (const path of ['cam', '', 'empty', 'a%0Ab', '%zz'])
      answers.push(await client.request('DESCRIBE', rig.url(path)));
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 503, 404, 404]);
    expect(answers[0]?.reason).toBe('no stream "cam" is live');
    expect((await client.request('DESCRIBE', rig.url('empty'), { Accept: 'application/rtsl' })).status).toBe(406);
    expect(rig.hub.counters.of('rtsp_refused')).toBe(6);
  });

  it('set up, play, pause and end a stream, from its newest key frame each time', async () => {
    rig = await RtspRig.start();
    const stream = live();
    const client = await rig.client();
    const url = rig.url('cam');
    const played = await client.play(url);
    expect(played.status).toBe(200);
    const info = parseRtpInfo(played.headers.get('RTP-Info') ?? '');
    expect(info.map((track) => track.url)).toEqual([`${url}/trackID=0`, `${url}/trackID=1`]);
    await vi.waitFor(() => expect(packetsOf(client, 0)).toHaveLength(10));
    const [first] = packetsOf(client, 0);
    expect(first).toMatchObject({ sequence: info[0]?.sequence, timestamp: info[0]?.rtpTime });
    expect(packetsOf(client, 2)[0]).toMatchObject({ sequence: info[1]?.sequence, timestamp: info[1]?.rtpTime });
    expect(client.frames[0]?.channel).toBe(1);
    const pause = await client.request('PAUSE', url);
    expect(pause.status).toBe(200);
    feed(stream, 1400, 2200);
    expect((await client.request('GET_PARAMETER', url)).status).toBe(200);
    expect(packetsOf(client, 0)).toHaveLength(10);
    const again = parseRtpInfo((await client.request('PLAY', url)).headers.get('RTP-Info') ?? '');
    await vi.waitFor(() => expect(packetsOf(client, 0)).toHaveLength(15));
    expect(packetsOf(client, 0)[10]).toMatchObject({ sequence: again[0]?.sequence, timestamp: again[0]?.rtpTime });
    expect((packetsOf(client, 0)[10]?.timestamp ?? 0) - (first?.timestamp ?? 0)).toBe(90_000);
    expect((await client.request('TEARDOWN', url)).status).toBe(200);
    expect([stream.viewers, stream.readerCount, rig.hub.sessions.size]).toEqual([0, 0, 0]);
    expect((await client.request('PLAY', url)).status).toBe(454);
    client.session = undefined;
    expect((await client.play(url)).status).toBe(200);
  });

  it('tell the time of picture and sound by sender reports that agree', async () => {
    rig = await RtspRig.start({ senderReportIntervalMs: 500 });
    const stream = live();
    const client = await rig.client();
    await client.play(rig.url('cam'));
    feed(stream, 1400, 3000);
    await vi.waitFor(() => expect(packetsOf(client, 0).length).toBeGreaterThan(45));
    const reports = [1, 3].map((channel) =>
      client.frames
        .filter((frame) => frame.channel === channel)
        .flatMap(({ payload }) => parseRtcp(payload))
        .filter((report) => report.kind === 'sr'),
    );
    const info = [0, 2].map((channel) => packetsOf(client, channel)[0]);
    for (const [at, rate] of [90_000, 48_000].entries()) {
      const list = reports[at] ?? [];
      expect(list.length).toBeGreaterThan(3);
      // Both tracks begin at the same instant, so this is the Unix time of that instant.
      const begins = list.map(
        ({ ntpSeconds, ntpFraction, rtpTimestamp }) =>
          ntpSeconds + ntpFraction / 2 ** 32 - ((rtpTimestamp - (info[at]?.timestamp ?? 0)) | 0) / rate,
      );
      const [expected = 0] = reports.map(
        ([report]) => (report?.ntpSeconds ?? 0) + (report?.ntpFraction ?? 0) / 2 ** 32,
      );
      for (const begin of begins) expect(Math.abs(begin - expected)).toBeLessThan(0.005);
      expect(list[0]?.ssrc).toBe(info[at]?.ssrc);
    }
  });

  it('tell as the time of the newest packet that it is now, though viewers begin earlier', async () => {
    rig = await RtspRig.start();
    const stream = rig.publish('cam', [VIDEO]);
    for (let ms = 0; ms < 10_000; ms += 40) stream.publish(packet(VIDEO, ms, ms === 0));
    const client = await rig.client();
    await client.play(rig.url('cam'));
    await vi.waitFor(() => expect(packetsOf(client, 0).length).toBeGreaterThanOrEqual(250));
    const [report] = parseRtcp(client.frames[0]?.payload ?? Buffer.alloc(0));
    if (report?.kind !== 'sr') throw new Error('no sender report');
    const newest = packetsOf(client, 0).at(-1)?.timestamp ?? 0;
    const newestMs = unixMsOfNtp(report) + ((newest - report.rtpTimestamp) | 0) / 90;
    expect(Math.abs(newestMs - Date.now())).toBeLessThan(3000);
  });

  it('choose channels and refuse transports that can not be served', async () => {
    rig = await RtspRig.start({ udp: undefined });
    live();
    const client = await rig.client();
    const track = (number: number): string => rig.url(`cam/trackID=${number}`);
    const setUp = (number: number, Transport: string) => client.request('SETUP', track(number), { Transport });
    expect((await setUp(0, 'RTP/AVP;unicast;client_port=5000-5001')).status).toBe(461);
    expect((await setUp(0, 'RTP/AVP;multicast')).status).toBe(461);
    expect((await setUp(0, 'RTP/SAVP/TCP;unicast')).status).toBe(461);
    expect((await setUp(0, 'RTP/AVP/TCP;unicast;mode=record')).status).toBe(461);
    expect((await setUp(7, 'RTP/AVP/TCP;unicast')).status).toBe(404);
    const first = await setUp(0, 'RTP/AVP;multicast,RTP/AVP/TCP;unicast;interleaved=4-5');
    expect(first.headers.get('Transport')).toMatch(
      /^RTP\/AVP\/TCP;unicast;interleaved=4-5;ssrc=[0-9A-F]{8};mode="PLAY"$/,
    );
    expect(first.headers.get('Session')).toMatch(/^[0-9a-f]{24};timeout=60$/);
    const second = await setUp(1, 'RTP/AVP/TCP;unicast;interleaved=5-6');
    expect(second.headers.get('Transport')).toContain('interleaved=0-1');
    expect((await client.request('SETUP', rig.url('other/trackID=0'), TCP)).status).toBe(459);
    expect((await client.request('DESCRIBE', rig.url('cam'))).status).toBe(455);
    expect((await client.request('PLAY', rig.url('cam'))).status).toBe(200);
    await vi.waitFor(() => expect(packetsOf(client, 4).length * packetsOf(client, 0).length).toBeGreaterThan(0));
    expect((await setUp(1, 'RTP/AVP/TCP;unicast')).status).toBe(455);
  });

  it('play one track alone', async () => {
    rig = await RtspRig.start();
    const stream = live();
    const client = await rig.client();
    await client.request('SETUP', rig.url('cam/trackID=1'), TCP);
    await client.request('PLAY', rig.url('cam'));
    feed(stream, 1400, 2000);
    await vi.waitFor(() => expect(packetsOf(client, 0).length).toBeGreaterThan(5));
    expect(new Set(client.frames.map(({ channel }) => channel))).toEqual(new Set([0, 1]));
    const [session] = rig.hub.sessions.all();
    expect(session?.explain?.().media.map(({ kind, delivery }) => [kind, delivery])).toEqual([
      ['video', 'absent'],
      ['audio', 'as_is'],
    ]);
  });

  it('describe their sessions as the REST API wants it', async () => {
    rig = await RtspRig.start();
    live();
    const client = await rig.client();
    await client.play(rig.url('cam?user=7&appKey=mine'));
    const { localPort } = client.socket;
    const [session] = rig.hub.sessions.all();
    expect(session?.describe()).toMatchObject({
      sessionId: `/127.0.0.1:${localPort}/127.0.0.1:${rig.server.port}`,
      appKey: 'mine',
      protocol: 'rtsp',
      mediaProvider: 'RTSP',
      mediaType: 'play',
      streamName: 'cam',
      status: 'PLAYING',
      transport: 'TCP',
      custom: { user: '7' },
    });
    expect(session?.mediaSessionId).toMatch(/^[0-9a-f-]{36}-cam-RTSP$/);
    expect([...rig.hub.connections.all()].map((connection) => connection.describe().status)).toEqual(['ESTABLISHED']);
    session?.close('enough');
    await client.gone();
    expect(client.frames.at(-1)?.channel).toBe(3);
    const last = parseRtcp(client.frames.at(-1)?.payload ?? Buffer.alloc(0));
    expect(last.map(({ kind }) => kind)).toContain('bye');
  });

  it('end with their stream', async () => {
    rig = await RtspRig.start();
    const stream = live();
    const client = await rig.client();
    await client.play(rig.url('cam'));
    rig.hub.streams.end(stream, 'over');
    await client.gone();
    expect(rig.hub.sessions.size).toBe(0);
  });

  it('go on when the source begins anew with the same codecs', async () => {
    rig = await RtspRig.start();
    const stream = live();
    const client = await rig.client();
    await client.play(rig.url('cam'));
    await vi.waitFor(() => expect(packetsOf(client, 0)).toHaveLength(10));
    stream.beginAnew();
    stream.publish(packet({ ...VIDEO }, 2000));
    stream.publish(packet({ ...AUDIO }, 2000));
    await vi.waitFor(() => expect(packetsOf(client, 2)).toHaveLength(11));
    const [before, after] = packetsOf(client, 0).slice(9);
    expect(after?.sequence).toBe(((before?.sequence ?? 0) + 1) & 0xffff);
    const isPacket = client.frames.map(({ channel }) => channel === 0);
    // A new report comes before the first packet of the new beginning.
    expect(client.frames.slice(isPacket.lastIndexOf(true) - 2).map(({ channel }) => channel)).toEqual([1, 3, 0, 2]);
  });

  it('end when the codec changes, and go on with other parameter sets', async () => {
    rig = await RtspRig.start();
    const stream = live();
    const client = await rig.client();
    await client.play(rig.url('cam'));
    stream.publish(packet({ ...VIDEO, parameters: [Uint8Array.of(0x67, 1), Uint8Array.of(0x68, 2)] }, 1440));
    await vi.waitFor(() => expect(packetsOf(client, 0)).toHaveLength(11));
    stream.publish(packet({ ...VIDEO, codec: 'vp8', parameters: [] }, 1480));
    await client.gone();
    expect(rig.hub.log.lines.some(({ fields }) => JSON.stringify(fields).includes('from h264 to vp8'))).toBe(true);
  });

  it('give what players do not take as H.264 and AAC', async () => {
    const converter = new RelabelConverter();
    rig = await RtspRig.start({ videoCodecs: new Set(['h264']) }, { converter });
    const stream = rig.publish('cam', [{ ...VIDEO, codec: 'vp8', parameters: [] }, AUDIO]);
    const publish = (ms: number): void => {
      stream.publish(packet({ ...VIDEO, codec: 'vp8', parameters: [] }, ms));
      stream.publish(packet(AUDIO, ms));
    };
    for (let ms = 0; ms < 400; ms += 40) publish(ms);
    const client = await rig.client();
    const described = client.request('DESCRIBE', rig.url('cam'));
    const timer = setInterval(() => publish(stream.lastDtsUs / 1000 + 40), 20);
    const sdp = Buffer.from((await described).body).toString();
    clearInterval(timer);
    expect(sdp).toMatch(/H264\/90000[\s\S]*MPEG4-GENERIC\/48000\/2/);
  });
});

describe('access of RTSP players', () => {
  function guarded(answer: (what: string, fields: Fields) => AccessAnswer): ScriptedAccess {
    const access = new ScriptedAccess();
    access.answer = answer;
    return access;
  }

  it('is asked before every method but OPTIONS, with what the hook tells', async () => {
    const access = guarded(() => undefined);
    rig = await RtspRig.start({}, { access });
    live();
    const client = await rig.client();
    await client.request('OPTIONS', '*');
    const url = rig.url('cam?aclAuth=5');
    const agent = { 'User-Agent': 'LibVLC/3' };
    await client.request('DESCRIBE', url, agent);
    // A client that joins addresses by the book has lost the parameters here.
    await client.request('SETUP', rig.url('cam/trackID=0'), { ...TCP, ...agent });
    for (const method of ['PLAY', 'PAUSE', 'GET_PARAMETER', 'SET_PARAMETER', 'TEARDOWN'])
      expect((await client.request(method, url, agent)).status).toBe(200);
    expect(access.whats).toEqual(new Array(7).fill('view'));
    for (const { fields } of access.calls)
      expect(fields).toMatchObject({
        appKey: 'defaultApp',
        protocol: 'rtsp',
        mediaProvider: 'RTSP',
        remoteAddress: '127.0.0.1',
        streamName: 'cam',
        custom: { aclAuth: '5' },
        fields: { name: rig.url('cam'), userAgent: 'LibVLC/3' },
      });
    expect(new Set(access.calls.map(({ fields }) => fields['mediaSessionId'])).size).toBe(1);
  });

  it('denied closes the connection with 403', async () => {
    let denied = false;
    rig = await RtspRig.start({}, { access: guarded(() => (denied ? { deny: 'Restricted access' } : undefined)) });
    const stream = live();
    const client = await rig.client();
    await client.play(rig.url('cam'));
    denied = true;
    const answer = await client.request('GET_PARAMETER', rig.url('cam'));
    expect([answer.status, answer.reason]).toEqual([403, 'Restricted access']);
    await client.gone();
    expect([stream.viewers, rig.hub.sessions.size]).toEqual([0, 0]);
  });

  it('without the token that is needed is asked for one, which may be a password', async () => {
    const access = new ScriptedAccess();
    const { MediaServerError: Failure } = await import('../../../core/index.ts');
    access.view = async ({ custom }): Promise<void> => {
      const error: MediaServerError = new Failure('TOKEN_REQUIRED', 'a stream token is needed');
      if (custom['token'] !== 'secret') throw error;
    };
    rig = await RtspRig.start({}, { access });
    live();
    const client = await rig.client();
    const refused = await client.request('DESCRIBE', rig.url('cam'));
    expect([refused.status, refused.headers.get('WWW-Authenticate')]).toEqual([401, 'Basic realm="Sluice"']);
    const Authorization = `Basic ${Buffer.from('anybody:secret').toString('base64')}`;
    expect((await client.request('DESCRIBE', rig.url('cam'), { Authorization })).status).toBe(200);
    expect((await client.request('DESCRIBE', rig.url('cam?token=secret'))).status).toBe(200);
  });
});

it('a file for one viewer alone is played from its first packet on, beginning where the address says', async () => {
  const packets = [0, 40, 80].map((ms) => packet(VIDEO, ms, ms === 0));
  const files = new PersonalStreams(packets);
  rig = await RtspRig.start({}, { resolvers: [files], converter: new RelabelConverter() });
  const client = await rig.client();
  expect((await client.play(rig.url('vod%3A%2F%2Fclip.mp4?start=12.5'))).status).toBe(200);
  await vi.waitFor(() => expect(packetsOf(client, 0).filter(({ marker }) => marker)).toHaveLength(3));
  expect(files.requests).toMatchObject([{ startUs: 12_500_000 }]);
  client.close();
  await vi.waitFor(() => expect(files.streams[0]?.readerCount).toBeLessThan(2));
});

it('names with passwords are not logged', async () => {
  rig = await RtspRig.start();
  const client = await rig.client();
  const name = encodeURIComponent('rtsp://user:secret@10.0.0.1/cam?key=hidden');
  expect((await client.request('DESCRIBE', rig.url(name))).status).toBe(404);
  expect(JSON.stringify(rig.hub.log.lines)).toContain('10.0.0.1/cam');
  expect(JSON.stringify(rig.hub.log.lines)).not.toMatch(/secret|hidden/);
});
