import { expect, test } from 'vitest';
import type { NegotiatedTrack } from './options.ts';
import { Sources } from './sources.ts';
import { AUDIO, VIDEO } from './testing/scripted-publisher.ts';

const UNNAMED = { ...VIDEO, ssrc: undefined, rtxSsrc: undefined };

function finder(tracks: readonly NegotiatedTrack[] = [VIDEO, AUDIO]) {
  const sources = new Sources(tracks);
  const find = (ssrc: number, payloadType: number, nowMs = 0): string => {
    const found = sources.find({ ssrc, payloadType }, nowMs);
    if (found === undefined) return 'none';
    return `${found.track.kind}${found.rtx ? ' rtx' : ''}${found.changed ? ' changed' : ''}`;
  };
  return { sources, find };
}

test('sources of the offer are known by SSRC and payload type together', () => {
  const { find } = finder();
  expect(find(0x11111111, 102)).toBe('video');
  expect(find(0x22222222, 103)).toBe('video rtx');
  expect(find(0x33333333, 111)).toBe('audio');
  expect(find(0x11111111, 111)).toBe('none');
  expect(find(0x11111111, 99)).toBe('none');
});

test('without SSRCs in the offer the first source of a payload type is taken', () => {
  const { find, sources } = finder([UNNAMED]);
  expect(find(5, 102)).toBe('video changed');
  expect(find(5, 102)).toBe('video');
  expect(find(6, 103)).toBe('video rtx changed');
  expect(find(7, 102)).toBe('none');
  expect(sources.ssrcOf(UNNAMED)).toBe(5);
});

test('another source takes over when the first is silent and it has sent more than one packet', () => {
  const { find, sources } = finder([UNNAMED]);
  find(5, 102, 0);
  find(6, 103, 0);
  expect(find(8, 102, 100)).toBe('none');
  expect(find(5, 102, 200)).toBe('video');
  expect(find(8, 102, 650)).toBe('none');
  expect(find(8, 102, 710)).toBe('video changed');
  expect(find(5, 102, 720)).toBe('none');
  expect(find(9, 103, 730)).toBe('video rtx changed');
  expect(sources.trackOf(8)).toBe(UNNAMED);
});

test('a source that said goodbye is followed at once', () => {
  const { find, sources } = finder([UNNAMED]);
  find(5, 102, 0);
  sources.bye(5);
  expect(find(8, 102, 1)).toBe('video changed');
});

test('a source that the offer names and that never comes is replaced too', () => {
  const { find } = finder();
  expect(find(8, 102, 1000)).toBe('none');
  expect(find(8, 102, 1400)).toBe('none');
  expect(find(8, 102, 1501)).toBe('video changed');
});

test('of a flood of sources none is remembered for long', () => {
  const { find } = finder([UNNAMED]);
  find(5, 102, 0);
  expect(find(8, 102, 1000)).toBe('none');
  for (let ssrc = 100; ssrc < 108; ssrc++) find(ssrc, 102, 1000);
  // Its first packet is forgotten by now.
  expect(find(8, 102, 1001)).toBe('none');
  expect(find(8, 102, 1002)).toBe('video changed');
});
