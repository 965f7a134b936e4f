import {
  ConnectionsBody,
  ErrorBody,
  LogBody,
  OverviewBody,
  ServerHistoryBody,
  SessionHistoryBody,
  SessionsBody,
  SettingsBody,
} from '@sluice/contract';
import type { TSchema } from 'typebox';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RecentLog } from '../control-deps.ts';
import { ControlFixture } from '../testing/control-fixture.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

async function ask<T>(url: string, schema: TSchema): Promise<T> {
  const response = await fetch(url);
  const body: unknown = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect([...Value.Errors(schema, body)]).toEqual([]);
  return body as T;
}

async function expectRefusal(url: string, status: number): Promise<void> {
  const response = await fetch(url);
  expect(response.status).toBe(status);
  expect(Value.Check(ErrorBody, await response.json())).toBe(true);
}

describe('GET /api/sessions', () => {
  it('tells publications and playbacks, the newest first', async () => {
    const base = await fixture.start();
    fixture.publish('room', { createDate: 1000, bytesIn: 4000, queuedBytes: 7, drops: { broken: 2, not_carried: 5 } });
    fixture.addSession('room', { mediaType: 'play', protocol: 'hls', createDate: 2000, status: 'PLAYING' });
    const body = await ask<SessionsBody>(`${base}/api/sessions`, SessionsBody);
    expect([body.total, body.matching, body.protocols]).toEqual([2, 2, ['hls', 'rtmp']]);
    expect(body.sessions.map(({ protocol, sinceMs }) => [protocol, sinceMs])).toEqual([
      ['hls', 2000],
      ['rtmp', 1000],
    ]);
    expect(body.sessions[1]).toMatchObject({
      ...{ mediaType: 'publish', streamName: 'room', bytesIn: 4000, queuedBytes: 7 },
      ...{ drops: 2, dropsByReason: { broken: 2, not_carried: 5 } },
    });
  });

  it('narrows by text, protocol and direction, and sorts', async () => {
    const base = await fixture.start();
    fixture.addSession('Kitchen', { drops: { slow_viewer: 1 } });
    fixture.addSession('garden', { mediaType: 'play', protocol: 'flv', drops: { slow_viewer: 9 }, queuedBytes: 5 });
    fixture.addSession('garden', { mediaType: 'play', remoteAddress: '198.51.100.9:1000' });
    const names = async (query: string): Promise<string[]> => {
      const { sessions } = await ask<SessionsBody>(`${base}/api/sessions?${query}`, SessionsBody);
      return sessions.map(({ streamName, protocol }) => `${streamName} ${protocol}`);
    };
    expect(await names('text=kitch')).toEqual(['Kitchen rtmp']);
    expect(await names('text=198.51.100.9')).toEqual(['garden rtmp']);
    expect(await names('protocol=flv')).toEqual(['garden flv']);
    expect(await names('mediaType=publish')).toEqual(['Kitchen rtmp']);
    expect(await names('sort=drops&limit=2')).toEqual(['garden flv', 'Kitchen rtmp']);
    expect(await names('sort=queue&limit=1')).toEqual(['garden flv']);
    expect(await names('text=nothing')).toEqual([]);
  });

  it('tells a page of many, at most 200 rows, and the counts of all', async () => {
    const base = await fixture.start();
    for (let i = 0; i < 500; i++) fixture.addSession(`s${i}`, { createDate: 10_000 - i });
    const body = await ask<SessionsBody>(`${base}/api/sessions?offset=100&limit=3`, SessionsBody);
    expect(body.sessions.map(({ streamName }) => streamName)).toEqual(['s100', 's101', 's102']);
    expect([body.total, body.matching]).toEqual([500, 500]);
    expect((await ask<SessionsBody>(`${base}/api/sessions`, SessionsBody)).sessions).toHaveLength(50);
    for (const query of ['limit=201', 'limit=0', 'offset=-1', 'mediaType=both', 'sort=name', 'limit=x']) {
      await expectRefusal(`${base}/api/sessions?${query}`, 400);
    }
  });

  it('tells how one session goes, second by second, until it is over', async () => {
    const base = await fixture.start();
    const session = fixture.publish('room', { mediaSessionId: 'a/b c' }).publisher?.sessionId ?? '';
    const url = `${base}/api/sessions/${encodeURIComponent(session)}`;
    const bodies = async (): Promise<SessionHistoryBody> => ask<SessionHistoryBody>(url, SessionHistoryBody);
    expect((await bodies()).session.streamName).toBe('room');
    await expect.poll(async () => (await bodies()).timesMs.length, { timeout: 5000 }).toBeGreaterThan(0);
    const { timesMs, bitsInPerSecond, drops, queuedBytes } = await bodies();
    expect([bitsInPerSecond.length, drops.length, queuedBytes.length]).toEqual(Array(3).fill(timesMs.length));
    const later = await ask<SessionHistoryBody>(`${url}?since=${Date.now() + 5000}`, SessionHistoryBody);
    expect(later.timesMs).toEqual([]);
    fixture.sessions.get(session)?.close('test');
    await expectRefusal(url, 404);
  });
});

describe('GET /api/connections', () => {
  it('tells connections, and narrows by text', async () => {
    const base = await fixture.start();
    fixture.addConnection('/192.0.2.7:1/192.0.2.1:1935', { createDate: 1000 });
    const browser = { appKey: 'roomApp', origin: 'https://rooms.example', createDate: 2000 };
    fixture.addConnection('/192.0.2.8:1/192.0.2.1:8080', { ...browser, clientBrowserVersion: 'Chrome 130' });
    const all = await ask<ConnectionsBody>(`${base}/api/connections`, ConnectionsBody);
    expect([all.total, all.matching]).toEqual([2, 2]);
    expect(all.connections[0]).toMatchObject({ appKey: 'roomApp', clientBrowserVersion: 'Chrome 130', sinceMs: 2000 });
    const some = await ask<ConnectionsBody>(`${base}/api/connections?text=ROOMS.example`, ConnectionsBody);
    expect([some.total, some.matching, some.connections.length]).toEqual([2, 1, 1]);
    expect(JSON.stringify(all)).not.toContain('token');
  });
});

describe('GET /api/server', () => {
  it('tells how the server went second by second, and its limits', async () => {
    const base = await fixture.start({ maxStreams: 7 });
    fixture.publish('room');
    fixture.addSession('room', { mediaType: 'play' });
    fixture.addConnection('/192.0.2.7:1/192.0.2.1:1935');
    const body = (): Promise<ServerHistoryBody> => ask<ServerHistoryBody>(`${base}/api/server`, ServerHistoryBody);
    await expect.poll(async () => (await body()).viewers.at(-1), { timeout: 5000 }).toBe(1);
    const { limits, publishers, connections, memoryBytes, cpuPercent } = await body();
    expect([publishers.at(-1), connections.at(-1)]).toEqual([1, 1]);
    expect(memoryBytes.at(-1)).toBeGreaterThan(10_000_000);
    expect(cpuPercent.at(-1)).toBeGreaterThan(0);
    expect(limits.find(({ id }) => id === 'streams')).toMatchObject({ used: 1, limit: 7 });
  });
});

describe('GET /api/settings and /api/log', () => {
  it('tell what the server was given', async () => {
    const setting = {
      ...{ name: 'ip', group: 'Server', value: 'a', default: '', origin: '--set', from: 'command line' as const },
      ...{ unit: '', allowed: 'an address', doc: 'Shown in URLs.' },
    };
    const settings: SettingsBody = { file: '', warnings: [], settings: [setting] };
    const asked: number[] = [];
    const line = { number: 4, timeMs: 5, level: 'info' as const, message: 'm', fields: { port: '1' } };
    const recentLog: RecentLog = {
      since: (number) => {
        asked.push(number);
        return { startedMs: 1, level: 'info', lines: [line], next: 4, missed: 0 };
      },
    };
    const base = await fixture.start({ settingsView: () => settings, recentLog });
    expect(await ask(`${base}/api/settings`, SettingsBody)).toEqual(settings);
    expect((await ask<LogBody>(`${base}/api/log?since=3`, LogBody)).lines).toEqual([line]);
    expect(asked).toEqual([3]);
    await expectRefusal(`${base}/api/log?since=x`, 400);
  });

  it('are not there where the server was given none', async () => {
    const base = await fixture.start();
    await expectRefusal(`${base}/api/settings`, 404);
    await expectRefusal(`${base}/api/log`, 404);
    await ask(`${base}/api/overview`, OverviewBody);
  });
});
