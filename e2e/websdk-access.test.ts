import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type SdkPage, SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';

type Body = Readonly<Record<string, unknown>>;
/** 200 with the hook's own body, unless something else is said; texts go out as they are. */
type Answer = { readonly status?: number; readonly body?: Body | string } | undefined;

const WAIT = { timeout: 20_000, interval: 50 };
const APP = 'shop';
const POLICY = { restOnError: 'FAIL', restPolicy: 'OVERWRITE', restOverwrite: 'name' };
const CONFIG = {
  publishStream: POLICY,
  playStream: POLICY,
  OnDataEvent: { restOnError: 'FAIL' },
  StreamKeepAliveEvent: { restOnError: 'FAIL' },
};
const HOOKS = [
  'connect',
  'ConnectionStatusEvent',
  'publishStream',
  'unPublishStream',
  'playStream',
  'stopStream',
  'StreamStatusEvent',
  'StreamKeepAliveEvent',
  'OnDataEvent',
  'DataStatusEvent',
];

/** Hooks that came to the application's back end, and what it says to them: yes, unless a test has put something else. */
const hooks: { readonly hook: string; readonly body: Body }[] = [];
let answer: (hook: string, body: Body) => Answer = () => undefined;

let backEnd: Server;
let server: SdkServer;
let pages: SdkPages;
let one: SdkPage;
let two: SdkPage;

function told(hook: string, fields: Body = {}): Body | undefined {
  return hooks.find(
    (seen) => seen.hook === hook && Object.entries(fields).every(([name, value]) => seen.body[name] === value),
  )?.body;
}

function untilTold(hook: string, fields: Body = {}): Promise<Body> {
  return vi.waitFor(() => {
    const found = told(hook, fields);
    if (found === undefined) throw new Error(`no ${hook} ${JSON.stringify(fields)} in ${JSON.stringify(hooks)}`);
    return found;
  }, WAIT);
}

beforeAll(async () => {
  backEnd = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      const hook = (request.url ?? '').slice('/api/'.length);
      const body = JSON.parse(text) as Body;
      hooks.push({ hook, body });
      const { status = 200, body: own } = answer(hook, body) ?? {};
      const echo = hook === 'connect' ? { ...body, restClientConfig: CONFIG } : body;
      response.writeHead(status).end(typeof own === 'string' ? own : JSON.stringify(own ?? echo));
    });
  }).listen(0, '127.0.0.1');
  await once(backEnd, 'listening');
  const address = backEnd.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server = await SdkServer.start({
    keep_alive_streaming_sessions_enabled: 'true',
    streaming_sessions_keep_alive_interval: 500,
    streaming_sessions_keep_alive_app_keys: APP,
  });
  const application = { name: APP, appKey: APP, url: `http://127.0.0.1:${port}/api`, restMethods: HOOKS };
  writeFileSync(join(server.folder, 'applications.json'), JSON.stringify({ applications: [application] }));
  pages = await SdkPages.start();
  const first = await pages.open();
  // The file is found when its application can be connected to.
  await vi.waitFor(async () => expect(await first.connect(server.url, { appKey: APP })).toBe('ESTABLISHED'), WAIT);
  await first.close();
  await untilTold('ConnectionStatusEvent', { status: 'DISCONNECTED' });
});

afterAll(async () => {
  await pages.close();
  await server.stop();
  backEnd.close();
});

beforeEach(async () => {
  hooks.length = 0;
  one = await pages.open();
  two = await pages.open();
});

afterEach(async () => {
  answer = () => undefined;
  expect([...(await one.faults()), ...(await two.faults())]).toEqual([]);
  await one.close();
  await two.close();
  await vi.waitFor(async () => expect(await server.mediaSessions()).toEqual([]), WAIT);
});

async function connect(page: SdkPage, options: object = {}): Promise<void> {
  expect(await page.connect(server.url, { appKey: APP, ...options })).toBe('ESTABLISHED');
}

describe('the back end of a Web SDK application', () => {
  it('refuses a client: its session is FAILED, and says why', async () => {
    answer = (hook) => (hook === 'connect' ? { status: 403, body: 'Wrong password' } : undefined);
    expect(await one.connect(server.url, { appKey: APP, custom: { token: 'e2e-secret' } })).toBe('FAILED');
    expect(told('connect')).toMatchObject({ appKey: APP, custom: { token: 'e2e-secret' }, clientVersion: '2.0' });
    expect(await one.sessionStatuses()).toEqual(['CONNECTED', 'FAILED']);
    expect(await one.notices()).toMatchObject([
      { event: 'WARN', details: { apiMethod: 'ConnectionStatusEvent', info: 'Wrong password' } },
    ]);
    await untilTold('ConnectionStatusEvent', { status: 'FAILED' });
    expect(await two.connect(server.url, { appKey: 'no-such-application' })).toBe('FAILED');
    expect(server.output).not.toContain('e2e-secret');
  });

  it('leads publishers and players to streams of other names, and forbids others', async () => {
    await connect(one, { custom: { user: 'anna' } });
    await connect(two);
    expect(await one.connection()).toMatchObject({ custom: { user: 'anna' }, status: 'ESTABLISHED' });
    answer = (hook, body) => {
      if (hook === 'publishStream' || body['name'] === 'ticket') return { body: { ...body, name: 'room-42' } };
      return hook === 'playStream' ? { status: 403, body: '' } : undefined;
    };
    await one.publish('mine');
    expect(await server.mediaSessions()).toMatchObject([{ name: 'room-42', status: 'PUBLISHING' }]);
    await untilTold('StreamStatusEvent', { status: 'PUBLISHING', name: 'room-42' });
    await two.start({ label: 'forged', how: 'play', name: 'room-42' });
    expect((await two.status('forged', 'FAILED')).info).toBe('Restricted access');
    await two.play('viewer', 'ticket');
    await vi.waitFor(async () => expect((await two.report('viewer')).frames).toBeGreaterThan(10), WAIT);
    await one.call('mine', 'stop');
    await one.status('mine', 'UNPUBLISHED');
    expect((await two.status('viewer', 'FAILED')).info).toBe('Stopped by publisher stop');
    await one.disconnect();
    const { sessionId, mediaSessionId } = told('publishStream') ?? {};
    await untilTold('ConnectionStatusEvent', { status: 'DISCONNECTED', sessionId });
    const own = hooks.filter(({ hook, body }) => body['sessionId'] === sessionId && hook !== 'StreamKeepAliveEvent');
    expect(own.map(({ hook, body }) => [hook, body['status']])).toEqual([
      ['connect', 'PENDING'],
      ['ConnectionStatusEvent', 'ESTABLISHED'],
      ['publishStream', 'NEW'],
      ['StreamStatusEvent', 'PUBLISHING'],
      ['unPublishStream', 'PUBLISHING'],
      ['StreamStatusEvent', 'UNPUBLISHED'],
      ['ConnectionStatusEvent', 'DISCONNECTED'],
    ]);
    expect(told('StreamStatusEvent', { status: 'UNPUBLISHED' })).toMatchObject({ mediaSessionId, published: true });
  });

  it('exchanges data with a page both ways', async () => {
    await connect(one);
    const { sessionId } = await untilTold('connect');
    expect(await one.sendData({ hello: [1, 'ü'] })).toMatchObject({ status: 'ACCEPTED' });
    expect(told('OnDataEvent')).toMatchObject({ sessionId, payload: { hello: [1, 'ü'] } });
    await untilTold('DataStatusEvent', { status: 'ACCEPTED' });
    await server.rest('data/send', { sessionId, operationId: 'op-1', payload: { count: 23 } });
    await vi.waitFor(
      async () =>
        expect(await one.notices()).toEqual([
          { event: 'APP_DATA', details: { operationId: 'op-1', payload: { count: 23 } } },
        ]),
      WAIT,
    );
    answer = (hook) => (hook === 'OnDataEvent' ? { status: 403, body: 'not now' } : undefined);
    await expect(one.sendData(1)).rejects.toThrow();
    await untilTold('DataStatusEvent', { status: 'FAILED' });
  });

  it('ends a stream that it does not want to keep alive', async () => {
    await connect(one);
    await one.publish('room');
    await untilTold('StreamKeepAliveEvent', { status: 'PUBLISHING', name: 'room' });
    answer = (hook) => (hook === 'StreamKeepAliveEvent' ? { status: 403 } : undefined);
    expect((await one.status('room', 'FAILED')).info).toBe('Terminated by keep-alive');
    expect(await untilTold('StreamStatusEvent', { status: 'FAILED' })).toMatchObject({
      info: 'Terminated by keep-alive',
    });
  });
});
