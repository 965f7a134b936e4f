import { expect, test } from 'vitest';
import { AUDIO, ScriptedPublisher, VIDEO } from './testing/scripted-publisher.ts';

const LEVEL_ID = 1;
const TRACK = { ...AUDIO, extensions: { ...AUDIO.extensions, audioLevel: LEVEL_ID } };

test('a publisher that says how loud it is, is heard to speak and to be silent', () => {
  const loud = new ScriptedPublisher({ tracks: [VIDEO, TRACK], audioLevel: 20 }).run(2000);
  expect(loud.stream.loudness.level(loud.nowMs)).toBeCloseTo(-20, 0);
  expect(loud.stream.loudness.speaking(loud.nowMs)).toBe(true);

  const quiet = new ScriptedPublisher({ tracks: [VIDEO, TRACK], audioLevel: 90 }).run(2000);
  expect(quiet.stream.loudness.level(quiet.nowMs)).toBeCloseTo(-90, 0);
  expect(quiet.stream.loudness.speaking(quiet.nowMs)).toBe(false);
});

test('what a publisher takes for a voice is its own affair', () => {
  const publisher = new ScriptedPublisher({ tracks: [VIDEO, TRACK], audioLevel: 0x80 | 90 }).run(2000);
  expect(publisher.stream.loudness.level(publisher.nowMs)).toBeCloseTo(-90, 0);
});

test('a publisher that does not say it has no level', () => {
  const publisher = new ScriptedPublisher({ audioLevel: 20 }).run(2000);
  expect(publisher.stream.loudness.level(publisher.nowMs)).toBeUndefined();
});

test('a level comes with redundancy too', () => {
  const tracks = [VIDEO, { ...TRACK, redPayloadType: 63 }];
  const publisher = new ScriptedPublisher({ tracks, redundancy: 1, audioLevel: 30 }).run(2000);
  expect(publisher.stream.loudness.level(publisher.nowMs)).toBeCloseTo(-30, 0);
});
