import type { Track } from '@sluice/media';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StreamRegistry } from './stream-registry.ts';
import { tracksSettled } from './tracks-settled.ts';

const OPUS: Track = { id: 2, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };
const VP8: Track = { id: 1, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const AGREED = [
  { kind: 'video', codec: 'vp8' },
  { kind: 'audio', codec: 'opus' },
] as const;

let registry: StreamRegistry;
let streams = 0;

beforeEach(() => {
  registry = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
});

afterEach(() => registry.close());

/** A stream of which so much sound has come. */
function withSound(milliseconds: number, agreedTracks?: typeof AGREED) {
  const stream = registry.publish(`${streams++}`, { sessionId: 's', close: () => {}, agreedTracks });
  for (let ms = 0; ms <= milliseconds; ms += 20)
    stream.publish({
      ...{ track: OPUS, units: [Uint8Array.of(1)], ptsUs: ms * 1000, dtsUs: ms * 1000, key: true },
      byteLength: 1,
    });
  return stream;
}

test('a stream is believed to have no picture after half a second of sound', () => {
  expect(tracksSettled(withSound(400), 0)).toBe(false);
  expect(tracksSettled(withSound(600), 0)).toBe(true);
});

test('the picture that a publisher agreed on is waited for longer, but not for long', () => {
  expect(tracksSettled(withSound(600, AGREED), 0)).toBe(false);
  expect(tracksSettled(withSound(2000, AGREED), 0)).toBe(true);
  expect(tracksSettled(withSound(600, AGREED), 2100)).toBe(true);
});

test('a stream is known when all has come that was agreed on', () => {
  const stream = withSound(100, AGREED);
  stream.setTrack(VP8);
  expect(tracksSettled(stream, 0)).toBe(true);
});

test('nothing is waited for of a publisher that agreed on sound alone', () => {
  const agreedTracks = [{ kind: 'audio', codec: 'opus' }] as const;
  const stream = registry.publish('sound', { sessionId: 's', close: () => {}, agreedTracks });
  expect(tracksSettled(stream, 0)).toBe(false);
  stream.setTrack(OPUS);
  expect(tracksSettled(stream, 0)).toBe(true);
});
