import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../testing/mutate.ts';
import { parseSessionDescription } from './parse.ts';
import type { MediaDescription } from './session-description.ts';
import { readSimulcast } from './simulcast.ts';

function section(...attributes: string[]): MediaDescription {
  const lines = ['v=0', 'm=video 9 UDP/TLS/RTP/SAVPF 96', ...attributes.map((text) => `a=${text}`)];
  const [media] = parseSessionDescription(lines.join('\r\n')).media;
  if (media === undefined) throw new Error('no section');
  return media;
}

const rids = (streams: ReturnType<typeof readSimulcast>): string[] =>
  streams.map((stream) => stream.map(({ rid, paused }) => (paused ? `~${rid}` : rid)).join(','));

describe('what a section says of simulcast', () => {
  it('is streams in their order, with alternatives and those that are paused', () => {
    const media = section('rid:q send', 'rid:h send', 'rid:f send', 'rid:g send', 'simulcast:send q,g;~h;f');
    expect(rids(readSimulcast(media, 'send'))).toEqual(['q,g', '~h', 'f']);
    expect(readSimulcast(media, 'recv')).toEqual([]);
  });

  it('tells the directions apart', () => {
    const media = section('rid:1 send', 'rid:2 send', 'rid:3 recv', 'simulcast:recv 3 send 1;2');
    expect(rids(readSimulcast(media, 'send'))).toEqual(['1', '2']);
    expect(rids(readSimulcast(media, 'recv'))).toEqual(['3']);
  });

  it('knows the payload types of an encoding and passes over its other restrictions', () => {
    const media = section('rid:1 send max-width=1280;pt=96,98;max-fps=30', 'rid:2 send max-br=1', 'simulcast:send 1;2');
    expect(readSimulcast(media, 'send').flat()).toEqual([
      { rid: '1', paused: false, payloadTypes: [96, 98] },
      { rid: '2', paused: false, payloadTypes: undefined },
    ]);
  });

  it('takes the form of the drafts', () => {
    expect(rids(readSimulcast(section('rid:1 send', 'rid:2 send', 'simulcast: send rid=1;2'), 'send'))).toEqual([
      '1',
      '2',
    ]);
  });

  it.each([
    ['has encodings that nobody describes', ['rid:a send', 'simulcast:send a;b;c'], ['a']],
    ['describes them for the other direction', ['rid:a recv', 'simulcast:send a'], []],
    ['names one twice', ['rid:a send', 'rid:b send', 'simulcast:send a;a,b;b'], ['a', 'b']],
    ['has names that are none', ['rid:a/b send', 'rid: send', 'simulcast:send a/b;;~;,'], []],
    ['says nothing behind the direction', ['rid:a send', 'simulcast:send'], []],
    ['says nothing at all', ['rid:a send', 'simulcast'], []],
  ])('that %s loses what can not be used', (_, attributes, expected) => {
    expect(rids(readSimulcast(section(...attributes), 'send'))).toEqual(expected);
  });

  it('is bounded', () => {
    const names = Array.from({ length: 60 }, (_, i) => `n${i}`);
    const described = names.map((name) => `rid:${name} send`);
    expect(readSimulcast(section(...described, `simulcast:send ${names.join(';')}`), 'send')).toHaveLength(16);
    expect(readSimulcast(section(...described, `simulcast:send ${names.join(',')}`), 'send')[0]).toHaveLength(8);
  });

  it('never throws for any text', () => {
    const random = prng(8853);
    const sample = new TextEncoder().encode('send q,g;~h;f recv 1;2');
    for (let round = 0; round < 2000; round++) {
      const value = new TextDecoder().decode(mutate(sample, random));
      const attributes = [
        { name: 'rid', value: 'q send' },
        { name: 'rid', value },
        { name: 'simulcast', value },
      ];
      const streams = readSimulcast({ kind: 'video', port: 9, protocol: 'x', formats: ['96'], attributes }, 'send');
      expect(streams.length).toBeLessThanOrEqual(16);
    }
  });
});
