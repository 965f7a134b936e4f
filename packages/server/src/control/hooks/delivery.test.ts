import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ClientAccess, MediaServerError } from '../../core/index.ts';
import type { HookOptions } from './hook-options.ts';
import { AccessRig, request } from './testing/access-rig.ts';
import type { ScriptedAnswer } from './testing/strict-back-end.ts';

let rig: AccessRig;

async function start(options: Partial<HookOptions> = {}): Promise<void> {
  rig = await AccessRig.start(options);
}

afterEach(async () => {
  await rig.close();
  expect(rig.backEnd.faults).toEqual([]);
});

/** A back end that answers when it is told to. */
function holding(hook: string): { readonly held: number; release(answer?: ScriptedAnswer): void } {
  const held: ((answer: ScriptedAnswer) => void)[] = [];
  rig.backEnd.answer = (asked) => (asked === hook ? new Promise((resolve) => held.push(resolve)) : undefined);
  return {
    get held() {
      return held.length;
    },
    release: (answer) => {
      for (const resolve of held.splice(0)) resolve(answer);
    },
  };
}

const settled = async (promises: readonly Promise<unknown>[]): Promise<readonly string[]> =>
  (await Promise.allSettled(promises)).map((result) => {
    if (result.status === 'fulfilled') return 'yes';
    return result.reason instanceof MediaServerError ? result.reason.code : String(result.reason);
  });

describe('credentials', () => {
  it('a hash is the HMAC-MD5 of the bytes that were sent', async () => {
    await start({ secretKey: 'key' });
    await rig.connect({ custom: { name: 'Zoë' } });
    const [hook] = rig.backEnd.received;
    const hash = createHmac('md5', 'key')
      .update(hook?.text ?? '')
      .digest('hex');
    expect(hook?.headers.authorization).toBe(`WCS ${hash}`);
    expect(hook?.text).toContain('Zoë');
  });

  it('the application’s own go before the hash, and change with it', async () => {
    await start({ secretKey: 'key' });
    await rig.addApplication('basic', { restUsername: 'us er', restPassword: 'pä:ss' });
    await rig.connect({ appKey: 'basic' });
    const basic = Buffer.from('us er:pä:ss').toString('base64');
    expect(rig.backEnd.received[0]?.headers.authorization).toBe(`Basic ${basic}`);
    await rig.applications.update({ name: 'application basic', restUsername: '' });
    await rig.connect({ appKey: 'basic' });
    expect(rig.backEnd.received[1]?.headers.authorization).toMatch(/^WCS [0-9a-f]{32}$/);
  });

  it('are none where nobody set any', async () => {
    await start();
    await rig.connect();
    expect(rig.backEnd.received[0]?.headers.authorization).toBeUndefined();
  });

  it('a slash at the end of the address is not doubled', async () => {
    await start();
    await rig.addApplication('slash', { url: `${rig.backEnd.url}/` });
    await rig.connect({ appKey: 'slash' });
    expect(rig.backEnd.hooks).toEqual(['connect']);
  });
});

describe('the order of one session', () => {
  it('is that of asking and telling, however late answers are', async () => {
    await start();
    const client = await rig.connect();
    const gate = holding('OnDataEvent');
    const asked = client.ask('OnDataEvent', { operationId: '1' });
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioUnmuted' });
    const other = await rig.connect({ sessionId: '/other' });
    other.tell('StreamEvent', { mediaSessionId: 'o', type: 'videoMuted' });
    await vi.waitFor(() => expect(rig.backEnd.hooks).toEqual(['connect', 'OnDataEvent', 'connect', 'StreamEvent']));
    gate.release();
    await asked;
    await vi.waitFor(() => expect(rig.backEnd.hooks).toHaveLength(6));
    expect(rig.backEnd.bodies('StreamEvent').map(({ type }) => type)).toEqual([
      'videoMuted',
      'audioMuted',
      'audioUnmuted',
    ]);
  });

  it('does not hold a question for longer than it must', async () => {
    await start({ orderWaitMs: 50, timeoutMs: 5000 });
    const client = await rig.connect();
    const gate = holding('StreamEvent');
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    await vi.waitFor(() => expect(gate.held).toBe(1));
    expect(await client.ask('OnDataEvent', { operationId: '1' })).toEqual({ operationId: '1' });
    expect(gate.held).toBe(1);
    gate.release();
  });

  it('ends for a client that floods its back end', async () => {
    await start();
    const client = await rig.connectWith({ OnDataEvent: { restOnError: 'FAIL' } });
    const gate = holding('OnDataEvent');
    const asked = Array.from({ length: 300 }, (_, i) => client.ask('OnDataEvent', { operationId: String(i) }));
    const outcomes = settled(asked);
    await vi.waitFor(() => expect(rig.count('hooks_dropped')).toBe(44));
    const releasing = setInterval(() => gate.release(), 1);
    expect((await outcomes).filter((outcome) => outcome === 'yes')).toHaveLength(256);
    clearInterval(releasing);
  });
});

describe('events that a back end does not take', () => {
  it.each([
    ['500', { status: 500, text: '' }],
    ['429', { status: 429, text: '' }],
    ['a closed connection', (response: ServerResponse) => void response.socket?.destroy()],
  ] satisfies [string, ScriptedAnswer][])('are sent again after %s, in order', async (_what, failure) => {
    await start();
    const client = await rig.connect();
    let left = 3;
    rig.backEnd.answer = () => (left-- > 0 ? failure : undefined);
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioUnmuted' });
    await vi.waitFor(() => expect(rig.backEnd.bodies('StreamEvent')).toHaveLength(5));
    expect(rig.backEnd.bodies('StreamEvent').map(({ type }) => type)).toEqual([
      ...Array.from({ length: 4 }, () => 'audioMuted'),
      'audioUnmuted',
    ]);
    await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0));
    expect([rig.count('hooks_retried'), rig.count('hooks_failed'), rig.count('hooks_dropped')]).toEqual([3, 3, 0]);
  });

  it('are not sent again after a refusal: there is nothing to refuse', async () => {
    await start();
    const client = await rig.connect();
    rig.backEnd.answer = () => ({ status: 403, text: '' });
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0));
    expect(rig.backEnd.hooks).toEqual(['connect', 'StreamEvent']);
    expect([rig.count('hooks_refused'), rig.count('hooks_retried')]).toEqual([1, 0]);
  });

  it('are dropped and counted when their time is over, each after one try at least', async () => {
    await start({ eventRetryMs: 60 });
    const client = await rig.connect();
    rig.backEnd.answer = () => ({ status: 500, text: '' });
    for (let i = 0; i < 5; i++) client.tell('StreamEvent', { mediaSessionId: `m${i}`, type: 'audioMuted' });
    await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0));
    expect(rig.count('hooks_dropped')).toBe(5);
    const ids = new Set(rig.backEnd.bodies('StreamEvent').map(({ mediaSessionId }) => mediaSessionId));
    expect(ids.size).toBe(5);
    expect(rig.count('hooks_retried')).toBeGreaterThan(0);
  });

  it('do not pile up: more than the bound are dropped at once, by number and by bytes', async () => {
    await start({ maxHeld: 10, maxHeldBytes: 5000 });
    const client = await rig.connect();
    const playbacks = [];
    for (let i = 0; i < 30; i++) playbacks.push(await client.play(request()));
    const gate = holding('StreamEvent');
    for (let i = 0; i < 30; i++) client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    expect(rig.access.heldEvents).toBe(5);
    expect(rig.count('hooks_dropped')).toBe(25);
    for (const playback of playbacks) playback.active(rig.mediaSession());
    expect(rig.access.heldEvents).toBe(10);
    expect(rig.count('hooks_dropped')).toBe(50);
    await vi.waitFor(() => expect(gate.held).toBe(1));
    const releasing = setInterval(() => gate.release(), 1);
    await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0));
    clearInterval(releasing);
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'data', payload: 'x'.repeat(6000) });
    expect(rig.count('hooks_dropped')).toBe(51);
  });

  it('of one client that causes very many do not displace those of others', async () => {
    await start({ maxHeld: 1000 });
    const [loud, other] = [await rig.connect(), await rig.connect({ sessionId: '/192.0.2.8:1/192.0.2.1:1935' })];
    const gate = holding('StreamEvent');
    for (let i = 0; i < 2000; i++) loud.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    expect(rig.access.heldEvents).toBe(256);
    other.established();
    (await other.publish(request())).ended('FAILED', 'Stream not found');
    other.end('client left');
    await vi.waitFor(() =>
      expect(rig.backEnd.story.filter((told) => /^(Conn|StreamSt)/.test(told))).toEqual([
        'ConnectionStatusEvent ESTABLISHED',
        'StreamStatusEvent FAILED',
        'ConnectionStatusEvent DISCONNECTED',
      ]),
    );
    const releasing = setInterval(() => gate.release(), 1);
    await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0), 10_000);
    clearInterval(releasing);
  });
});

describe('back ends that hurt', () => {
  const KINDS: Readonly<Record<string, ScriptedAnswer>> = {
    'never answers': () => {},
    'answers with 10 MB': (response) => {
      response.on('error', () => {});
      response.end(Buffer.alloc(10 * 1024 * 1024, 0x20));
    },
    'ends in the middle of its answer': (response) => {
      response.writeHead(200, { 'content-length': '5000' });
      response.write('{');
      response.socket?.end();
    },
    'answers a byte a second': (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    },
  };

  it.each(Object.entries(KINDS))(
    'one that %s has 200 clients refused and leaves nothing behind, nor in the way of another',
    async (_what, answer) => {
      await start({ timeoutMs: 1500, maxConnections: 40 });
      const other = await AccessRig.start();
      try {
        await rig.addApplication('good', { url: other.backEnd.url });
        rig.backEnd.answer = (_hook, { custom, ...body }) => ({ body: { ...body, restClientConfig: custom } });
        const strict = { publishStream: { restOnError: 'FAIL' } };
        const clients: ClientAccess[] = [];
        for (let i = 0; i < 200; i++) {
          clients.push(await rig.connect({ sessionId: `/${i}`, custom: i % 2 === 0 ? strict : {} }));
        }
        rig.backEnd.answer = () => answer;
        const outcomes = settled(clients.map((client, i) => client.publish(request({ mediaSessionId: `m${i}` }))));
        await vi.waitFor(() => expect(rig.access.connections.leased).toBeGreaterThan(0));
        // Two applications with a back end: half of the connections each.
        expect(rig.access.connections.leased).toBeLessThanOrEqual(20);
        expect(rig.access.connections.pending).toBeLessThanOrEqual(180);
        const good = await rig.connect({ appKey: 'good' });
        expect((await good.publish(request())).name).toBe('cam');
        expect(await outcomes).toEqual(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 'ACCESS_DENIED' : 'yes')));
        for (const client of clients) client.end('gone');
        expect(rig.access.heldEvents).toBeLessThanOrEqual(600);
      } finally {
        await rig.access.close();
        expect(rig.access.connections).toMatchObject({ leased: 0, pending: 0 });
        expect(rig.access.heldEvents).toBe(0);
        await other.close();
      }
    },
    30_000,
  );

  it('one that is slow to take events still answers questions', async () => {
    await start({ maxConnections: 4 });
    const gate = holding('StreamEvent');
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => rig.connect({ sessionId: `/${i}` })));
    for (const client of clients) client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    await vi.waitFor(() => expect(gate.held).toBe(2));
    const late = await rig.connect({ sessionId: '/late' });
    expect((await late.publish(request())).name).toBe('cam');
    expect(gate.held).toBe(2);
    const releasing = setInterval(() => gate.release(), 1);
    await vi.waitFor(() => expect(rig.access.heldEvents).toBe(0));
    clearInterval(releasing);
  });

  it('one that is not there is told of in the log, without secrets', async () => {
    await start();
    await rig.addApplication('dead', { url: 'http://127.0.0.1:1/', restUsername: 'u', restPassword: 'hidden-1' });
    const custom = { token: 'hidden-2', deep: [{ password: 'hidden-3', authToken: 'hidden-4' }] };
    const fields = { sipPassword: 'hidden-5', origin: 'https://page' };
    await expect(rig.connect({ appKey: 'dead', custom, fields })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    const log = rig.lines.join('\n');
    expect(log).toContain('ECONNREFUSED');
    expect(log).toContain('https://page');
    expect(log).not.toContain('hidden');
  });
});

describe('an application that changes', () => {
  it('is asked at its new address from then on, by clients that are there already', async () => {
    await start();
    const other = await AccessRig.start();
    try {
      const client = await rig.connect();
      await rig.applications.update({ name: 'application app', url: other.backEnd.url });
      await client.publish(request());
      expect([rig.backEnd.hooks, other.backEnd.hooks]).toEqual([['connect'], ['publishStream']]);
      await rig.applications.update({ name: 'application app', url: '' });
      await client.publish(request({ mediaSessionId: 'm2' }));
      expect(other.backEnd.hooks).toHaveLength(1);
    } finally {
      await other.close();
    }
  });
});

describe('a server that stops', () => {
  it('delivers what was told last', async () => {
    await start({ drainMs: 2000 });
    const client = await rig.connect();
    client.established();
    (await client.publish(request())).active(rig.mediaSession());
    client.end('server stops');
    await rig.access.close();
    expect(rig.backEnd.story.at(-1)).toBe('ConnectionStatusEvent DISCONNECTED');
  });

  it('does not wait for a back end that does not answer', async () => {
    await start({ drainMs: 100 });
    const client = await rig.connect();
    const gate = holding('ConnectionStatusEvent');
    client.established();
    await vi.waitFor(() => expect(gate.held).toBe(1));
    const asked = client.ask('OnDataEvent', { operationId: '1' });
    const began = performance.now();
    await rig.access.close();
    expect(performance.now() - began).toBeLessThan(5000);
    expect(rig.access.heldEvents).toBe(0);
    await asked;
  });

  it('tries what failed once more, and no longer', async () => {
    await start({ eventRetryMs: 60_000, firstRetryPauseMs: 60_000, maxRetryPauseMs: 60_000 });
    const client = await rig.connect();
    rig.backEnd.answer = () => ({ status: 500, text: '' });
    client.established();
    await vi.waitFor(() => expect(rig.count('hooks_failed')).toBe(1));
    await rig.access.close();
    expect(rig.backEnd.hooks).toEqual(['connect', 'ConnectionStatusEvent', 'ConnectionStatusEvent']);
    expect(rig.count('hooks_dropped')).toBe(1);
  });
});
