import { parseRed, parseRtp, type RtpPacket, type Track, transportSequence } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AUDIO_LANE, RtpLane, type RtpLanePacket, VIDEO_LANE } from '../../../../core/index.ts';
import { StreamClock } from '../../../../rtp/index.ts';
import { DEFAULT_SENDING } from '../../options.ts';
import { SendTrack, type SendTrackOptions } from '../send-track.ts';
import { FeedbackBandwidth } from '../viewer-bandwidth.ts';
import { PacingTimer } from './pacing-timer.ts';
import { openPath, SendPath } from './send-path.ts';
import { TransportBandwidth } from './transport-bandwidth.ts';

const VIDEO: Track = { id: 1, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const AUDIO: Track = { id: 2, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };
const FORMATS = { video: { track: VIDEO }, audio: { track: AUDIO } };
const SSRC = 1;
const RTX_SSRC = 2;
const AUDIO_SSRC = 3;
const TWCC_ID = 5;
const NOW = { maxPastUs: 0, liveUs: () => Number.NEGATIVE_INFINITY };

function picture(sequence: number, more: Partial<RtpLanePacket> = {}, bytes = 1000): RtpLanePacket {
  const payload = new Uint8Array(bytes);
  payload.set([sequence >> 8, sequence & 0xff]);
  const times = { timestamp: sequence * 3000, ptsUs: sequence * 33_333 };
  return { format: FORMATS.video, sequence, ...times, marker: true, startPoint: sequence === 0, payload, ...more };
}

function sound(sequence: number): RtpLanePacket {
  const times = { timestamp: sequence * 960, ptsUs: sequence * 20_000 };
  const payload = new Uint8Array(80).fill(sequence);
  return { format: FORMATS.audio, sequence, ...times, marker: false, startPoint: true, payload };
}

describe('what goes to one player', () => {
  const sent: RtpPacket[] = [];
  let timer: PacingTimer;
  let bandwidth: TransportBandwidth;
  let path: SendPath;
  let video: RtpLane;
  let audio: RtpLane;

  beforeEach(() => {
    vi.useFakeTimers();
    sent.length = 0;
    video = new RtpLane(VIDEO_LANE);
    audio = new RtpLane(AUDIO_LANE);
    timer = new PacingTimer();
    bandwidth = new TransportBandwidth(1_000_000);
    path = new SendPath({ bandwidth, timer, pacing: true, timedFrames: 0 });
  });

  afterEach(() => {
    path.close();
    expect(timer.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    timer.close();
    vi.useRealTimers();
  });

  function track(options: Partial<SendTrackOptions> = {}): SendTrack {
    const sink = {
      take: (bytes: number) => Buffer.alloc(bytes),
      sendRtp: (buffer: Buffer, length: number) => void sent.push(parseRtp(Buffer.from(buffer.subarray(0, length)))),
    };
    return new SendTrack(sink, {
      ...{ ssrc: SSRC, rtxSsrc: RTX_SSRC, clock: new StreamClock(), path, transportSequenceId: TWCC_ID },
      formatFor: () => ({ payloadType: 96, rtxPayloadType: 97 }),
      ...options,
    });
  }

  function soundTrack(options: Partial<SendTrackOptions> = {}): SendTrack {
    const formatFor = () => ({ payloadType: 111, redPayloadType: 63 });
    return track({ ssrc: AUDIO_SSRC, rtxSsrc: 0, repeats: false, formatFor, ...options });
  }

  const numbers = (): (number | undefined)[] => sent.map((packet) => transportSequence(packet, TWCC_ID));
  const content = (): number[] =>
    sent.filter(({ ssrc }) => ssrc === SSRC).map(({ payload }) => ((payload[0] ?? 0) << 8) | (payload[1] ?? 0));

  test('has one row of transport-wide numbers for sound, pictures and what is sent again', () => {
    const pictures = track();
    soundTrack().follow(audio, NOW);
    pictures.follow(video, NOW);
    for (let i = 0; i < 4; i++) {
      video.publish(picture(i, {}, 100));
      audio.publish(sound(i));
    }
    pictures.resend(sent[0]?.sequence ?? 0, 1000);
    expect(sent.map(({ ssrc }) => ssrc)).toEqual([SSRC, 3, SSRC, 3, SSRC, 3, SSRC, 3, RTX_SSRC]);
    expect(numbers()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(bandwidth.history.next).toBe(10);
  });

  test('has no such number in packets that may be sent a second time as they are', () => {
    const pictures = track({ formatFor: () => ({ payloadType: 96 }) });
    pictures.follow(video, NOW);
    for (let i = 0; i < 4; i++) video.publish(picture(i));
    pictures.resend(sent[1]?.sequence ?? 0, 1000);
    expect(numbers()).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(sent[4]).toEqual(sent[1]);
    const quiet = soundTrack();
    quiet.follow(audio, NOW);
    audio.publish(sound(0));
    quiet.resend(sent[5]?.sequence ?? 0, 1000);
    expect(sent).toHaveLength(6);
  });

  test('leaves over some time when it is much, and sound does not wait for it', () => {
    track().follow(video, NOW);
    soundTrack().follow(audio, NOW);
    for (let i = 0; i < 200; i++) video.publish(picture(i, { timestamp: 0, startPoint: i === 0 }));
    const atOnce = sent.length;
    expect(atOnce).toBeGreaterThan(5);
    expect(atOnce).toBeLessThan(40);
    audio.publish(sound(0));
    expect(sent.at(-1)?.ssrc).toBe(AUDIO_SSRC);
    vi.advanceTimersByTime(20);
    expect(sent.length).toBeGreaterThan(atOnce + 1);
    expect(sent.length).toBeLessThan(60);
    vi.advanceTimersByTime(5000);
    expect(content()).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(timer.size).toBe(0);
  });

  test('has pictures without gaps in their numbers though frames are left out, and sends each again by its number', () => {
    const pictures = track();
    pictures.follow(video, NOW);
    pictures.limit('layer_0');
    for (let i = 0; i < 20; i++) video.publish(picture(i, { temporalLayer: i % 2, layerStart: true }, 200));
    const kept = Array.from({ length: 10 }, (_, i) => i * 2);
    expect(content()).toEqual(kept);
    const first = sent[0]?.sequence ?? 0;
    expect(sent.map(({ sequence }) => (sequence - first) & 0xffff)).toEqual(kept.map((_, i) => i));
    expect(pictures.thinning).toEqual({ limit: 'layer_0', leftOut: 10 });
    pictures.resend((first + 3) & 0xffff, 1000);
    expect(Array.from(sent.at(-1)?.payload.subarray(2, 4) ?? [])).toEqual([0, 6]);
  });

  test('goes on with a key frame after its pictures were left out, which it asks for', () => {
    const pictures = track();
    pictures.follow(video, NOW);
    video.publish(picture(0));
    pictures.limit('none');
    for (let i = 1; i < 5; i++) video.publish(picture(i));
    pictures.limit('all');
    expect(pictures.wantsKeyFrame(performance.now())).toBe(true);
    for (let i = 5; i < 10; i++) video.publish(picture(i, { startPoint: i === 7 }));
    expect(content()).toEqual([0, 7, 8, 9]);
    expect(((sent[1]?.sequence ?? 0) - (sent[0]?.sequence ?? 0)) & 0xffff).toBe(1);
    expect(pictures.wantsKeyFrame(performance.now())).toBe(false);
  });

  test('is not sent again what would come too late, once there is room for key frames alone', () => {
    const pictures = track();
    pictures.follow(video, NOW);
    for (let i = 0; i < 4; i++) video.publish(picture(i, {}, 200));
    pictures.limit('key_frames');
    pictures.resend(sent[2]?.sequence ?? 0, 1000);
    expect(sent).toHaveLength(4);
    vi.advanceTimersByTime(1000);
    const before = sent.length;
    video.publish(picture(4, { startPoint: true }, 200));
    pictures.resend(sent.at(-1)?.sequence ?? 0, 2000);
    expect(sent.slice(before).map(({ ssrc }) => ssrc)).toEqual([SSRC, RTX_SSRC]);
  });

  test('sends again what it sent of another lane before', () => {
    const pictures = track();
    pictures.follow(video, NOW);
    for (let i = 0; i < 3; i++) video.publish(picture(i));
    const lost = sent[1]?.sequence ?? 0;
    const other = new RtpLane(VIDEO_LANE);
    other.publish(picture(0, { payload: Uint8Array.of(9, 9) }));
    pictures.follow(other, { maxPastUs: Number.POSITIVE_INFINITY, liveUs: () => 0 });
    expect(sent).toHaveLength(4);
    pictures.resend(lost, 1000);
    expect(Array.from(sent.at(-1)?.payload.subarray(2, 4) ?? [])).toEqual([0, 1]);
  });

  test('does not send again what it sent of another lane before while more waits than the way carries', () => {
    const pictures = track();
    pictures.follow(video, NOW);
    for (let i = 0; i < 200; i++) video.publish(picture(i, { timestamp: 0, startPoint: i === 0 }));
    const lost = sent[1]?.sequence ?? 0;
    expect(path.isNarrow(performance.now())).toBe(true);
    const other = new RtpLane(VIDEO_LANE);
    other.publish(picture(0, { timestamp: 9000, payload: Uint8Array.of(9, 9) }));
    pictures.follow(other, { maxPastUs: Number.POSITIVE_INFINITY, liveUs: () => 0 });
    pictures.resend(lost, 1000);
    vi.advanceTimersByTime(5000);
    expect(content().at(-1)).toBe(0x0909);
    expect(pictures.resent).toBe(0);
    pictures.resend(sent.findLast(({ ssrc }) => ssrc === SSRC)?.sequence ?? 0, 1000);
    expect(pictures.resent).toBe(1);
  });

  test('is probed by sending pictures once more in the stream of retransmissions, or padding', () => {
    const pictures = track();
    pictures.follow(video, NOW);
    video.publish(picture(0, {}, 600));
    vi.advanceTimersByTime(60);
    const probes = sent.filter(({ ssrc }) => ssrc === RTX_SSRC);
    const bytes = probes.reduce((sum, { payload, paddingLength }) => sum + payload.length + paddingLength, 0);
    // Three times a megabit for 40 ms.
    expect(bytes).toBeGreaterThan(12_000);
    expect(bytes).toBeLessThan(20_000);
    for (const { payload } of probes)
      expect(payload.length === 0 || (payload.length === 602 && payload[0] === (sent[0]?.sequence ?? 0) >> 8)).toBe(
        true,
      );
    expect(new Set(numbers()).size).toBe(sent.length);
    vi.advanceTimersByTime(2000);
    expect(sent.filter(({ ssrc }) => ssrc === RTX_SSRC)).toHaveLength(probes.length);
  });

  test('has sound with the two packets before it while the player loses some, and without when it does not', () => {
    const sounds = soundTrack();
    sounds.follow(audio, NOW);
    for (let i = 0; i < 3; i++) audio.publish(sound(i));
    sounds.onLoss(0.08);
    for (let i = 3; i < 6; i++) audio.publish(sound(i));
    expect(sent.map(({ payloadType }) => payloadType)).toEqual([111, 111, 111, 63, 63, 63]);
    const red = parseRed(sent[4]?.payload ?? new Uint8Array());
    expect(red?.payloadType).toBe(111);
    expect(red?.primary[0]).toBe(4);
    expect(red?.redundant.map(({ timestampOffset, payload }) => [timestampOffset, payload[0]])).toEqual([
      [1920, 2],
      [960, 3],
    ]);
    sounds.onLoss(0.015);
    audio.publish(sound(6));
    expect(sent.at(-1)?.payloadType).toBe(63);
    for (let i = 0; i < 8; i++) sounds.onLoss(0);
    audio.publish(sound(7));
    expect(sent.at(-1)?.payloadType).toBe(111);
  });

  test('is held until its time on the clock of the stream where that is wished', () => {
    path.close();
    path = new SendPath({ bandwidth: undefined, timer, pacing: true, timedFrames: 10 });
    track().follow(video, NOW);
    for (let i = 0; i < 5; i++) video.publish(picture(i, { ptsUs: i * 100_000 }));
    vi.advanceTimersByTime(10);
    expect(content()).toEqual([0]);
    vi.advanceTimersByTime(200);
    expect(content()).toEqual([0, 1, 2]);
    vi.advanceTimersByTime(300);
    expect(content()).toEqual([0, 1, 2, 3, 4]);
  });

  test('is forgotten when the player leaves, though it waits', () => {
    track().follow(video, NOW);
    for (let i = 0; i < 200; i++) video.publish(picture(i, { timestamp: 0 }));
    expect(timer.size).toBe(1);
    path.close();
    const { length } = sent;
    vi.advanceTimersByTime(1000);
    expect(sent).toHaveLength(length);
  });
});

describe('the way to a player', () => {
  const timer = new PacingTimer();
  const media = { kind: 'video', ssrc: 1, rtxSsrc: 2, transportSequenceId: 3 } as const;
  const opened = (codec: { rtxPayloadType?: number }, sending = DEFAULT_SENDING) =>
    openPath([{ ...media, codecs: [{ codec: 'h264', payloadType: 96, ...codec }] }], {
      ...{ sending, pacing: timer, newBandwidth: () => new FeedbackBandwidth() },
    }).bandwidth;

  test('is measured where pictures have transport-wide numbers', () => {
    expect(opened({ rtxPayloadType: 97 })).toBeInstanceOf(TransportBandwidth);
    expect(opened({})).toBeInstanceOf(FeedbackBandwidth);
    expect(opened({ rtxPayloadType: 97 }, { ...DEFAULT_SENDING, transportCc: false })).toBeInstanceOf(
      FeedbackBandwidth,
    );
  });
});
