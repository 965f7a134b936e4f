import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readRestClientConfig } from './policy.ts';
import { AccessRig, request } from './testing/access-rig.ts';
import { faultsOf, type ScriptedAnswer } from './testing/strict-back-end.ts';

let rig: AccessRig;

beforeEach(async () => {
  rig = await AccessRig.start({ timeoutMs: 200, eventRetryMs: 0 });
});

afterEach(async () => {
  await rig.close();
  expect(rig.backEnd.faults).toEqual([]);
});

/** Every way in which a back end does not say yes. */
const NO: Readonly<Record<string, ScriptedAnswer>> = {
  '403': { status: 403, text: '' },
  '401': { status: 401, text: '' },
  '302': { status: 302, text: '' },
  '500': { status: 500, text: '<html>oops</html>' },
  '204': { status: 204, text: '' },
  'nothing at all': () => {},
  'a closed connection': (response) => void response.socket?.destroy(),
  'half an answer': (response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"name":');
    setTimeout(() => response.socket?.end(), 10);
  },
  '10 MB': (response) => {
    response.writeHead(200);
    response.on('error', () => {});
    response.end(Buffer.alloc(10 * 1024 * 1024, 0x20));
  },
};

function answering(hook: string, answer: ScriptedAnswer): void {
  rig.backEnd.answer = (asked) => (asked === hook ? answer : undefined);
}

describe('connect', () => {
  it.each([
    ...Object.entries(NO),
    ['an empty body', { text: '' }],
    ['garbage', { text: '{"a":' }],
    ['a list', { text: '[]' }],
    ['a number', { text: '1' }],
    ['nesting without end', { text: `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}` }],
  ] satisfies [string, ScriptedAnswer][])('is refused by %s', async (_what, answer) => {
    answering('connect', answer);
    await expect(rig.connect()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await vi.waitFor(() => expect(rig.backEnd.story).toEqual(['connect', 'ConnectionStatusEvent FAILED']));
  });

  it('gives the back end’s fields back, but for those that name the session', async () => {
    answering('connect', {
      body: {
        sipLogin: '1001',
        sipPassword: 'secret',
        login: 'ann',
        custom: { role: 'host' },
        appKey: 'other',
        sessionId: 'other',
        nodeId: 'other',
        unknown: 1,
        mediaProviders: 'WebRTC',
        keepAlive: null,
      },
    });
    const client = await rig.connect();
    expect(client.fields).toMatchObject({ sipLogin: '1001', login: 'ann', custom: { role: 'host' }, keepAlive: false });
    expect(Object.keys(client.fields)).not.toContain('unknown');
    expect(Object.keys(client.fields)).not.toContain('mediaProviders');
    expect(client.appKey).toBe('app');
    client.established();
    await vi.waitFor(() =>
      expect(rig.backEnd.bodies('ConnectionStatusEvent')[0]).toMatchObject({ login: 'ann', appKey: 'app' }),
    );
    expect(rig.lines.join('\n')).toContain('mediaProviders');
  });
});

describe('restOnError', () => {
  it.each(Object.entries(NO))('LOG, the default, goes on after %s', async (_what, answer) => {
    const client = await rig.connect();
    answering('publishStream', answer);
    expect((await client.publish(request())).name).toBe('cam');
  });

  it.each(Object.entries(NO))('FAIL refuses after %s', async (_what, answer) => {
    const client = await rig.connectWith({ publishStream: { restOnError: 'FAIL' } });
    answering('publishStream', answer);
    await expect(client.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await vi.waitFor(() => expect(rig.backEnd.story.at(-1)).toBe('StreamStatusEvent FAILED'));
    expect(rig.endings.find(() => true)).toMatchObject([{ status: 'FAILED', streamName: 'cam', mediaType: 'publish' }]);
  });

  it('FAIL of one hook does not concern others', async () => {
    const client = await rig.connectWith({ publishStream: { restOnError: 'FAIL' } });
    rig.backEnd.answer = () => ({ status: 403, text: '' });
    expect((await client.play(request())).name).toBe('cam');
    await expect(client.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it.each([
    [{ status: 403, text: '' }, 'Restricted access'],
    [{ status: 403, text: 'No such user' }, 'No such user'],
    [{ status: 403, text: '{"info":"Pay first"}' }, 'Pay first'],
    [{ status: 403, text: '{"message":"Come back\\nlater"}' }, 'Come back later'],
    [{ status: 403, text: '{"status":403}' }, 'Restricted access'],
    [{ status: 403, text: '<html><body>nginx</body></html>' }, 'Restricted access'],
    [{ status: 403, text: 'x'.repeat(5000) }, 'Restricted access'],
    [(response) => void response.socket?.destroy(), 'Access could not be checked'],
  ] satisfies [ScriptedAnswer, string][])('tells the client why after %j', async (answer, message) => {
    const client = await rig.connectWith({ publishStream: { restOnError: 'FAIL' } });
    answering('publishStream', answer);
    await expect(client.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED', message });
  });

  it('of a hook that only tells changes nothing', async () => {
    const client = await rig.connectWith({ unPublishStream: { restOnError: 'FAIL' } });
    rig.backEnd.answer = () => ({ status: 403, text: '' });
    const access = await client.publish(request());
    access.stopping();
    access.ended('UNPUBLISHED');
    await vi.waitFor(() => expect(rig.backEnd.story.at(-1)).toBe('StreamStatusEvent UNPUBLISHED'));
  });
});

describe('restPolicy', () => {
  it('NOTIFY, the default, ignores what the answer says, even when it is no JSON', async () => {
    const client = await rig.connectWith({ publishStream: { restOnError: 'FAIL', restOverwrite: 'name' } });
    answering('publishStream', { body: { name: 'other' } });
    expect((await client.publish(request())).name).toBe('cam');
    answering('publishStream', { text: 'not JSON' });
    expect((await client.publish(request())).name).toBe('cam');
  });

  it('OVERWRITE takes the fields that are named from the answer, and no others', async () => {
    const policy = { restPolicy: 'OVERWRITE', restOverwrite: ' name ,record, rtmpUrl,mediaSessionId,,unknown' };
    const client = await rig.connectWith({ publishStream: policy });
    const body = { name: 'real', record: true, rtmpUrl: 'rtmp://h/a', mediaSessionId: 'x', unknown: 'y', width: 99 };
    answering('publishStream', { body });
    const access = await client.publish(request());
    expect(access.name).toBe('real');
    expect(access.fields).toMatchObject({
      name: 'real',
      record: true,
      rtmpUrl: 'rtmp://h/a',
      mediaSessionId: 'm1',
      unknown: 'y',
      width: 0,
    });
    access.active(rig.mediaSession({ streamName: 'real' }));
    await vi.waitFor(() =>
      expect(rig.backEnd.bodies('StreamStatusEvent')[0]).toMatchObject({ name: 'real', record: true }),
    );
  });

  it.each([
    ['name', ''],
    ['name', 'a\nb'],
    ['name', 5],
    ['name', 'x'.repeat(2000)],
    ['record', 'maybe'],
    ['hasVideo', 1],
  ])('OVERWRITE of %s by %j is an error of the back end', async (field, value) => {
    for (const restOnError of ['FAIL', 'LOG']) {
      const policy = { restPolicy: 'OVERWRITE', restOverwrite: field, restOnError };
      const client = await rig.connectWith({ publishStream: policy });
      answering('publishStream', { body: { [field]: value } });
      if (restOnError === 'LOG') expect((await client.publish(request())).name).toBe('cam');
      else await expect(client.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    }
  });

  it('OVERWRITE leaves what the answer does not have', async () => {
    const client = await rig.connectWith({ playStream: { restPolicy: 'OVERWRITE', restOverwrite: 'name' } });
    answering('playStream', { body: { name: null } });
    expect((await client.play(request())).name).toBe('cam');
    answering('playStream', { body: {} });
    expect((await client.play(request())).name).toBe('cam');
  });

  it.each(['DISABLE', 'DISABLED', ' disabled '])('%s does not send the hook, and allows', async (restPolicy) => {
    const client = await rig.connectWith({
      publishStream: { restPolicy, restOnError: 'FAIL' },
      StreamStatusEvent: { restPolicy },
    });
    const access = await client.publish(request());
    access.active(rig.mediaSession());
    access.ended('UNPUBLISHED');
    client.end('gone');
    await vi.waitFor(() => expect(rig.backEnd.story).toEqual(['connect', 'ConnectionStatusEvent FAILED']));
  });
});

describe('fields that are kept from one side', () => {
  it('restExclude keeps them from the back end', async () => {
    const client = await rig.connectWith({ publishStream: { restExclude: 'sdp, custom' } });
    await client.publish(request({ fields: { sdp: 'v=0' } }));
    const [body] = rig.backEnd.bodies('publishStream');
    expect(Object.keys(body ?? {})).not.toContain('sdp');
    expect(Object.keys(body ?? {})).not.toContain('custom');
    expect(body).toMatchObject({ name: 'cam' });
  });

  it('clientExclude keeps them from the client', async () => {
    const client = await rig.connectWith({ StreamEvent: { clientExclude: 'payload' } });
    expect(client.forClient('StreamEvent', { type: 'data', payload: 1 })).toEqual({ type: 'data' });
    const other = { type: 'data', payload: 1 };
    expect(client.forClient('OnDataEvent', other)).toBe(other);
  });
});

describe('restClientConfig', () => {
  it('counts for the session that it was given to alone', async () => {
    const strict = await rig.connectWith({ publishStream: { restOnError: 'FAIL' } });
    const lax = await rig.connect();
    answering('publishStream', { status: 403, text: '' });
    await expect(strict.publish(request())).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect((await lax.publish(request())).name).toBe('cam');
  });

  it.each([
    [null, {}],
    ['text', {}],
    [[], {}],
    [{ nothing: { restOnError: 'FAIL' }, connect: 5, publishStream: null }, {}],
    [
      { playStream: { restOnError: ' fail ', other: 1 } },
      { playStream: { restOnError: 'FAIL', restPolicy: 'NOTIFY' } },
    ],
    [{ playStream: { restOnError: 1, restPolicy: {} } }, { playStream: { restOnError: 'LOG', restPolicy: 'NOTIFY' } }],
    [
      { playStream: { restPolicy: 'overwrite', restOverwrite: ['name', ' sdp ', 3] } },
      { playStream: { restPolicy: 'OVERWRITE', restOverwrite: new Set(['name', 'sdp']) } },
    ],
  ])('is read leniently: %j', (config, expected) => {
    expect(Object.fromEntries(readRestClientConfig(config))).toMatchObject(expected);
    expect([...readRestClientConfig(config).keys()]).toEqual(Object.keys(expected));
  });
});

describe('other hooks', () => {
  it('are asked and told with the fields of their contract', async () => {
    const client = await rig.connectWith({ OnDataEvent: { restOnError: 'FAIL' } });
    client.established();
    const fields = { operationId: 'o1', payload: { a: [1] } };
    expect(await client.ask('OnDataEvent', fields)).toEqual(fields);
    await client.ask('snapshot', { mediaSessionId: 'm', name: 'cam' });
    await client.ask('pauseStream', { mediaSessionId: 'm', name: 'cam' });
    await client.ask('sendBugReport', { text: 'a', type: 'no_video' });
    await client.ask('submitBugReport', { text: 'a', type: 'no_video' });
    await client.ask('pushLogs', { logs: 'line' });
    await client.ask('sessionDebug', { command: 'start' });
    client.tell('StreamEvent', { mediaSessionId: 'm', type: 'audioMuted' });
    client.tell('DataStatusEvent', { operationId: 'o1', status: 'FAILED', info: 'no' });
    client.tell('BugReportStatusEvent', { filename: 'f' });
    client.tell('SessionDebugStatusEvent', { status: 'STARTED' });
    client.tell('StreamEvent', { mediaSessionId: 'm', status: 'FAILED', info: 'why' });
    await vi.waitFor(() => expect(rig.backEnd.hooks).toHaveLength(14));
    answering('OnDataEvent', { status: 403, text: 'no' });
    await expect(client.ask('OnDataEvent', fields)).rejects.toThrow('no');
    expect(rig.backEnd.bodies('StreamEvent')[1]).not.toHaveProperty('mediaSessionId');
  });
});

describe('the strict back end of these tests', () => {
  it('notices a field or a hook that is not in the contract', () => {
    const origin = { nodeId: 'n', appKey: 'a', sessionId: 's' };
    expect(faultsOf('pushLogs', { ...origin, logs: 'x' })).toEqual([]);
    expect(faultsOf('pushLogs', { ...origin, logs: 'x', more: 1 })).not.toEqual([]);
    expect(faultsOf('pushLogs', { ...origin, logs: 5 })).not.toEqual([]);
    expect(faultsOf('nothing', origin)).not.toEqual([]);
    expect(faultsOf('StreamStatusEvent', { ...origin, status: 'FAILED', info: '', name: 'x' })).not.toEqual([]);
  });
});
