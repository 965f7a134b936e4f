import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { ErrorBody, HealthBody, OverviewBody, StreamObject } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamDetails } from './stream-details.ts';
import { ControlFixture } from './testing/control-fixture.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

const start: ControlFixture['start'] = (deps, options) => fixture.start(deps, options);
const publish: ControlFixture['publish'] = (name, fields) => fixture.publish(name, fields);
const addSession: ControlFixture['addSession'] = (name, fields) => fixture.addSession(name, fields);

async function findAll(base: string, init?: RequestInit): Promise<StreamObject[]> {
  const response = await fetch(`${base}/rest-api/stream/find_all`, init);
  expect(response.status).toBe(200);
  return (await response.json()) as StreamObject[];
}

async function expectError(response: Response, status: number, path: string): Promise<ErrorBody> {
  const body = (await response.json()) as ErrorBody;
  expect(response.status).toBe(status);
  expect(Value.Check(ErrorBody, body)).toBe(true);
  expect(body).toMatchObject({ status, path });
  return body;
}

/** Sends bytes as they are, since `fetch` only sends what is valid; resolves with all that comes back. */
function exchange(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(fixture.server?.port ?? 0, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}

describe('POST /rest-api/stream/find_all', () => {
  it('lists a publication with what its tracks say, in the form of WCS', async () => {
    publish('room');
    const [object, ...rest] = await findAll(await start(), { method: 'POST' });
    expect(rest).toEqual([]);
    expect(Value.Check(StreamObject, object)).toBe(true);
    expect(object).toMatchObject({
      name: 'room',
      published: true,
      hasVideo: true,
      hasAudio: true,
      status: 'PUBLISHING',
      record: false,
      width: 1280,
      height: 720,
      videoCodec: 'H264',
      audioCodec: 'mpeg4-generic/48000/2',
      bitrate: 0,
      mediaType: 'publish',
      mediaProvider: 'Flash',
      audioState: { muted: false },
      transport: 'TCP',
    });
    expect(object).not.toHaveProperty('sdp');
  });

  it('lists players beside publishers, and those that still wait for a stream', async () => {
    publish('room');
    const play = { mediaType: 'play', status: 'PLAYING' } as const;
    addSession('room', { ...play, protocol: 'hls', mediaProvider: 'HLS' });
    addSession('later', { ...play, status: 'PENDING' });
    const objects = await findAll(await start(), { method: 'POST' });
    expect(objects.map((o) => [o.name, o.published, o.status, o.hasVideo, o.width])).toEqual([
      ['room', true, 'PUBLISHING', true, 1280],
      ['room', false, 'PLAYING', true, 1280],
      ['later', false, 'PENDING', false, 0],
    ]);
    expect(objects[2]).not.toHaveProperty('videoCodec');
  });

  it('answers 404 with the error body when there is nothing', async () => {
    const response = await fetch(`${await start()}/rest-api/stream/find_all`, { method: 'POST' });
    await expectError(response, 404, '/rest-api/stream/find_all');
  });

  it.each([
    ['GET', undefined, undefined],
    ['POST', 'application/json', ''],
    ['POST', 'application/json;charset=UTF-8', '{"unknown":"field"}'],
    ['POST', 'application/x-www-form-urlencoded', '{}'],
    ['POST', 'text/plain', ' '],
  ])('accepts %s with content type %s and body %j', async (method, type, body) => {
    publish('room');
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
    const base = await start();
    expect(await findAll(base, { method, headers, ...(body === undefined ? {} : { body }) })).toHaveLength(1);
  });

  it('tolerates a trailing slash', async () => {
    publish('room');
    const response = await fetch(`${await start()}/rest-api/stream/find_all/?x=1`, { method: 'POST' });
    expect(response.status).toBe(200);
  });

  it.each(['{', '[]', '"text"', 'null'])('answers 400 to the body %s', async (body) => {
    const init = { method: 'POST', body };
    await expectError(await fetch(`${await start()}/rest-api/stream/find_all`, init), 400, '/rest-api/stream/find_all');
  });

  it('answers 413 to a body over 1 MiB', async () => {
    const init = { method: 'POST', body: ' '.repeat(1024 * 1024 + 1) };
    await expectError(await fetch(`${await start()}/rest-api/stream/find_all`, init), 413, '/rest-api/stream/find_all');
  });

  it('describes a stream once, whatever the number of its viewers', async () => {
    publish('room');
    for (let i = 0; i < 20; i++) addSession('room', { mediaType: 'play', status: 'PLAYING', mediaSessionId: `p${i}` });
    let calls = 0;
    const describeTrack = (): StreamDetails => {
      calls++;
      return {};
    };
    const base = await start({ describeTrack });
    expect(await findAll(base)).toHaveLength(21);
    expect(calls).toBe(1);
  });
});

describe('/rest-api', () => {
  it.each(['mixer/startup', 'call/find_all', 'transcoder/startup', 'cdn/stream/access_list/add', 'v3/mixer/startup'])(
    'answers 501 to /%s, which WCS has and this version has not',
    async (method) => {
      const response = await fetch(`${await start()}/rest-api/${method}?a=b`, { method: 'POST', body: '{}' });
      expect((await expectError(response, 501, `/rest-api/${method}`)).message).toContain('not available yet');
    },
  );

  it.each(['', '/', '/nothing', '/stream/nothing', '/stream/FIND_ALL', '/constructor'])(
    'answers 404 to /rest-api%s, which WCS has not either',
    async (path) => {
      await expectError(await fetch(`${await start()}/rest-api${path}`, { method: 'POST' }), 404, `/rest-api${path}`);
    },
  );

  it('lets pages of any origin read answers and errors', async () => {
    const response = await fetch(`${await start()}/rest-api/stream/find_all`, { method: 'POST' });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-headers')).toBe('content-type,x-requested-with');
    expect(response.headers.get('access-control-allow-methods')).toBe('POST');
  });

  it('answers a preflight with 200, headers and no body', async () => {
    const response = await fetch(`${await start()}/rest-api/stream/find_all`, { method: 'OPTIONS' });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('sends the headers of rest_access_control_headers in place of the default ones', async () => {
    const accessControlHeaders =
      'Access-Control-Allow-Origin: https://a.example; Access-Control-Allow-Credentials: true';
    const base = await start({}, { accessControlHeaders });
    const { headers } = await fetch(`${base}/rest-api/x`, { method: 'OPTIONS' });
    expect(headers.get('access-control-allow-origin')).toBe('https://a.example');
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.has('access-control-allow-methods')).toBe(false);
  });

  it.each(['no header', 'Bad Name: x', 'X-Y: a\nb'])('refuses the setting %j at once', async (accessControlHeaders) => {
    await expect(start({}, { accessControlHeaders })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('errors', () => {
  it('hides the reason of its own failures from clients and logs it', async () => {
    publish('room');
    const base = await start({
      describeTrack: () => {
        throw new Error('secret detail');
      },
    });
    const body = await expectError(await fetch(`${base}/api/overview`), 500, '/api/overview');
    expect(body.message).toBe('internal error');
    expect(fixture.errors).toEqual(['request failed']);
  });

  it('has an error body for paths that do not exist or do not decode', async () => {
    const base = await start();
    await expectError(await fetch(`${base}/nothing?q=1`), 404, '/nothing');
    await expectError(await fetch(`${base}/%zz`), 400, '/%zz');
  });

  it('has an error body for what is not HTTP', async () => {
    await start();
    const answer = await exchange('nonsense\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(Value.Check(ErrorBody, JSON.parse(answer.split('\r\n\r\n')[1] ?? ''))).toBe(true);
  });
});

describe('/health, /metrics and /api/overview', () => {
  it('tells that it is alive', async () => {
    publish('room');
    const body: unknown = await (await fetch(`${await start()}/health`)).json();
    expect(Value.Check(HealthBody, body)).toBe(true);
    expect(body).toMatchObject({ status: 'ok', version: '1.2.3', streams: 1, sessions: 1 });
  });

  it('renders the process, counters, sessions and streams for Prometheus', async () => {
    publish('a "quoted"\\name').addViewers(3);
    fixture.counters.count('hls_requests', 7);
    const base = await start();
    await fetch(`${base}/metrics`);
    const response = await fetch(`${base}/metrics`);
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain('sluice_hls_requests_total 7\n');
    expect(text).toContain('sluice_rtmp_connections_total 0\n');
    expect(text).toContain('sluice_sessions{protocol="rtmp",media_type="publish"} 1\n');
    expect(text).toContain('sluice_stream_viewers{stream="a \\"quoted\\"\\\\name"} 3\n');
    expect(text).toContain('sluice_stream_bytes_total{stream="a \\"quoted\\"\\\\name",kind="video"} 1000\n');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('gives at most 1000 streams series of their own, those with viewers first', async () => {
    for (let i = 0; i < 1001; i++) publish(`s${i}`, { mediaSessionId: `m${i}` });
    fixture.streams.get('s1000')?.addViewers(1);
    const text = await (await fetch(`${await start()}/metrics`)).text();
    expect(text.match(/^sluice_stream_viewers\{/gm)).toHaveLength(1000);
    expect(text).toContain('sluice_stream_viewers{stream="s1000"} 1\n');
    expect(text).toContain('sluice_streams_omitted 1\n');
  });

  it('forgets the series of a stream that is over', async () => {
    const stream = publish('room');
    const base = await start();
    expect(await (await fetch(`${base}/metrics`)).text()).toContain('stream="room"');
    if (stream.publisher !== undefined) fixture.streams.unpublish(stream, stream.publisher, 'test');
    expect(await (await fetch(`${base}/metrics`)).text()).not.toContain('stream="room"');
  });

  it('tells the console what is live and how to reach the server', async () => {
    publish('room').addViewers(2);
    publish('demo', { protocol: 'vod' });
    const base = await start();
    const body = (await (await fetch(`${base}/api/overview`)).json()) as OverviewBody;
    expect(Value.Check(OverviewBody, body)).toBe(true);
    const media = {
      rtmp: 1935,
      hls: 8082,
      ws: 8080,
      wss: 8443,
      rtsp: 5554,
      srt: 8890,
      webrtc: true,
      hlsSecure: 8445,
      mse: true,
      lowLatencyHls: true,
      dash: true,
      hlsLadder: true,
    };
    expect(body.ports).toEqual({ ...media, http: fixture.server?.port, https: 0 });
    expect(body.addresses).toEqual(['127.0.0.1']);
    expect(body.streams.map((s) => [s.name, s.startedByDemo, s.viewers])).toEqual([
      ['demo', true, 0],
      ['room', undefined, 2],
    ]);
    expect(body.streams[1]).toMatchObject({
      publisher: { protocol: 'rtmp', remoteAddress: '192.0.2.7:50000' },
      video: { codec: 'h264', codecString: 'avc1.64001f', width: 1280, height: 720 },
      audio: { codec: 'aac', sampleRate: 48_000, channels: 2 },
    });
  });
});

describe('console files', () => {
  it('serves the built console, the page uncached and its assets for ever', async () => {
    writeFileSync(join(fixture.folder, 'index.html'), '<title>console</title>');
    mkdirSync(join(fixture.folder, 'assets'));
    writeFileSync(join(fixture.folder, 'assets', 'index-abc.js'), '1');
    const base = await start();
    const page = await fetch(`${base}/`);
    expect(await page.text()).toBe('<title>console</title>');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const asset = await fetch(`${base}/assets/index-abc.js`);
    expect(asset.headers.get('cache-control')).toContain('immutable');
    await expectError(await fetch(`${base}/assets/gone.js`), 404, '/assets/gone.js');
  });

  it('serves no file outside the folder', async () => {
    writeFileSync(join(fixture.folder, 'index.html'), '');
    const base = await start();
    expect((await fetch(`${base}/..%2f..%2fetc%2fpasswd`)).status).toBeGreaterThanOrEqual(400);
  });

  it('says how to build the console when it is not there', async () => {
    const response = await fetch(`${await start()}/`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('npm run build -w apps/console');
  });
});

describe('life', () => {
  it('names the address, the setting and what to do when the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const starting = start({}, { port });
    await expect(starting).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await expect(starting).rejects.toThrow(new RegExp(`127\\.0\\.0\\.1:${port}.*http\\.port`));
    await new Promise((resolve) => other.close(resolve));
  });

  it('releases its port and kept-alive connections when closed, more than once and before start', async () => {
    const base = await start();
    await fetch(`${base}/health`);
    await Promise.all([fixture.server?.close(), fixture.server?.close()]);
    await expect(fetch(`${base}/health`)).rejects.toThrow();
  });
});
