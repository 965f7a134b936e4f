import { once } from 'node:events';
import { connect } from 'node:net';
import { MediaPlaylistLinter } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { feed, PUBLISHER } from '../testing/fakes.ts';
import { get, get2, http2Session, makeRig, PICTURE, type Rig } from '../testing/rig.ts';

let rig: Rig;
let stream: Stream;
/** Media time up to which the stream was fed. */
let fedMs: number;

/** Pictures up to a time, with a key frame every second. */
function feedTo(ms: number): void {
  feed(stream, { fromMs: fedMs, toMs: ms, video: PICTURE });
  fedMs = ms;
}

async function start(options: Parameters<typeof makeRig>[0] = {}): Promise<void> {
  rig = await makeRig({ segmentMinMs: 1000, ...options });
  stream = rig.streams.publish('cam', PUBLISHER);
  fedMs = 0;
  feedTo(5000);
}

beforeEach(() => start());

afterEach(async () => {
  expect(await rig.close()).toEqual([0, 0, 0, 0]);
  expect(rig.log.problems).toEqual([]);
});

async function playlist(query = ''): Promise<string> {
  const answer = await get(`${rig.plain}/cam/cam.m3u8${query}`);
  expect(answer.status).toBe(200);
  return answer.body.toString();
}

/** What is hinted at: the part that comes next. */
function hinted(text: string): { msn: number; part: number; uri: string } {
  const [, uri = '', msn, part] = /PRELOAD-HINT:TYPE=PART,URI="(cam_(\d+)\.(\d+)\.m4s)/.exec(text) ?? [];
  return { msn: Number(msn), part: Number(part), uri };
}

describe('a reload that names a part to come', () => {
  test('is answered when that part is there, with it in the playlist', async () => {
    const { msn, part, uri } = hinted(await playlist());
    const reload = playlist(`?_HLS_msn=${msn}&_HLS_part=${part}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    feedTo(fedMs + 600);
    expect(await reload).toContain(`URI="${uri}"`);
    // What is there already is not waited for.
    expect(await playlist(`?_HLS_msn=${msn}&_HLS_part=${part}`)).toContain(`URI="${uri}"`);
    expect(await playlist(`?_HLS_msn=${msn - 1}`)).toContain(uri);
  });

  test('that names a segment waits for all of it', async () => {
    const { msn } = hinted(await playlist());
    const reload = playlist(`?_HLS_msn=${msn}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    feedTo(fedMs + 2100);
    expect(await reload).toContain(`\ncam_${msn}.m4s\n`);
  });

  test('waits by HTTP/2 too, many at the same time on one connection', async () => {
    const { msn, part, uri } = hinted(await playlist());
    const session = http2Session(rig);
    const path = `/cam/cam.m3u8?token=t&_HLS_msn=${msn}&_HLS_part=${part}`;
    const reloads = Array.from({ length: 50 }, () => get2(session, path));
    await expect.poll(() => rig.server.waitingRequests).toBe(50);
    feedTo(fedMs + 600);
    for (const reload of reloads) expect((await reload).body.toString()).toContain(`URI="${uri}?token=t"`);
    session.close();
  });

  test('repeats what the client says of itself on addresses, not what it says of the playlist', async () => {
    const { msn, part } = hinted(await playlist());
    const text = await playlist(`?a=1&_HLS_msn=${msn - 1}&_HLS_part=0&b=2&_HLS_skip=YES`);
    expect(text).toContain(`cam_${msn}.${part}.m4s?a=1&b=2"`);
    expect(text).not.toContain('_HLS_');
    expect([...rig.sessions.all()].map((s) => s.describe().custom)).toEqual([{}]);
  });

  test('counts as a visit', async () => {
    const { msn } = hinted(await playlist());
    rig.ticker.tickIn(10_000);
    expect(stream.viewers).toBe(0);
    const reload = playlist(`?_HLS_msn=${msn}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    expect(stream.viewers).toBe(1);
    feedTo(fedMs + 2100);
    await reload;
    const [statistics] = rig.server.viewerStatistics();
    expect(statistics?.metrics).toMatchObject({ requestsNumber: 1, requestStatuses: { 200: 1 }, profileSwitches: 0 });
  });

  test('is given up after three target durations, when its client leaves, and with the server', async () => {
    const { msn } = hinted(await playlist());
    const late = get(`${rig.plain}/cam/cam.m3u8?_HLS_msn=${msn}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    rig.ticker.tickIn(2000);
    expect(rig.server.waitingRequests).toBe(1);
    rig.ticker.tickIn(3500);
    const answer = await late;
    expect([answer.status, answer.headers['retry-after'], rig.counters.counts['hls_wait_timeouts']]).toEqual([
      503,
      '2',
      1,
    ]);
    const abort = new AbortController();
    const left = get(`${rig.plain}/cam/cam.m3u8?_HLS_msn=${msn}`, { signal: abort.signal }).catch((e: Error) => e.name);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    abort.abort();
    expect(await left).toBe('AbortError');
    await expect.poll(() => rig.server.waitingRequests).toBe(0);
    const last = get(`${rig.plain}/cam/cam.m3u8?_HLS_msn=${msn}`).catch(() => undefined);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    await rig.server.close();
    await last;
  });

  test('is answered at the end of the stream, with the end', async () => {
    const { msn } = hinted(await playlist());
    const reload = playlist(`?_HLS_msn=${msn + 1}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    expect(await reload).toContain('#EXT-X-ENDLIST');
  });

  test('is refused when it is absurd, and counted', async () => {
    const { msn } = hinted(await playlist());
    const absurd = [`${msn + 3}`, '999999999999999', `${msn}&_HLS_part=5000`, '-1', '1e3', `${msn}&_HLS_msn=1`, ''];
    for (const value of absurd) {
      const answer = await get(`${rig.plain}/cam/cam.m3u8?_HLS_msn=${value}`);
      expect([value, answer.status, answer.headers['access-control-allow-origin']]).toEqual([value, 400, '*']);
    }
    expect((await get(`${rig.plain}/cam/cam.m3u8?_HLS_part=1`)).status).toBe(400);
    expect(rig.counters.counts['hls_bad_requests']).toBe(absurd.length + 1);
    expect(rig.server.waitingRequests).toBe(0);
  });

  test('is turned away beyond the bound, with when to come again', async () => {
    await rig.close();
    await start({ maxWaiting: 2 });
    const { msn } = hinted(await playlist());
    const waiting = [0, 1].map(() => playlist(`?_HLS_msn=${msn}`));
    await expect.poll(() => rig.server.waitingRequests).toBe(2);
    const answer = await get(`${rig.plain}/cam/cam.m3u8?_HLS_msn=${msn}`);
    expect([answer.status, answer.headers['retry-after'], rig.counters.counts['hls_waiting_refused']]).toEqual([
      503,
      '2',
      1,
    ]);
    feedTo(fedMs + 2100);
    await Promise.all(waiting);
  });

  test('does not hold a place of those who ask for other things', async () => {
    await rig.close();
    await start({ maxHeldRequests: 1 });
    const { msn } = hinted(await playlist());
    const waiting = [0, 1, 2].map(() => playlist(`?_HLS_msn=${msn}`));
    await expect.poll(() => rig.server.waitingRequests).toBe(3);
    expect(rig.server.heldRequests).toBe(0);
    await playlist();
    feedTo(fedMs + 2100);
    await Promise.all(waiting);
  });

  test('ends a connection that sends more of them without waiting for answers', async () => {
    const { msn } = hinted(await playlist());
    const socket = connect({ port: rig.server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.resume();
    socket.write(`GET /cam/cam.m3u8?_HLS_msn=${msn} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(10));
    await once(socket, 'close');
    await expect.poll(() => rig.server.waitingRequests).toBe(0);
  });

  test('does not reach a viewer whose session was closed meanwhile', async () => {
    const { msn } = hinted(await playlist());
    const reload = get(`${rig.plain}/cam/cam.m3u8?_HLS_msn=${msn}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    for (const session of [...rig.sessions.all()]) session.close('kicked');
    feedTo(fedMs + 2100);
    expect((await reload).status).toBe(403);
  });

  test('of which thousands wait costs one playlist, and no more than their answers', async () => {
    const { msn, part } = hinted(await playlist());
    const sessions = Array.from({ length: 30 }, () => http2Session(rig));
    const path = `/cam/cam.m3u8?_HLS_msn=${msn}&_HLS_part=${part}`;
    const reloads = sessions.flatMap((session) => Array.from({ length: 100 }, () => get2(session, path)));
    await expect.poll(() => rig.server.waitingRequests, { timeout: 20_000 }).toBe(3000);
    feedTo(fedMs + 600);
    const bodies = new Set((await Promise.all(reloads)).map(({ status, body }) => `${status} ${body.toString()}`));
    expect(bodies.size).toBe(1);
    // And all of them leave at once.
    const more = sessions.flatMap((session) =>
      Array.from({ length: 100 }, () => get2(session, `/cam/cam.m3u8?_HLS_msn=${msn + 1}`).catch(() => undefined)),
    );
    await expect.poll(() => rig.server.waitingRequests, { timeout: 20_000 }).toBe(3000);
    for (const session of sessions) session.destroy();
    await Promise.all(more);
    await expect.poll(() => rig.server.waitingRequests).toBe(0);
  });
});

test('a player that reloads finds playlists without a fault, whole and in part', async () => {
  const linter = new MediaPlaylistLinter();
  let text = await playlist();
  const findings = linter.check(text);
  for (let i = 0; i < 30; i++) {
    const { msn, part } = hinted(text);
    const reload = playlist(`?_HLS_msn=${msn}&_HLS_part=${part}&_HLS_skip=YES`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    while (rig.server.waitingRequests > 0) {
      feedTo(fedMs + 1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    text = await reload;
    findings.push(...linter.check(text));
  }
  expect(findings).toEqual([]);
});

describe('a part', () => {
  test('that is hinted at is sent when it has come; others are not waited for', async () => {
    const { msn, part, uri } = hinted(await playlist());
    const answer = get(`${rig.plain}/cam/${uri}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    expect((await get(`${rig.plain}/cam/cam_${msn}.${part + 1}.m4s`)).status).toBe(404);
    expect((await get(`${rig.plain}/cam/cam_${msn + 1}.0.m4s`)).status).toBe(404);
    feedTo(fedMs + 600);
    const { status, headers, body } = await answer;
    expect([status, headers['content-type'], headers['content-length']]).toEqual([
      200,
      'video/iso.segment',
      String(body.length),
    ]);
    expect(body.length).toBeGreaterThan(0);
  });

  test('that never comes ends with the stream and in time', async () => {
    const { uri } = hinted(await playlist());
    const late = get(`${rig.plain}/cam/${uri}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    rig.ticker.tickIn(3500);
    expect((await late).status).toBe(503);
    const gone = get(`${rig.plain}/cam/${uri}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    rig.streams.unpublish(stream, PUBLISHER, 'over');
    expect([200, 404]).toContain((await gone).status);
    expect(rig.server.waitingRequests).toBe(0);
  });

  test('and the others of its segment are the bytes of the segment, in any ranges', async () => {
    const text = await playlist();
    const msn = hinted(text).msn - 1;
    const whole = (await get(`${rig.plain}/cam/cam_${msn}.m4s`)).body;
    const parts: Buffer[] = [];
    for (let part = 0; ; part++) {
      const answer = await get(`${rig.plain}/cam/cam_${msn}.${part}.m4s`);
      if (answer.status === 404) break;
      parts.push(answer.body);
    }
    expect(parts.length).toBeGreaterThan(1);
    expect(Buffer.concat(parts).equals(whole)).toBe(true);
    const border = parts[0]?.length ?? 0;
    for (const [first, last] of [
      [0, 0],
      [border - 1, border],
      [border, border],
      [0, whole.length - 1],
      [whole.length - 1, whole.length + 1000],
    ] as const) {
      const answer = await get(`${rig.plain}/cam/cam_${msn}.m4s`, { headers: { range: `bytes=${first}-${last}` } });
      expect(answer.status).toBe(206);
      expect(answer.body.equals(whole.subarray(first, last + 1))).toBe(true);
    }
    for (const range of ['bytes=0-1,5-6', 'bytes=x', 'bytes=9999999999999999-', `bytes=${'0-1,'.repeat(500)}2-3`]) {
      expect((await get(`${rig.plain}/cam/cam_${msn}.m4s`, { headers: { range } })).body.length).toBe(whole.length);
    }
  });
});

describe('a segment that grows', () => {
  test('is sent part after part, and ends with the segment', async () => {
    feedTo(fedMs + 600);
    const { msn } = hinted(await playlist());
    const session = http2Session(rig);
    const path = `/cam/cam_${msn}.m4s`;
    const sent = session.request({ ':path': path });
    const chunks: Buffer[] = [];
    sent.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [head] = (await once(sent, 'response')) as [Record<string, unknown>];
    expect([head[':status'], head['content-length']]).toEqual([200, undefined]);
    await expect.poll(() => chunks.length).toBeGreaterThan(0);
    const before = Buffer.concat(chunks).length;
    const plain = get(`${rig.plain}${path}`);
    await expect.poll(() => rig.server.waitingRequests).toBe(2);
    feedTo(fedMs + 1500);
    await once(sent, 'close');
    const whole = await get(`${rig.plain}${path}`);
    expect(whole.headers['content-length']).toBe(String(whole.body.length));
    expect(Buffer.concat(chunks).equals(whole.body)).toBe(true);
    expect((await plain).body.equals(whole.body)).toBe(true);
    expect((await plain).headers['transfer-encoding']).toBe('chunked');
    expect(before).toBeLessThan(whole.body.length);
    session.close();
  });

  test('is broken off when nothing comes any more, and when there is no room to wait', async () => {
    await rig.close();
    await start({ maxWaiting: 1 });
    const { msn } = hinted(await playlist());
    const broken = get(`${rig.plain}/cam/cam_${msn}.m4s`).catch((error: Error) => error);
    await expect.poll(() => rig.server.waitingRequests).toBe(1);
    expect((await get(`${rig.plain}/cam/cam_${msn}.m4s`)).status).toBe(503);
    rig.ticker.tickIn(4000);
    expect(await broken).toBeInstanceOf(Error);
  });
});
