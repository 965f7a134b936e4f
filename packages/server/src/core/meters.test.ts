import type { MediaPacket, Track } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { ArrivalMeter } from './arrival-meter.ts';
import { RateMeter } from './rate-meter.ts';
import { Stream } from './stream.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90000, parameters: [] };

function frame(dtsMs: number, ptsMs: number, key = false): MediaPacket {
  return { track: VIDEO, units: [], ptsUs: ptsMs * 1000, dtsUs: dtsMs * 1000, key, byteLength: 10 };
}

/** Frames of 40 ms in the order of decoding, given by the order in which they are shown. */
function countGop(meter: RateMeter, shown: readonly number[], offset = 0): void {
  for (const [i, place] of shown.entries()) {
    meter.count(frame((offset + i) * 40, (offset + place + 2) * 40, i === 0), (offset + i) * 40);
  }
}

describe('rate meter', () => {
  it('tells B-frames from P-frames by the order in which they are shown', () => {
    const meter = new RateMeter();
    // I0 P4 B2 b1 b3 P5: a pyramid.
    countGop(meter, [0, 4, 2, 1, 3, 5]);
    expect([meter.keyFrames, meter.bFrames, meter.packets]).toEqual([1, 3, 6]);
    expect(meter.reordered).toBe(true);
  });

  it('sees no B-frame in frames that are all shown later than they are decoded', () => {
    const meter = new RateMeter();
    countGop(meter, [0, 1, 2, 3]);
    expect([meter.bFrames, meter.reordered]).toEqual([0, false]);
  });

  it('tells when the newest key frame came, and forgets it with the publication', () => {
    const meter = new RateMeter();
    expect(meter.keyFrameArrivedMs).toBe(0);
    meter.count(frame(0, 0, true), 1000);
    meter.count(frame(40, 40), 1040);
    expect(meter.keyFrameArrivedMs).toBe(1000);
    meter.restart();
    expect(meter.keyFrameArrivedMs).toBe(0);
  });

  it('tells the distance of key frames in frames and in time, and the time since the last one', () => {
    const meter = new RateMeter();
    countGop(meter, [0, 1, 2, 3]);
    expect([meter.gop, meter.keyFrameIntervalUs, meter.sinceKeyFrameUs]).toEqual([0, 0, 120_000]);
    countGop(meter, [0, 1], 4);
    expect([meter.gop, meter.keyFrameIntervalUs, meter.sinceKeyFrameUs]).toEqual([4, 160_000, 40_000]);
  });

  it('forgets what concerns a publication that is over, and counts on', () => {
    const meter = new RateMeter();
    countGop(meter, [0, 2, 1]);
    countGop(meter, [0, 2, 1], 3);
    meter.restart();
    expect([meter.gop, meter.keyFrameIntervalUs, meter.reordered, meter.lagMs]).toEqual([0, 0, false, 0]);
    expect([meter.packets, meter.keyFrames, meter.bFrames]).toEqual([6, 2, 2]);
    // The new source's first key frame has no distance to the old one's last, nor an order.
    meter.count(frame(10, 10, true), 10);
    meter.count(frame(50, 50), 50);
    expect([meter.gop, meter.keyFrameIntervalUs, meter.reordered]).toEqual([0, 0, false]);
  });

  it('smooths the lag between a packet’s time and its arrival', () => {
    const meter = new RateMeter();
    meter.count(frame(0, 0, true), 1000);
    expect(meter.lagMs).toBe(1000);
    for (let i = 1; i <= 200; i++) meter.count(frame(i * 40, i * 40), i * 40 + 1600);
    expect(meter.lagMs).toBeCloseTo(1600, 1);
  });
});

describe('arrival meter', () => {
  it('tells the longest pause since it was asked last, and one that still lasts', () => {
    const meter = new ArrivalMeter();
    expect(meter.takeLongestGapMs(500)).toBe(0);
    for (const ms of [1000, 1040, 1400, 1440]) meter.count(ms);
    expect(meter.takeLongestGapMs(1450)).toBe(360);
    expect(meter.takeLongestGapMs(1460)).toBe(20);
    expect(meter.takeLongestGapMs(4440)).toBe(3000);
    meter.count(4640);
    expect(meter.takeLongestGapMs(4641)).toBe(3200);
  });
});

describe('a stream that is published again', () => {
  it('does not hold the pause before it, nor the order of frames, against the new publisher', () => {
    const stream = new Stream('s');
    const publisher = { sessionId: 's', close: () => {} };
    stream.attachPublisher(publisher);
    for (const packet of [frame(0, 80, true), frame(40, 160), frame(80, 120)]) stream.publish(packet);
    expect(stream.videoRate.reordered).toBe(true);
    stream.detachPublisher(publisher);
    stream.attachPublisher(publisher);
    expect(stream.videoRate.reordered).toBe(false);
    expect(stream.arrivals.takeLongestGapMs(performance.now() + 60_000)).toBe(0);
  });
});
