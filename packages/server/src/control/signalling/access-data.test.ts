import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AccessAnswer, ScriptedAccess } from '../../core/testing/scripted-access.ts';
import { OFFER } from './testing/memory-gateway.ts';
import { eventually, SignallingFixture } from './testing/signalling-fixture.ts';
import type { WebSdkClient } from './testing/web-sdk-client.ts';

let fixture: SignallingFixture;
let access: ScriptedAccess;

vi.setConfig({ testTimeout: 30_000 });

beforeEach(() => {
  access = new ScriptedAccess();
});

afterEach(() => fixture.close());

async function start(): Promise<WebSdkClient> {
  fixture = await SignallingFixture.start({}, 0, { access });
  return fixture.client();
}

/** What was asked and told after the client had connected. */
function told(): readonly unknown[] {
  return access.calls.slice(2).map(({ what, fields }) => [what, fields]);
}

/** Resolves when the server has done all that the client has said so far. */
async function settled(client: WebSdkClient, id: string): Promise<void> {
  client.send('availableStream', { mediaSessionId: id, name: 'none' });
  await client.next('availableStream', (body) => body['id'] === id);
}

function lines(message: string): string[] {
  return fixture.hub.log.lines
    .filter((line) => line.message === message)
    .map((line) => (line.fields as { text: string }).text);
}

describe('data of a client for the application', () => {
  it('goes to the back end, and both hear that it was accepted', async () => {
    const client = await start();
    client.send('sendData', { operationId: 'o', payload: { deep: [1] }, other: 1 });
    expect((await client.next('DataStatusEvent')).data).toEqual([{ operationId: 'o', status: 'ACCEPTED' }]);
    expect(told()).toEqual([
      ['OnDataEvent', { operationId: 'o', payload: { deep: [1] } }],
      ['DataStatusEvent', { operationId: 'o', status: 'ACCEPTED' }],
    ]);
  });

  it('fails with the words of the back end, but for what that keeps from clients', async () => {
    const client = await start();
    access.answer = () => ({ deny: 'too long' });
    client.send('sendData', { operationId: 'o', payload: 1 });
    const failed = { operationId: 'o', status: 'FAILED', info: 'too long' };
    expect((await client.next('DataStatusEvent')).data).toEqual([failed]);
    expect(told()[1]).toEqual(['DataStatusEvent', failed]);
    access.hidden = { DataStatusEvent: ['info', 'status', 'operationId'] };
    client.send('sendData', { operationId: 'p', payload: 1 });
    const second = await client.next('DataStatusEvent', (body) => body['operationId'] === 'p');
    expect(second.data).toEqual([{ operationId: 'p', status: 'FAILED' }]);
  });

  it('is refused when too much of it waits for the back end', async () => {
    const client = await start();
    let give = (_answer: AccessAnswer): void => {};
    const answer = new Promise<AccessAnswer>((resolve) => {
      give = resolve;
    });
    access.answer = () => answer;
    for (let i = 0; i < 70; i++) client.send('sendData', { operationId: `o${i}` });
    const refused = await client.next('DataStatusEvent', (body) => body['operationId'] === 'o69');
    expect(refused.data[0]).toMatchObject({ status: 'FAILED', info: 'Too many requests wait for an answer' });
    expect(access.whats.filter((what) => what === 'OnDataEvent')).toHaveLength(64);
    give(undefined);
    await client.next('DataStatusEvent', (body) => body['operationId'] === 'o63' && body['status'] === 'ACCEPTED');
    client.send('sendData', { operationId: 'later' });
    await client.next('DataStatusEvent', (body) => body['operationId'] === 'later' && body['status'] === 'ACCEPTED');
  });

  it('whose answer comes when the client has left is told to nobody', async () => {
    const client = await start();
    let give = (_answer: AccessAnswer): void => {};
    const answer = new Promise<AccessAnswer>((resolve) => {
      give = resolve;
    });
    access.answer = () => answer;
    client.send('sendData', { operationId: 'o' });
    await eventually(() => expect(access.whats.at(-1)).toBe('OnDataEvent'));
    client.close();
    await eventually(() => expect(access.whats.at(-1)).toBe('end'));
    give(undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(access.whats.slice(2)).toEqual(['OnDataEvent', 'end']);
  });
});

describe('data of the application for a client', () => {
  it('reaches the page, without what the back end keeps from it, and the back end is not asked for its own', async () => {
    const client = await start();
    access.hidden = { OnDataEvent: ['operationId'] };
    const [connection] = [...fixture.hub.connections.all()];
    connection?.sendData?.('op', { count: 23 });
    expect((await client.next('OnDataEvent')).data).toEqual([{ payload: { count: 23 } }]);
    expect(told()).toEqual([]);
  });

  it('does not reach one that is not established', async () => {
    await start();
    const silent = await fixture.silentClient();
    await eventually(() => expect(fixture.hub.connections.size).toBe(2));
    for (const connection of fixture.hub.connections.all()) connection.sendData?.('op', 1);
    silent.send('connection', {});
    await silent.next('getUserData');
    expect(silent.received.map(({ message }) => message)).toEqual(['getUserData']);
  });
});

describe('other things that a client does', () => {
  it('are told when they are events of its stream, and only then', async () => {
    await start();
    const client = await fixture.publisher('room', OFFER);
    const before = access.calls.length;
    client.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'data', payload: { a: 1 } });
    client.send('sendStreamEvent', { mediaSessionId: 'room-pub', type: 'audioMuted' });
    client.send('sendStreamEvent', { mediaSessionId: 'other', type: 'audioMuted' });
    await client.next('fail');
    expect(access.calls.slice(before)).toEqual([
      { what: 'StreamEvent', fields: { mediaSessionId: 'room-pub', type: 'data', payload: { a: 1 } } },
      { what: 'StreamEvent', fields: { mediaSessionId: 'room-pub', type: 'audioMuted' } },
    ]);
  });

  it('are asked for: snapshots, logs, bug reports and debugging', async () => {
    const client = await start();
    client.send('snapshot', { mediaSessionId: 's', name: 'none' });
    client.send('pushLogs', { logs: 'a line' });
    client.send('submitBugReport', { text: 'bug' });
    client.send('sessionDebug', { command: 'start' });
    await client.next('notifySessionDebugEvent', (body) => body['status'] === 'STARTED');
    // Events follow the answers, questions do not wait for them.
    const expected = [
      ['snapshot', { mediaSessionId: 's', name: 'none' }],
      ['pushLogs', { logs: 'a line' }],
      ['submitBugReport', { text: 'bug' }],
      ['BugReportStatusEvent', { status: 'ACCEPTED' }],
      ['sessionDebug', { command: 'start' }],
      ['SessionDebugStatusEvent', { status: 'STARTED' }],
    ];
    expect(told()).toHaveLength(expected.length);
    expect(told()).toEqual(expect.arrayContaining(expected));
    expect(lines('client log')).toEqual(['a line']);
  });

  it('do not happen when the back end says no', async () => {
    const client = await start();
    access.answer = () => ({ deny: 'no' });
    client.send('snapshot', { mediaSessionId: 's', name: 'none' });
    client.send('pushLogs', { logs: 'a line' });
    client.send('submitBugReport', { text: 'bug' });
    client.send('sessionDebug', { command: 'start' });
    const { data } = await client.next('fail');
    expect(data).toEqual([{ apiMethod: 'SessionDebugStatusEvent', status: 'FAILED', info: 'no' }]);
    expect((await client.next('notifyStreamEvent')).data[0]).toMatchObject({
      type: 'snapshotFailed',
      payload: { info: 'no' },
    });
    expect(told()).toContainEqual(['BugReportStatusEvent', { status: 'FAILED', info: 'no' }]);
    await settled(client, 'x');
    expect([lines('client log'), lines('client reports a bug'), lines('client message')]).toEqual([[], [], []]);
  });
});

describe('the log of a client', () => {
  it('tells no password, token or session description', async () => {
    const client = await start();
    client.send('sessionDebug', { command: 'start' });
    await client.next('notifySessionDebugEvent');
    const custom = { token: 'S1', deep: 'S2' };
    client.publish('p', 'room', { sdp: `${OFFER}a=ice-pwd:S3\r\n`, custom, rtmpUrl: 'rtmp://h/live/S4' });
    client.play('v', 'rtsp://user:S5@cam.example/1', { sdp: OFFER });
    client.send('sendData', { operationId: 'o', payload: { password: 'S6', authToken: 'S7', text: 'kept' } });
    client.send('pushLogs', {
      logs: '12:00 DEBUG core - "{\\"authToken\\":\\"S8\\",\\"a\\":1}" a=ice-pwd:S9 token=S10&b=2',
    });
    client.send('submitBugReport', { text: 'Authorization: Bearer S11', secret: { x: 'S12' } });
    await settled(client, 'x');
    const text = JSON.stringify(fixture.hub.log.lines);
    expect(text).not.toMatch(/S\d/);
    expect(lines('client message').some((line) => line.includes('kept'))).toBe(true);
    expect(lines('client log')[0]).toContain('b=2');
  });

  it('has a level of its own when the operator gives it one', async () => {
    const client = await start();
    const [connection] = [...fixture.hub.connections.all()];
    connection?.setLogLevel?.('error');
    client.send('pushLogs', { logs: 'unheard' });
    await settled(client, 'x');
    connection?.setLogLevel?.('info');
    client.send('pushLogs', { logs: 'heard' });
    await settled(client, 'y');
    expect(lines('client log')).toEqual(['heard']);
  });
});
