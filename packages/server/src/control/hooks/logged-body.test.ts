import { expect, it } from 'vitest';
import { LoggedBody } from './logged-body.ts';

const logged = (body: Readonly<Record<string, unknown>>): unknown => JSON.parse(JSON.stringify(new LoggedBody(body)));

it('a logged hook has no secrets, and nothing that is long or deep', () => {
  const deep: Record<string, unknown> = {};
  let end = deep;
  for (let i = 0; i < 20; i++) {
    const next = {};
    end['a'] = next;
    end = next;
  }
  const shown = logged({
    name: 'rtsp://user:hidden@camera/1',
    sdp: 'hidden',
    rtmpUrl: 'rtmp://elsewhere/live/hidden',
    sipPassword: 'hidden',
    authToken: 'hidden',
    custom: { a: 'hidden', b: { c: 'hidden' } },
    payload: [{ userToken: 'hidden', text: 'token=hidden', note: 'seen' }],
    logs: 'x'.repeat(5000),
    deep,
    hasVideo: true,
    list: Array.from({ length: 100 }, (_, i) => i),
  });
  const text = JSON.stringify(shown);
  expect(text).not.toContain('hidden');
  expect(text.length).toBeLessThan(1000);
  expect(shown).toMatchObject({
    name: 'rtsp://***@camera/1',
    custom: { a: '***', b: '***' },
    payload: [{ note: 'seen' }],
    hasVideo: true,
  });
});
