import { describe, expect, test } from 'vitest';
import { get, makeRig, publish, urisOf, useRigs } from './testing/published-rig.ts';

useRigs();

describe('viewers', () => {
  test('are sessions that count bytes and go when they are silent', async () => {
    const rig = await makeRig();
    const stream = publish(rig);
    const one = { headers: { 'User-Agent': 'one' } };
    const playlist = await get(`${rig.base}/test/test.m3u8?token=x`, one);
    await get(`${rig.base}/test/test.m3u8?token=x`, one);
    await get(`${rig.base}/test/test.m3u8`, { headers: { 'User-Agent': 'two' } });
    const segment = await get(`${rig.base}/test/${urisOf(playlist.text)[0]}`, one);
    expect([rig.sessions.size, stream.viewers]).toEqual([2, 2]);
    const [session] = [...rig.sessions.all()].map((s) => s.describe());
    expect(session).toMatchObject({ protocol: 'hls', mediaProvider: 'HLS', mediaType: 'play', streamName: 'test' });
    expect(session?.sessionId).toMatch(/^\/127\.0\.0\.1:\d+\/127\.0\.0\.1:\d+$/);
    expect(session?.mediaSessionId).toMatch(/^[0-9a-f-]{36}-test-HLS$/);
    expect(session?.custom).toEqual({ token: 'x' });
    expect(session?.bytesOut).toBe(2 * playlist.body.length + segment.body.length);
    rig.ticker.tickIn(5000);
    expect(stream.viewers).toBe(2);
    rig.ticker.tickIn(7000);
    expect([rig.sessions.size, stream.viewers]).toEqual([0, 0]);
  });

  test('are refused for ten seconds after their session was closed', async () => {
    const rig = await makeRig();
    publish(rig);
    await get(`${rig.base}/test/test.m3u8`);
    for (const session of [...rig.sessions.all()]) {
      session.close('kicked');
      session.close('kicked');
    }
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(403);
    expect((await get(`${rig.base}/test/test.m3u8`, { headers: { 'User-Agent': 'other' } })).status).toBe(200);
    rig.ticker.tickIn(10_500);
    expect((await get(`${rig.base}/test/test.m3u8`)).status).toBe(200);
  });

  test('beyond the bound are served but not counted', async () => {
    const rig = await makeRig({ maxViewers: 1 });
    publish(rig);
    for (const agent of ['one', 'two']) {
      expect((await get(`${rig.base}/test/test.m3u8`, { headers: { 'User-Agent': agent } })).status).toBe(200);
    }
    expect(rig.sessions.size).toBe(1);
  });
});
