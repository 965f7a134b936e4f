import { describe, expect, it } from 'vitest';
import { type PastSession, PastSessions } from './past-sessions.ts';

function failed(mediaSessionId: string, streamName = 'room'): PastSession {
  return {
    ...{ mediaSessionId, streamName, sessionId: '/a/b', protocol: 'webrtc', mediaType: 'play', remoteAddress: '' },
    ...{ sinceMs: 1, endedMs: 2, errorCode: 'ice_timeout', error: 'no check came', facts: undefined },
  };
}

describe('the memory of sessions that failed', () => {
  it('gives the latest first, and forgets the oldest', () => {
    const past = new PastSessions();
    for (let i = 0; i < 250; i++) past.add(failed(`s${i}`));
    expect(past.size).toBe(200);
    const found = past.find(({ streamName }) => streamName === 'room', 3);
    expect(found.map(({ mediaSessionId }) => mediaSessionId)).toEqual(['s249', 's248', 's247']);
    expect(past.find(({ mediaSessionId }) => mediaSessionId === 's49')).toEqual([]);
    expect(past.find(({ mediaSessionId }) => mediaSessionId === 's50')).toHaveLength(1);
  });

  it('keeps little of long names', () => {
    const past = new PastSessions();
    past.add(failed('i'.repeat(10_000), 'n'.repeat(10_000)));
    const [kept] = past.find(() => true);
    expect([kept?.mediaSessionId.length, kept?.streamName.length]).toEqual([256, 256]);
  });
});
