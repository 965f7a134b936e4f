import { expect, test } from 'vitest';
import type { Track } from '../packet.ts';
import { audioFormat, codecString, codecTitle, videoSize } from './describe.ts';
import { g711Track, g722Track, speexTrack } from './telephony.ts';

test('codecs have names for people, and sound a format', () => {
  const codecs = ['h265', 'flv1', 'pcma', 'pcmu', 'g722', 'speex'] as const;
  const titles = ['H.265', 'Sorenson Spark', 'G.711 A-law', 'G.711 mu-law', 'G.722', 'Speex'];
  expect(codecs.map(codecTitle)).toEqual(titles);
  expect(audioFormat(g711Track(1, 'pcma'))).toEqual({ sampleRate: 8000, channels: 1 });
  expect(audioFormat(g722Track(1))).toEqual({ sampleRate: 16_000, channels: 1 });
  expect(audioFormat(speexTrack(1))).toEqual({ sampleRate: 16_000, channels: 1 });
  expect(codecString(speexTrack(1))).toBeUndefined();
});

test('what is broken or unknown has none', () => {
  const track = (codec: Track['codec'], kind: Track['kind'], ...parameters: Uint8Array[]): Track => {
    return { id: 0, kind, codec, clockRate: 90_000, parameters };
  };
  for (const codec of ['h264', 'h265', 'av1', 'vp9'] as const) {
    for (const parameters of [[], [Uint8Array.of(0x67, 1)], [Uint8Array.of(0x42, 1, 1)]]) {
      expect(codecString(track(codec, 'video', ...parameters))).toBeUndefined();
      expect(videoSize(track(codec, 'video', ...parameters))).toBeUndefined();
    }
  }
  for (const codec of ['aac', 'opus'] as const) expect(audioFormat(track(codec, 'audio'))).toBeUndefined();
  expect(audioFormat(track('h264', 'video'))).toBeUndefined();
});

test('HE-AAC is described by what a decoder gives', () => {
  // SBR and PS of a mono core of 22.05 kHz.
  const asc = Uint8Array.of(0xeb, 0x8a, 0x08, 0x00);
  expect(audioFormat({ id: 1, kind: 'audio', codec: 'aac', clockRate: 22_050, parameters: [asc] })).toEqual({
    sampleRate: 44_100,
    channels: 2,
  });
});
