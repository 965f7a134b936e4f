import { describe, expect, test } from 'vitest';
import type { IceFacts } from '../../../core/index.ts';
import { iceFailure } from './ice-failure.ts';

const NOTHING: IceFacts = {
  state: 'waiting',
  serverCandidates: ['203.0.113.5:31001', '203.0.113.5:31001 tcp'],
  clientCandidates: [],
  pairs: [],
  rejected: [],
  ...{ unauthentic: 0, replayed: 0, refused: 0, tooMany: 0, restarts: 0 },
};
const AT = { via: 'udp', remoteAddress: '198.51.100.7', remotePort: 50_000 } as const;

describe('the report of a way that was not found', () => {
  test('says where the client was told to come, that nothing came there, and what to look at', () => {
    expect(iceFailure('no connectivity check came within 15000 ms', NOTHING)).toBe(
      'no connectivity check came within 15000 ms; the client was told UDP 203.0.113.5:31001, TCP 203.0.113.5:31001; ' +
        'its offer has no candidates, as usual; nothing arrived at UDP 203.0.113.5:31001 or TCP 203.0.113.5:31001: ' +
        'check that the firewall lets it in, and that ip is the address that clients reach',
    );
  });

  test('tells what came and was made with another password, and from where', () => {
    const rejected = [
      { ...AT, checks: 3 },
      { via: 'tcp', remoteAddress: '2001:db8::7', remotePort: 50_001, checks: 1 } as const,
    ];
    const text = iceFailure('no check', { ...NOTHING, clientCandidates: ['host 192.0.2.9:50000 udp'], rejected });
    expect(text).toContain('its offer has host 192.0.2.9:50000 udp');
    expect(text).toContain(
      'not accepted: udp 198.51.100.7:50000 (3 checks with another password), tcp [2001:db8::7]:50001 (1 check with',
    );
    expect(text).toMatch(/give each answer to the very connection that made the offer/);
    expect(text).not.toContain('nothing arrived');
  });

  test('tells by which ways the client was known, and that it must come again', () => {
    const pair = { ...AT, checks: 23, lastCheckAgeMs: 30_120, selected: false, nominated: true };
    const text = iceFailure('checks have stopped', { ...NOTHING, state: 'lost', pairs: [pair] });
    expect(text).toContain('tried: udp 198.51.100.7:50000 (23 checks, the last 30.1 s ago, chosen by the client)');
    expect(text).toMatch(/must connect again, or restart ICE$/);
  });

  test('stays short, whatever there was', () => {
    const many = Array.from({ length: 16 }, (_, i) => `192.0.2.${i}:31001`);
    const text = iceFailure('nothing', { ...NOTHING, serverCandidates: many, clientCandidates: many });
    expect(text).toContain('and 10 more');
    expect(text.length).toBeLessThan(900);
  });
});
