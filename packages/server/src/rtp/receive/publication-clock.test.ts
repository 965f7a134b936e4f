import { ntpOfUnixMs, type SenderReport } from '@sluice/media';
import { expect, test } from 'vitest';
import { prng } from '../../../../media/src/testing/mutate.ts';
import { PublicationClock, type TrackClock } from './publication-clock.ts';

const VIDEO_TICKS_A_MS = 90;
const AUDIO_TICKS_A_MS = 48;

function clockAt(baseUs = 0): PublicationClock {
  return new PublicationClock({ video: 90_000, audio: 48_000 }, { baseUs: () => baseUs, onBreak: () => {} });
}

function at(clock: PublicationClock, track: TrackClock, timestamp: number, arrivalMs: number): number {
  return clock.streamUs(track, track.ticks(timestamp >>> 0, arrivalMs));
}

function reportOf(unixMs: number, rtpTimestamp: number): SenderReport {
  const ntp = ntpOfUnixMs(unixMs);
  return { ssrc: 1, ...ntp, rtpTimestamp: rtpTimestamp >>> 0, packetCount: 0, octetCount: 0, reports: [] };
}

/** Plays both tracks for a while; gives how far pictures are after the sound of the same moment, in the end. */
function play(
  clock: PublicationClock,
  o: { fromMs: number; toMs: number; videoLatencyMs: number; onVideo?: (us: number) => void },
): number {
  let video = 0;
  for (let ms = o.fromMs; ms < o.toMs; ms += 20) {
    video = at(clock, clock.video, ms * VIDEO_TICKS_A_MS, ms + o.videoLatencyMs) - ms * 1000;
    o.onVideo?.(video + ms * 1000);
    const sound = ms + o.videoLatencyMs;
    at(clock, clock.audio, sound * AUDIO_TICKS_A_MS, sound);
  }
  const lastMs = o.toMs - 20 + o.videoLatencyMs;
  return video - (at(clock, clock.audio, lastMs * AUDIO_TICKS_A_MS, lastMs) - lastMs * 1000);
}

test('a stream begins at zero, or after what it had before', () => {
  const first = clockAt();
  expect(at(first, first.audio, 123_456, 5000)).toBe(0);
  const again = clockAt(7_000_000);
  expect(at(again, again.audio, 123_456, 5000)).toBeGreaterThan(7_000_000);
});

test('before sender reports, tracks are as far apart as their first packets', () => {
  const clock = clockAt();
  expect(at(clock, clock.audio, 0, 5000)).toBe(0);
  expect(at(clock, clock.video, 77, 5040)).toBe(40_000);
});

test.each(['video', 'audio'] as const)(
  'sender reports from before the first packets count at once, %s first',
  (kind) => {
    const clock = clockAt();
    const [first, second] = kind === 'video' ? [clock.video, clock.audio] : [clock.audio, clock.video];
    clock.senderReport(first, reportOf(1_000_000, 500));
    expect(at(clock, first, 500, 5000)).toBe(0);
    // Sampled 30 ms after the first packet of the other track, and 200 ms on its way.
    clock.senderReport(second, reportOf(1_000_000, 2 ** 32 - 100));
    const timestamp = 2 ** 32 - 100 + (30 * second.clockRate) / 1000;
    expect(at(clock, second, timestamp, 5230)).toBe(30_000);
    expect(clock.pendingCorrectionUs).toBeCloseTo(0, 3);
    expect(clock.ignoredReports).toBe(0);
  },
);

test('an early report that puts tracks too far apart is not believed', () => {
  const clock = clockAt();
  clock.senderReport(clock.video, reportOf(1_000_000, 0));
  clock.senderReport(clock.audio, reportOf(1_060_000, 0));
  at(clock, clock.video, 0, 5000);
  expect(at(clock, clock.audio, 0, 5040)).toBe(40_000);
});

test('timestamps go on across their wrap', () => {
  const clock = clockAt();
  at(clock, clock.video, 2 ** 32 - 9000, 1000);
  expect(at(clock, clock.video, 0, 1100)).toBe(100_000);
  expect(at(clock, clock.video, 9000, 1200)).toBe(200_000);
});

test.each([300, 45, -250])(
  'sender reports bring together what is %i ms apart, and video time never runs back',
  (latency) => {
    const clock = clockAt();
    const videoLatencyMs = Math.max(0, latency);
    // Sound that is late is the same as pictures that are early.
    const soundLateMs = Math.max(0, -latency);
    let last = -1;
    const play2s = (fromMs: number): number => {
      let apart = 0;
      for (let ms = fromMs; ms < fromMs + 2000; ms += 20) {
        const video = at(clock, clock.video, (ms - videoLatencyMs) * VIDEO_TICKS_A_MS, ms);
        expect(video).toBeGreaterThan(last);
        last = video;
        const sound = at(clock, clock.audio, (ms - soundLateMs) * AUDIO_TICKS_A_MS, ms);
        apart = video - (ms - videoLatencyMs) * 1000 - (sound - (ms - soundLateMs) * 1000);
      }
      return apart;
    };
    expect(play2s(10_000) / 1000).toBeCloseTo(latency, 0);
    clock.senderReport(clock.video, reportOf(1e12 + 12_000, 12_000 * VIDEO_TICKS_A_MS));
    clock.senderReport(clock.audio, reportOf(1e12 + 12_000, 12_000 * AUDIO_TICKS_A_MS));
    expect(Math.abs(play2s(12_000))).toBeLessThan(1000);
  },
);

test('sound is never moved', () => {
  const clock = clockAt();
  play(clock, { fromMs: 1000, toMs: 2000, videoLatencyMs: 300 });
  const before = at(clock, clock.audio, 2300 * AUDIO_TICKS_A_MS, 2300);
  clock.senderReport(clock.video, reportOf(1e12 + 2000, 2000 * VIDEO_TICKS_A_MS));
  clock.senderReport(clock.audio, reportOf(1e12 + 2000, 2000 * AUDIO_TICKS_A_MS));
  at(clock, clock.video, 2020 * VIDEO_TICKS_A_MS, 2320);
  expect(at(clock, clock.audio, 2320 * AUDIO_TICKS_A_MS, 2320) - before).toBe(20_000);
});

test.each([
  ['of no time', { ...reportOf(0, 2000 * AUDIO_TICKS_A_MS), ntpSeconds: 0, ntpFraction: 0 }],
  ['hours off', reportOf(1e12 + 5 * 3600_000, 2000 * AUDIO_TICKS_A_MS)],
  ['with a made-up timestamp', reportOf(1e12 + 2000, 3_000_000_000)],
])('a sender report %s changes nothing', (_title, lie) => {
  const clock = clockAt();
  play(clock, { fromMs: 1000, toMs: 2000, videoLatencyMs: 0 });
  clock.senderReport(clock.video, reportOf(1e12 + 2000, 2000 * VIDEO_TICKS_A_MS));
  clock.senderReport(clock.audio, lie);
  expect(clock.ignoredReports).toBe(1);
  expect(Math.abs(play(clock, { fromMs: 2000, toMs: 6000, videoLatencyMs: 0 }))).toBeLessThan(1000);
});

test('the wall clock of the publisher may be set in between', () => {
  const clock = clockAt();
  const both = (unixMs: number, ms: number): void => {
    clock.senderReport(clock.video, reportOf(unixMs, ms * VIDEO_TICKS_A_MS));
    clock.senderReport(clock.audio, reportOf(unixMs, ms * AUDIO_TICKS_A_MS));
  };
  play(clock, { fromMs: 1000, toMs: 2000, videoLatencyMs: 100 });
  both(1e12, 2000);
  expect(Math.abs(play(clock, { fromMs: 2000, toMs: 4000, videoLatencyMs: 100 }))).toBeLessThan(1000);
  both(2e12, 4000);
  both(2e12 + 1000, 5000);
  expect(Math.abs(play(clock, { fromMs: 4000, toMs: 6000, videoLatencyMs: 100 }))).toBeLessThan(1000);
});

test('a wall clock that steps between the reports of two tracks does not tear them apart', () => {
  const clock = clockAt();
  const report = (track: TrackClock, ticksAMs: number, ms: number, stepMs: number): void =>
    clock.senderReport(track, reportOf(1e12 + ms + stepMs, ms * ticksAMs));
  play(clock, { fromMs: 1000, toMs: 2000, videoLatencyMs: 0 });
  report(clock.video, VIDEO_TICKS_A_MS, 2000, 0);
  report(clock.audio, AUDIO_TICKS_A_MS, 2000, 0);
  report(clock.video, VIDEO_TICKS_A_MS, 3000, 2000);
  expect(Math.abs(play(clock, { fromMs: 2000, toMs: 4000, videoLatencyMs: 0 }))).toBeLessThan(1000);
  report(clock.audio, AUDIO_TICKS_A_MS, 4000, 2000);
  report(clock.video, VIDEO_TICKS_A_MS, 4000, 2000);
  expect(Math.abs(play(clock, { fromMs: 4000, toMs: 6000, videoLatencyMs: 0 }))).toBeLessThan(1000);
});

test.each([
  { late: 'second', latenessMs: [0, 170, 0, 0], apartMs: [0, 0, 0, 0] },
  { late: 'third', latenessMs: [0, 0, 170, 0], apartMs: [0, 0, 0, 0] },
  { late: 'first', latenessMs: [170, 0, 0, 0], apartMs: [170, 0, 0, 0] },
  // Sound that is really later from then on, as when a device left some out.
  { late: 'last two', latenessMs: [0, 0, 170, 170], apartMs: [0, 0, 0, 170] },
])('of reports for sound the $late may be late', ({ latenessMs, apartMs }) => {
  const clock = clockAt();
  play(clock, { fromMs: 1000, toMs: 2000, videoLatencyMs: 0 });
  const apart = latenessMs.map((lateMs, i) => {
    const fromMs = 2000 + i * 2000;
    clock.senderReport(clock.video, reportOf(1e12 + fromMs, fromMs * VIDEO_TICKS_A_MS));
    clock.senderReport(clock.audio, reportOf(1e12 + fromMs + lateMs, fromMs * AUDIO_TICKS_A_MS));
    return -Math.round(play(clock, { fromMs, toMs: fromMs + 2000, videoLatencyMs: 0 }) / 1000);
  });
  expect(apart.map((ms) => ms + 0)).toEqual(apartMs);
});

test('a jump of the timestamps is bridged by the time that has passed', () => {
  const clock = clockAt();
  at(clock, clock.audio, 0, 1000);
  at(clock, clock.video, 1000, 1000);
  expect(at(clock, clock.video, 1000 + 3600 * 90_000, 1040)).toBe(40_000);
  expect(at(clock, clock.video, 1000 + 3600 * 90_000 + 9000, 1140)).toBe(140_000);
  expect(at(clock, clock.video, 5, 1240)).toBe(240_000);
  expect(at(clock, clock.audio, 48 * 300, 1300)).toBe(300_000);
});

test('a track that pauses comes back in time with the other one', () => {
  const clock = clockAt();
  at(clock, clock.video, 0, 1000);
  for (let ms = 0; ms <= 60_000; ms += 20) at(clock, clock.audio, ms * AUDIO_TICKS_A_MS, 1000 + ms);
  expect(at(clock, clock.video, 60_000 * VIDEO_TICKS_A_MS, 61_000)).toBe(60_000_000);
});

test('a burst after the network stood still keeps its own times', () => {
  const clock = clockAt();
  at(clock, clock.video, 0, 1000);
  expect(at(clock, clock.video, 40 * VIDEO_TICKS_A_MS, 9000)).toBe(40_000);
  expect(at(clock, clock.video, 80 * VIDEO_TICKS_A_MS, 9000)).toBe(80_000);
});

test('a new source goes on where the old one was', () => {
  const clock = clockAt();
  at(clock, clock.video, 90_000, 1000);
  clock.video.rebase(4_000_000_000, 1040);
  expect(clock.streamUs(clock.video, clock.video.ticks(4_000_000_000, 1040))).toBe(40_000);
  expect(at(clock, clock.video, 4_000_003_600, 1080)).toBe(80_000);
});

test('made-up timestamps never make the newest time run back', () => {
  const clock = clockAt();
  const random = prng(7);
  let newest = 0;
  let backwards = 0;
  for (let i = 0; i < 20_000; i++) {
    const before = clock.video.newestTicks;
    const us = at(clock, clock.video, random() * 2 ** 32, i);
    if (clock.video.newestTicks <= before) continue;
    if (us < newest) backwards++;
    newest = us;
  }
  expect(newest).toBeGreaterThan(0);
  expect(backwards).toBe(0);
});

test('a picture that comes late, while the picture is moved, has the time that it would have had', () => {
  for (const moveMs of [-400, 400]) {
    const early = clockAt();
    const late = clockAt();
    const given: number[] = [];
    for (const clock of [early, late]) play(clock, { fromMs: 0, toMs: 500, videoLatencyMs: 0 });
    for (const clock of [early, late]) {
      clock.senderReport(clock.audio, reportOf(1_000_500, 500 * AUDIO_TICKS_A_MS));
      clock.senderReport(clock.video, reportOf(1_000_500 + moveMs, 500 * VIDEO_TICKS_A_MS));
    }
    for (let ms = 500; ms < 1500; ms += 40) given.push(at(early, early.video, ms * VIDEO_TICKS_A_MS, ms));
    expect(given.every((us, i) => i === 0 || us > (given[i - 1] ?? 0))).toBe(true);
    // One in five is lost, and sent again 120 ms later.
    const came: number[] = [];
    for (let i = 0; i < given.length + 3; i++) {
      const ms = 500 + i * 40;
      if (i < given.length && i % 5 !== 2) came[i] = at(late, late.video, ms * VIDEO_TICKS_A_MS, ms);
      const again = (ms - 120) * VIDEO_TICKS_A_MS;
      if (i >= 3 && (i - 3) % 5 === 2)
        came[i - 3] = late.streamUs(late.video, late.video.ticksNear(again) ?? Number.NaN);
    }
    expect(came).toEqual(given);
  }
});
