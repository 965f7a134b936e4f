import { describe, expect, test } from 'vitest';
import { MediaServerError } from '../../../core/index.ts';
import { checkRelayUrl, parseRelayUrl } from './relay-url.ts';

describe('an address of a relay', () => {
  test.each([
    ['whip://host/live/key', 'http', 'http://host/live/key'],
    ['WHIPS://host:8444/live', 'http', 'https://host:8444/live'],
    ['wheps://host/s?token=a%26b#part', 'http', 'https://host/s?token=a%26b'],
    ['ws://host', 'ws', 'ws://host:8080/'],
    ['ws://host:80/websocket', 'ws', 'ws://host/websocket'],
    ['wss://[2001:db8::1]/a', 'ws', 'wss://[2001:db8::1]:8443/a'],
    ['wss://host:443', 'ws', 'wss://host/'],
  ])('%s is reached by %s at %s', (text, kind, href) => {
    const { url, ...rest } = parseRelayUrl(text);
    expect(rest.kind).toBe(kind);
    expect(url.href).toBe(href);
  });

  test.each([
    ['whips://:tok%65n@host/', 'Bearer token'],
    ['whips://token@host/', 'Bearer token'],
    ['whips://user:pa%20ss@host/', `Basic ${Buffer.from('user:pa ss').toString('base64')}`],
    ['whips://host/?token=t', undefined],
  ])('%s has the credentials %s, and they are not in what is connected to', (text, authorization) => {
    const parsed = parseRelayUrl(text);
    expect(parsed.authorization).toBe(authorization);
    expect(parsed.url.href).not.toMatch(/@/);
  });

  test.each([
    '',
    'whip:',
    'whip://',
    'http://host/',
    'constructor://host',
    'whip://ho st/',
    'whip://:%zz@host/',
    'whip://:a%0d%0ab@host/',
    'ws://host:99999/',
  ])('%j is refused', (text) => {
    expect(() => parseRelayUrl(text)).toThrow(MediaServerError);
  });

  test('by WHIP is only pushed, by WHEP only pulled, and both go by the protocol of the Web SDK', () => {
    expect(() => checkRelayUrl('whip://host/', 'pull')).toThrow('whep');
    expect(() => checkRelayUrl('wheps://host/', 'push')).toThrow('whip');
    for (const [url, direction] of [
      ['whip://h/', 'push'],
      ['whep://h/', 'pull'],
      ['ws://h/', 'push'],
      ['wss://h/', 'pull'],
    ] as const)
      expect(() => checkRelayUrl(url, direction)).not.toThrow();
  });
});
