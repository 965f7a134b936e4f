import type { MediaPacket, Track } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { FileClock } from './file-clock.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const AUDIO: Track = { id: 1, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [] };

function packet(track: Track, dtsUs: number, ptsUs = dtsUs): MediaPacket {
  return { track, units: [], dtsUs, ptsUs, key: true, byteLength: 0 };
}

describe('the clock of a file', () => {
  it('begins at the stream’s time, wherever the file is, and keeps the tracks together', () => {
    const clock = new FileClock(5000);
    expect(clock.map(packet(AUDIO, -21_333)).dtsUs).toBe(5000);
    expect(clock.map(packet(VIDEO, 0, 80_000))).toMatchObject({ dtsUs: 26_333, ptsUs: 106_333 });
  });

  it('goes on at the end with the time that the file says, or that its media take', () => {
    for (const [durationUs, secondUs] of [
      [2_000_000, 2_000_000],
      [0, 80_000],
      [3_600_000_000, 80_000],
    ] as const) {
      const clock = new FileClock(0);
      clock.map(packet(VIDEO, 0));
      clock.map(packet(VIDEO, 40_000));
      clock.rewind(durationUs);
      expect(clock.map(packet(VIDEO, 0)).dtsUs, String(durationUs)).toBe(secondUs);
    }
  });

  it('keeps the distance of pictures over the end of a file with B-frames', () => {
    const clock = new FileClock(0);
    for (const [dts, pts] of [
      [-80, 0],
      [-40, 80],
      [0, 40],
    ] as const)
      clock.map(packet(VIDEO, dts * 1000, pts * 1000));
    clock.rewind(120_000);
    expect(clock.map(packet(VIDEO, -80_000, 0))).toMatchObject({ dtsUs: 120_000, ptsUs: 200_000 });
  });

  it('lets no track begin anew before it has ended', () => {
    const clock = new FileClock(0);
    for (let us = -21_333; us < 980_000; us += 21_333) clock.map(packet(AUDIO, us));
    const lastUs = clock.endUs - 21_333;
    clock.rewind(981_318);
    expect(clock.map(packet(AUDIO, -21_333)).dtsUs).toBeGreaterThanOrEqual(lastUs + 21_333);
  });

  it('waits in a silence, but not in one that nobody would wait for', () => {
    const clock = new FileClock(0);
    clock.map(packet(VIDEO, 0));
    expect(clock.map(packet(VIDEO, 30_000_000)).dtsUs).toBe(30_000_000);
    expect(clock.map(packet(VIDEO, 7_200_000_000)).dtsUs).toBe(30_020_000);
    expect(clock.map(packet(AUDIO, 7_200_000_000)).dtsUs).toBe(30_020_000);
  });

  it('goes on where a file’s clock runs backwards, and never backwards itself', () => {
    const clock = new FileClock(0);
    clock.map(packet(VIDEO, 5_000_000));
    clock.map(packet(VIDEO, 5_040_000));
    expect(clock.map(packet(VIDEO, 0)).dtsUs).toBe(60_000);
    expect(clock.map(packet(VIDEO, -10_000)).dtsUs).toBe(60_000);
  });
});
