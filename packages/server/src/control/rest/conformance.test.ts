import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { ErrorBody } from '@sluice/contract';
import type { TSchema } from 'typebox';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tlsIdentity } from '../../app/tls-identity.ts';
import type { StreamPackaging } from '../../core/index.ts';
import { TestLog } from '../../core/testing/hub.ts';
import { ControlFixture } from '../testing/control-fixture.ts';
import { curl, type RawAnswer } from '../testing/raw-http.ts';
import type { RestMethod } from './rest-method.ts';
import { REST_METHODS } from './rest-methods.ts';

let fixture: ControlFixture;
let base: string;
let data: unknown[];
let levels: string[];
let cut: Set<string>;

const WEB = '/192.0.2.9:40000/192.0.2.1:8080';
const RTMP = '/192.0.2.7:50000/192.0.2.1:1935';
const PLAY = { mediaType: 'play', status: 'PLAYING' } as const;

beforeEach(async () => {
  fixture = new ControlFixture();
  data = [];
  levels = [];
  cut = new Set();
  fixture.publish('room', { mediaSessionId: 'p', custom: { nested: { a: [1, null] } } as never });
  fixture.addSession('room', { ...PLAY, mediaSessionId: 'v', sessionId: WEB });
  fixture.addConnection(RTMP);
  fixture.addConnection(
    WEB,
    { protocol: 'webrtc', mediaProvider: 'WebRTC', custom: { deep: { a: [{ b: null }] } } as never },
    {
      sendData: (operationId, payload) => void data.push([operationId, payload]),
      setLogLevel: (level) => void levels.push(level),
    },
  );
  const hls: StreamPackaging = {
    names: () => [...cut],
    start: async (name) => fixture.streams.get(name) !== undefined && cut.add(name) !== undefined,
    stop: (name) => cut.delete(name),
  };
  base = await fixture.start({ hls });
});

afterEach(() => fixture.close());

/** Node's client by the low door: nothing is sent that is not written here. */
function call(path: string, init: { method?: string; body?: string; headers?: Record<string, string> } = {}) {
  return new Promise<RawAnswer>((resolve, reject) => {
    const { method = 'POST', body, headers = {} } = init;
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const request = httpRequest(
      `${base}/rest-api${path}`,
      { method, headers: { ...length, ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += String(chunk);
        });
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
            body: text,
          }),
        );
      },
    );
    request.on('error', reject).end(body);
  });
}

function post(path: string, body: unknown): Promise<RawAnswer> {
  return call(path, { body: JSON.stringify(body) });
}

function errorOf(answer: RawAnswer, status: number): string {
  expect([answer.status, answer.body], answer.body).toEqual([status, expect.anything()]);
  const body = JSON.parse(answer.body) as ErrorBody;
  expect(Value.Check(ErrorBody, body), answer.body).toBe(true);
  expect(body.status).toBe(status);
  return body.message;
}

const WRONG: Readonly<Record<string, unknown>> = {
  string: {},
  boolean: 'perhaps',
  integer: 'x',
  number: 'x',
  array: {},
};

function fieldsOf(method: RestMethod): [string, { type?: string; enum?: unknown }][] {
  return Object.entries(method.request.properties as Record<string, TSchema>);
}

function requiredOf(method: RestMethod): readonly string[] {
  return (method.request as { required?: readonly string[] }).required ?? [];
}

/** A value that the schema of a required field allows. */
function anyValue(method: RestMethod, field: string): unknown {
  const [, shape] = fieldsOf(method).find(([name]) => name === field) ?? [];
  return Array.isArray(shape?.enum) ? shape.enum[0] : 'x';
}

const CASES = REST_METHODS.flatMap((method) => {
  const path = method.onlyV3 === true ? `/v3${method.path}` : method.path;
  return method.onlyV3 === true
    ? [{ path, method }]
    : [
        { path, method },
        { path: `/v3${path}`, method },
      ];
});

describe('every method', () => {
  it('answers 400 that names the field for each field of a wrong type', async () => {
    for (const { path, method } of CASES) {
      const fill = Object.fromEntries(requiredOf(method).map((field) => [field, anyValue(method, field)]));
      for (const [field, { type, enum: words }] of fieldsOf(method)) {
        const wrong = words === undefined ? WRONG[type ?? ''] : 'no such word';
        if (wrong === undefined) continue;
        const message = errorOf(await post(path, { ...fill, [field]: wrong }), 400);
        expect(message.startsWith(`${field} `), `${path}: ${message}`).toBe(true);
      }
    }
    expect(fixture.closed).toEqual([]);
  });

  it.each(CASES)('$path reads no body, an empty one, one of nulls, and GET alike', async ({ path, method }) => {
    const nulls = Object.fromEntries(fieldsOf(method).map(([field]) => [field, null]));
    const { status } = await call(path);
    for (const body of ['', ' ', '{}', JSON.stringify(nulls), JSON.stringify({ unknown: [{}] })]) {
      expect([body, (await call(path, { body })).status]).toEqual([body, status]);
    }
    expect((await call(path, { method: 'GET' })).status).toBe(status);
    expect((await call(`${path}/`)).status).toBe(status);
    if (requiredOf(method).length > 0) expect(status).toBe(400);
  });

  it('says by 405 that it takes no PUT, and lets pages of any origin ask', async () => {
    for (const { path } of CASES) {
      const put = await call(path, { method: 'PUT', body: '{}' });
      expect(errorOf(put, 405)).toContain('POST or GET');
      expect(put.headers['allow']).toBe('GET, POST, OPTIONS');
      const preflight = await call(path, { method: 'OPTIONS' });
      expect([preflight.status, preflight.body]).toEqual([200, '']);
      expect(preflight.headers['access-control-allow-origin']).toBe('*');
    }
  });

  it.each(['{', '[1]', '"x"', 'name=x', '{"a":1,}'])('answers 400 to the body %s', async (body) => {
    for (const { path } of CASES) expect(errorOf(await call(path, { body }), 400)).toContain('the request body is not');
  });
});

describe('content types', () => {
  const types = ['application/json;charset=UTF-8', 'text/plain', 'json', '/;;', 'multipart/form-data', ''];
  it.each(types)('mean nothing: "%s"', async (type) => {
    const body = JSON.stringify({ name: 'room', published: 'true' });
    const answer = await call('/stream/find', { body, headers: { 'content-type': type } });
    expect([answer.status, (JSON.parse(answer.body) as unknown[]).length]).toEqual([200, 1]);
  });
});

describe('answers of each method by curl', () => {
  const at = (path: string): string => `${base}/rest-api${path}`;
  const send = (path: string, body: unknown): Promise<RawAnswer> => curl(at(path), '-d', JSON.stringify(body));

  it('/connection finds, tells any JSON of clients, and ends', async () => {
    const all = JSON.parse((await curl(at('/connection/find_all'))).body) as { custom: unknown }[];
    expect(all.map(({ custom }) => custom)).toEqual([{}, { deep: { a: [{ b: null }] } }]);
    expect((await send('/connection/find', { keepAlive: 'true', sessionId: WEB })).status).toBe(200);
    expect((await send('/connection/find', { keepAlive: false })).status).toBe(404);
    expect(await send('/connection/terminate', { sessionId: RTMP })).toMatchObject({ status: 200, body: '' });
    expect((await send('/connection/terminate', { sessionId: RTMP })).status).toBe(404);
    expect(fixture.closed.at(-1)).toBe(`${RTMP}: Stopped by rest /terminate`);
  });

  it('/connection/set_log_level sets what the client’s protocol can set', async () => {
    const set = (sessionId: string, logLevel: string) => send('/connection/set_log_level', { sessionId, logLevel });
    expect(await set(WEB, 'TRACE')).toMatchObject({ status: 200, body: '' });
    expect((await set(WEB, 'error')).status).toBe(200);
    expect(levels).toEqual(['debug', 'error']);
    expect(errorOf(await set(WEB, 'LOUD'), 400)).toBe('logLevel is one of TRACE, DEBUG, INFO, WARN, ERROR');
    expect(errorOf(await set('/1', 'INFO'), 404)).toContain('no connection');
    expect(errorOf(await set(RTMP, 'INFO'), 501)).toBe('rtmp connections have no log level of their own');
  });

  it('/stream finds and ends', async () => {
    const [stream] = JSON.parse((await curl(at('/stream/find'), '-d', '{"mediaSessionId":"p"}')).body) as object[];
    expect(stream).toMatchObject({ name: 'room', published: true, custom: { nested: { a: [1, null] } } });
    expect(await curl(at('/stream/find_all'))).toMatchObject({ status: 200 });
    expect(await send('/stream/terminate', { published: 'false' })).toMatchObject({ status: 200, body: '' });
    expect(fixture.closed).toEqual(['room: Stopped by rest /terminate']);
    expect((await send('/stream/terminate', { published: 'false' })).status).toBe(404);
  });

  it('/stream/event/send tells the viewers of a stream', async () => {
    const told: unknown[] = [];
    fixture.streams.get('room')?.signals.events.on('signal', (signal) => told.push(signal));
    const event = (streamName: string, payload: unknown) => send('/stream/event/send', { streamName, payload });
    expect(await event('room', { count: 23, none: null })).toMatchObject({ status: 200, body: '' });
    expect(told).toEqual([{ type: 'data', payload: { count: 23, none: null } }]);
    expect(errorOf(await event('hall', {}), 404)).toBe('no stream "hall" is live');
  });

  it('/data/send reaches clients, and says whom it did not reach', async () => {
    const body = { operationId: 'o', payload: { a: [true] }, nodeId: 'n' };
    expect(await send('/data/send', { ...body, sessionId: WEB })).toMatchObject({ status: 200, body: '' });
    expect(data).toEqual([['o', { a: [true] }]]);
    expect(errorOf(await send('/data/send', { ...body, sessionId: '/1' }), 404)).toContain('no connection');
    expect(errorOf(await send('/data/send', { ...body, sessionId: RTMP }), 404)).toContain('rtmp connections can not');
    fixture.addConnection(
      '/pending',
      { protocol: 'webrtc', status: 'PENDING' },
      { sendData: () => data.push(['no', 0]) },
    );
    expect(errorOf(await send('/data/send', { ...body, sessionId: '/pending' }), 404)).toContain('not let in yet');
    const some = await send('/data/send', { payload: 'x', sessionIds: [WEB, '/1', WEB, RTMP] });
    expect(JSON.parse(some.body)).toMatchObject({ sent: [WEB], failed: [{ sessionId: '/1' }, { sessionId: RTMP }] });
    expect(await send('/data/send', { payload: 1, sessionIds: [WEB] })).toMatchObject({ status: 200, body: '' });
    expect(errorOf(await send('/data/send', { payload: 1, sessionIds: [] }), 400)).toContain('say whom');
    expect(errorOf(await send('/data/send', { sessionIds: Array(1001).fill('x') }), 400)).toContain('at most 1000');
  });

  it('/hls begins, lists and stops to cut streams', async () => {
    expect((await curl(at('/hls/find_all'))).status).toBe(404);
    expect(errorOf(await send('/hls/startup', { name: 'hall' }), 404)).toBe('no stream "hall" is live');
    expect(await send('/hls/startup', { name: 'room' })).toMatchObject({ status: 200, body: '' });
    expect((await curl(at('/hls/find_all'))).body).toBe('["room"]');
    expect(await send('/hls/terminate', { name: 'room' })).toMatchObject({ status: 200, body: '' });
    expect((await send('/hls/terminate', { name: 'room' })).status).toBe(404);
  });

  it('/hls answers 501 where HLS is off', async () => {
    await fixture.server?.close();
    base = await fixture.start({ hls: undefined });
    for (const path of ['/hls/startup', '/hls/terminate']) {
      expect(errorOf(await send(path, { name: 'room' }), 501)).toContain('hls.port=0');
    }
    expect(errorOf(await curl(at('/hls/find_all')), 501)).toContain('hls.port=0');
  });

  it('/openapi_spec is JSON or YAML', async () => {
    for (const path of ['/openapi_spec', '/openapi_spec.json', '/openapi_spec.json/']) {
      const { body, headers } = await curl(at(path));
      expect(JSON.parse(body)).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } });
      expect(headers['content-type']).toContain('application/json');
    }
    expect((await curl(at('/openapi_spec.yaml'))).body).toMatch(/^openapi: 3.1.0\n/);
  });

  it('other paths are 404, those of WCS that are missing 501, whatever tricks the path has', async () => {
    const paths = [
      '',
      '/',
      '/stream',
      '/Stream/find_all',
      '/stream//find_all',
      '/stream/find_all/x',
      '/v4/stream/find',
    ];
    const tricks = ['/stream/..%2f..%2fetc', '/%2e%2e/%2e%2e/etc/passwd', '/stream/find_all%00', '/__proto__', '/v3'];
    for (const path of [...paths, ...tricks]) expect([path, (await curl(at(path))).status]).toEqual([path, 404]);
    expect((await curl('--path-as-is', at('/../../etc/passwd'))).status).toBe(404);
    expect(errorOf(await curl(at('/%zz')), 400)).toContain('not a valid url');
    for (const path of ['/mixer/startup', '/v3/mixer/add/', '/call/inject_stream']) {
      expect(errorOf(await curl(at(path), '-d', '{}'), 501)).toContain('not available yet');
    }
  });

  it('HTTPS gives the same', async () => {
    const dataDir = join(fixture.folder, 'tls');
    const files = { certificateFile: '', privateKeyFile: '' };
    const identity = await tlsIdentity({ ...files, dataDir, host: 'localhost', log: new TestLog() });
    await fixture.server?.close();
    await fixture.start({}, { https: { port: 0, identity } });
    const secure = `https://127.0.0.1:${fixture.server?.securePort}/rest-api`;
    expect((await curl('-k', `${secure}/stream/find`, '-d', '{"published":"true"}')).status).toBe(200);
    expect((await curl('-k', `${secure}/stream/find`, '-d', '{"published":5}')).status).toBe(400);
    expect((await curl('-k', `${secure}/stream/nothing`)).status).toBe(404);
  });
});

describe('an answer that its schema does not know', () => {
  it('is an error in tests, so that no field is left out without a word', async () => {
    const description = fixture.addConnection('/strange');
    Object.assign(description, { keepAlive: 'yes' });
    expect((await post('/connection/find_all', {})).status).toBe(500);
    expect(fixture.errors).toHaveLength(1);
  });
});

describe('/stream/terminate without any field', () => {
  it('ends all streams only where that is allowed', async () => {
    expect(errorOf(await post('/stream/terminate', {}), 400)).toContain('rest_terminate_all_enabled');
    expect(fixture.closed).toEqual([]);
    await fixture.server?.close();
    base = await fixture.start({}, { terminateAllEnabled: true });
    expect((await post('/stream/terminate', { mediaSessionIds: [] })).status).toBe(404);
    for (const method of ['GET', 'HEAD']) expect((await call('/stream/terminate', { method })).status).toBe(400);
    expect(fixture.closed).toEqual([]);
    expect((await post('/stream/terminate', {})).status).toBe(200);
    expect(fixture.closed).toHaveLength(2);
  });
});
