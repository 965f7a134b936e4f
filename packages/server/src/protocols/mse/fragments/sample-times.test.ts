import type { MediaPacket } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { AAC_FRAME_US, AUDIO, packet, VIDEO } from '../testing/packets.ts';
import { PictureTimes, SoundTimes, type TimedPacket } from './sample-times.ts';

function picture(ms: number, key = false): MediaPacket {
  return packet(VIDEO, ms, { key });
}

function sound(us: number): MediaPacket {
  return packet(AUDIO, us / 1000);
}

const SPEECH_BYTES = 100;

/** When each frame is decoded, in frames of AAC; silence in brackets. */
function told(packets: readonly TimedPacket[]): string {
  return packets
    .map(({ packet: { dtsUs, byteLength } }) => [(dtsUs / AAC_FRAME_US).toFixed(1), byteLength] as const)
    .map(([at, bytes]) => (bytes === SPEECH_BYTES ? at : `(${at})`))
    .join(' ');
}

describe('the times of pictures', () => {
  it('are their own, each with the time since the one before', () => {
    const times = new PictureTimes();
    times.next(picture(0, true));
    const { packet: written, durationUs } = times.next(picture(33));
    expect([written.dtsUs, written.ptsUs, durationUs]).toEqual([33_000, 33_000, 33_000]);
  });

  it('of decoding never leap by two durations, while those of showing stay, until they are caught up', () => {
    const times = new PictureTimes();
    let before = times.next(picture(0, true));
    const arrivals = [33, 66, 1066, ...Array.from({ length: 60 }, (_, i) => 1099 + i * 33)];
    let caughtUp = 0;
    for (const ms of arrivals) {
      const now = times.next(picture(ms));
      expect(now.packet.ptsUs).toBe(ms * 1000);
      const leapUs = now.packet.dtsUs - before.packet.dtsUs;
      expect(leapUs).toBeGreaterThanOrEqual(0);
      expect(leapUs).toBeLessThan(2 * before.durationUs);
      caughtUp = now.packet.ptsUs - now.packet.dtsUs;
      before = now;
    }
    expect(caughtUp).toBe(0);
  });

  it('are right again with the next key frame', () => {
    const times = new PictureTimes();
    for (const ms of [0, 33, 66]) times.next(picture(ms));
    expect(times.next(picture(5000, true)).packet.dtsUs).toBe(5_000_000);
  });
});

describe('the times of sound', () => {
  it('have silence where packets are missing', () => {
    const times = new SoundTimes();
    expect(told([0, 1, 5].flatMap((at) => times.next(sound(at * AAC_FRAME_US))))).toBe('0.0 1.0 (2.0) (3.0) (4.0) 5.0');
  });

  it('take the jitter of clocks in milliseconds as it is', () => {
    const times = new SoundTimes();
    const all = [0, 1, 2, 3, 4].flatMap((at) => times.next(sound(Math.round((at * AAC_FRAME_US) / 1000) * 1000)));
    expect(all).toHaveLength(5);
  });

  it('leave out what comes twice, and gaps that are too long to fill', () => {
    const times = new SoundTimes();
    times.next(sound(0));
    expect(times.next(sound(0))).toEqual([]);
    expect(told(times.next(sound(1000 * AAC_FRAME_US)))).toBe('1000.0');
  });

  it('go on in silence when the sound stops and the picture does not', () => {
    const times = new SoundTimes();
    expect(times.until(5_000_000)).toEqual([]);
    times.next(sound(0));
    expect(times.until(1_000_000)).toEqual([]);
    const filled = times.until(3_000_000);
    const end = filled.at(-1);
    expect(end && (end.packet.dtsUs + end.durationUs) / 1e6).toBeCloseTo(2, 1);
    expect(times.until(3_040_000)).toEqual([]);
    // It is back: its place is behind what was filled.
    expect(told(times.next(sound(100 * AAC_FRAME_US)))).toMatch(/ 100\.0$/);
  });
});
