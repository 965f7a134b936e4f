import { expect, test } from 'vitest';
import { Stream } from '../../core/index.ts';
import { apartMs, holes, losing, outOfOrder, pictures, RUN_MS, sounds, upTo } from './testing/published.ts';
import {
  AUDIO,
  AUDIO_SSRC,
  numberOf,
  PARAMETERS,
  ScriptedPublisher,
  VIDEO,
  VIDEO_SSRC,
} from './testing/scripted-publisher.ts';

test('everything that is sent arrives, as frames and as packets, with its times', () => {
  const publisher = new ScriptedPublisher({ firstSequence: 65_500, firstTimestamp: 2 ** 32 - 100_000 }).run(RUN_MS);

  expect(pictures(publisher)).toEqual(upTo(300));
  expect(sounds(publisher)).toEqual(upTo(500));
  expect(outOfOrder(publisher)).toEqual([]);
  const video = publisher.published.filter(({ track }) => track.kind === 'video');
  expect(Math.max(...video.map((packet) => Math.abs(packet.ptsUs - (numberOf(packet) * 1e6) / 30)))).toBeLessThan(20);
  expect(video.filter(({ key }) => key).map(numberOf)).toEqual([0, 60, 120, 180, 240]);
  expect(publisher.stream.state.video?.parameters).toEqual(PARAMETERS);
  expect(publisher.stream.state.audio?.codec).toBe('opus');
  expect(publisher.lane.video.map(({ sequence }) => sequence)).toEqual(upTo(publisher.lane.video.length));
  expect(publisher.lane.audio.map(({ sequence }) => sequence)).toEqual(upTo(500));
  expect(publisher.firstMediaMs).toBe(10);
});

test('a packet is in the lane with its time, format and orientation, and key frames begin once', () => {
  const publisher = new ScriptedPublisher().run(3000);

  const { video, audio } = publisher.lane;
  const starts = video.filter(({ startPoint }) => startPoint);
  expect(starts.map(({ ptsUs }) => Math.round(ptsUs / 1000))).toEqual([0, 2000]);
  expect(video.filter(({ marker }) => marker).every(({ orientation }) => orientation === 1)).toBe(true);
  expect(audio.every(({ startPoint }) => startPoint)).toBe(true);
  expect(video.at(-1)?.format).toEqual({ track: publisher.stream.state.video, packetizationMode: 1 });
  expect((video.at(-1)?.timestamp ?? 0) - (video[0]?.timestamp ?? 0)).toBe(89 * 3000);
});

test('the metadata says how the picture is to be turned, and only when that changes', () => {
  const publisher = new ScriptedPublisher().run(1000);
  const { metadata } = publisher.stream.state;
  expect(metadata).toEqual({ orientation: 1 });
  publisher.run(1000);
  expect(publisher.stream.state.metadata).toBe(metadata);
  publisher.orientation = 0x82;
  publisher.run(100);
  expect(publisher.stream.state.metadata).toEqual({ orientation: 2 });

  const upright = new ScriptedPublisher();
  upright.orientation = 0;
  expect(upright.run(500).stream.state.metadata).toBeUndefined();
});

test('what is kept is a copy that later packets do not change', () => {
  const publisher = new ScriptedPublisher({ tracks: [AUDIO] });
  publisher.captures.audio = false;
  const payload = new Uint8Array(900);
  for (let i = 0; i < 100; i++) {
    payload.fill(i).set([0xfc]);
    publisher.inject({ ssrc: AUDIO_SSRC, payloadType: 111, sequence: i, timestamp: i * 960, payload });
  }
  expect(publisher.lane.audio.map((packet) => packet.payload[899])).toEqual(upTo(100));
  expect(publisher.lane.audio.map((packet) => packet.payload.length)).toEqual(upTo(100).fill(900));
  expect(publisher.published.map(({ units }) => units[0]?.[1])).toEqual(upTo(100));
});

test('who comes into the middle of a stream is asked for a key frame at once', () => {
  const publisher = new ScriptedPublisher({ delay: losing((index) => index < 50) }).run(2000);

  const first = publisher.published.find(({ track }) => track.kind === 'video') ?? expect.fail();
  expect(first.key).toBe(true);
  expect(numberOf(first)).toBeGreaterThan(10);
  expect(numberOf(first)).toBeLessThan(25);
  expect(publisher.got('pli')).toHaveLength(1);
  expect(publisher.firstMediaMs).toBeGreaterThan(500);
});

test('key frames are asked for at most once in the interval of the settings, until one comes', () => {
  const script = { answersPli: false, keyInterval: 100_000 };
  const publisher = new ScriptedPublisher(script).run(500);
  for (let i = 0; i < 100; i++) publisher.media.requestKeyFrame();
  expect(publisher.got('pli')).toHaveLength(1);
  publisher.run(2800);
  expect(publisher.got('pli')).toHaveLength(3);

  const other = new ScriptedPublisher({ keyInterval: 100_000 }).run(500);
  other.media.requestKeyFrame();
  other.run(5000);
  expect(other.got('pli')).toHaveLength(1);
});

test('an interval of zero does not make a request of every packet', () => {
  const script = { answersPli: false, keyInterval: 100_000, options: { keyFrameRequestIntervalMs: 0 } };
  const publisher = new ScriptedPublisher(script).run(500);
  publisher.media.requestKeyFrame();
  publisher.run(1000);
  expect(publisher.got('pli').length).toBeGreaterThan(5);
  expect(publisher.got('pli').length).toBeLessThan(12);
});

test('FIR is sent where PLI was not negotiated, and neither where neither was', () => {
  const only = (feedback: object): ScriptedPublisher => {
    const tracks = [{ ...VIDEO, feedback: { ...VIDEO.feedback, pli: false, ...feedback } }];
    const publisher = new ScriptedPublisher({ tracks }).run(100);
    publisher.media.requestKeyFrame();
    return publisher.run(100);
  };
  expect(only({}).got('fir')[0]?.requests).toEqual([{ ssrc: VIDEO_SSRC, sequence: 0 }]);
  expect(only({}).got('pli')).toHaveLength(0);
  expect(only({ fir: false }).got('fir')).toHaveLength(0);
});

test('key frames are asked for periodically when the settings say so', () => {
  const options = { periodicKeyFrameRequestMs: 2000 };
  const publisher = new ScriptedPublisher({ options, keyInterval: 100_000 }).run(RUN_MS);
  expect(publisher.got('pli').length).toBeGreaterThanOrEqual(5);
  expect(publisher.got('pli').length).toBeLessThanOrEqual(6);
});

test('sender reports put sound and picture together within 20 ms', () => {
  const apart = new ScriptedPublisher({ videoLatencyMs: 300 }).run(RUN_MS);
  expect(Math.abs(apartMs(apart) - 300)).toBeLessThan(5);

  const together = new ScriptedPublisher({ videoLatencyMs: 300, senderReports: true }).run(RUN_MS);
  expect(Math.abs(apartMs(together))).toBeLessThan(5);
  expect(outOfOrder(together)).toEqual([]);
  const sound = together.published.filter(({ track }) => track.kind === 'audio');
  expect(new Set(sound.slice(1).map(({ ptsUs }, index) => ptsUs - (sound[index]?.ptsUs ?? 0)))).toEqual(
    new Set([20_000]),
  );
  // Packets of the lane have the times of their frames.
  const frame = together.published.findLast(({ track }) => track.kind === 'video');
  expect(together.lane.video.some(({ ptsUs, marker }) => marker && ptsUs === frame?.ptsUs)).toBe(true);
});

test('sender reports that lie do not move anything', () => {
  const publisher = new ScriptedPublisher().run(2000);
  publisher.sendReport('video', { ntpSeconds: 0 });
  publisher.sendReport('audio', { unixMs: 5 });
  publisher.sendReport('video', { unixMs: Date.UTC(2030, 0, 1) });
  publisher.run(3000);
  expect(Math.abs(apartMs(publisher))).toBeLessThan(5);
  expect(publisher.media.stats().ignoredReports).toBeGreaterThan(0);
});

test('a stream that resumes goes on after what it had', () => {
  const stream = new Stream('cam');
  const first = new ScriptedPublisher({ stream }).run(2000);
  const endUs = stream.lastDtsUs;
  const laneEnd = stream.rtp.video.end;
  first.media.close();
  const second = new ScriptedPublisher({ stream, firstTimestamp: 77 }).run(2000);

  expect(second.published[0]?.dtsUs).toBeGreaterThan(endUs);
  expect(second.lane.video[0]?.sequence).toBe(laneEnd);
  expect(pictures(second)).toEqual(upTo(60));
});

test.each([1_234_567_890, 200_000, -200_000])(
  'a source that is replaced in the call goes on in numbers and times, with timestamps %i away',
  (timestampBy) => {
    const publisher = new ScriptedPublisher({ senderReports: true }).run(2000);
    publisher.captures.video = false;
    publisher.run(1000);
    publisher.jumpVideo({ ssrc: 0x55555555, sequence: 40_000, timestampBy });
    publisher.captures.video = true;
    publisher.run(4000);

    expect(publisher.media.stats().tracks[0]?.ssrc).toBe(0x55555555);
    expect(holes(publisher.lane.video)).toBe(0);
    expect(outOfOrder(publisher)).toEqual([]);
    expect(Math.abs(apartMs(publisher))).toBeLessThan(40);
    const timestamps = publisher.lane.video.map(({ timestamp }) => timestamp);
    const steps = timestamps.slice(1).map((timestamp, index) => Math.abs(timestamp - (timestamps[index] ?? 0)));
    // A second of silence, and the packet by which the new source was seen.
    expect(Math.max(...steps)).toBeGreaterThan(90_000);
    expect(Math.max(...steps)).toBeLessThan(90_000 * 1.1);
    const pliTo = publisher.got('pli').map(({ mediaSsrc }) => mediaSsrc);
    expect(pliTo).toEqual([0x55555555]);
  },
);

test('a publisher that pauses for long goes on with sound and picture together', () => {
  const publisher = new ScriptedPublisher({ senderReports: true }).run(2000);
  publisher.captures.video = false;
  publisher.run(20_000);
  publisher.captures.video = true;
  publisher.run(3000);

  expect(Math.abs(apartMs(publisher))).toBeLessThan(5);
  expect(outOfOrder(publisher)).toEqual([]);
  expect(publisher.ends).toEqual([]);
});

test('a publisher that is away for long comes back with its tracks together, without a gap in the stream', () => {
  const publisher = new ScriptedPublisher({ senderReports: true, videoLatencyMs: 100 }).run(3000);
  publisher.captures.video = false;
  publisher.captures.audio = false;
  publisher.run(15_000);
  publisher.captures.video = true;
  publisher.captures.audio = true;
  publisher.run(3000);

  expect(Math.abs(apartMs(publisher))).toBeLessThan(5);
  expect(outOfOrder(publisher)).toEqual([]);
  expect(publisher.published.at(-1)?.ptsUs).toBeLessThan(6_500_000);
  expect(publisher.media.stats().clockBreaks).toBe(1);
});

test('a track that joins late is in time with the other one', () => {
  const publisher = new ScriptedPublisher();
  publisher.captures.video = false;
  publisher.run(20_000);
  publisher.captures.video = true;
  publisher.run(3000);
  expect(Math.abs(apartMs(publisher))).toBeLessThan(25);

  const silent = new ScriptedPublisher({ senderReports: true });
  silent.captures.audio = false;
  silent.run(20_000);
  silent.captures.audio = true;
  silent.run(3000);
  expect(Math.abs(apartMs(silent))).toBeLessThan(5);
});

test('a sequence number that jumps begins anew after a key frame', () => {
  const publisher = new ScriptedPublisher({ keyInterval: 100_000 }).run(2000);
  publisher.jumpVideo({ sequence: 30_000 });
  publisher.run(3000);

  expect(holes(publisher.lane.video)).toBe(1);
  expect(pictures(publisher).length).toBeGreaterThan(140);
  expect(publisher.got('pli')).toHaveLength(1);
  expect(outOfOrder(publisher)).toEqual([]);
});

test('it is told when video or all media has stopped', () => {
  const options = { activityTimeoutMs: 5000 };
  const video = new ScriptedPublisher({ options }).run(1000);
  video.captures.video = false;
  expect(video.run(4500).ends).toEqual([]);
  expect(video.run(3000).ends).toEqual(['no video for 5000 ms']);

  const still = new ScriptedPublisher({ options: { ...options, watchesVideo: false } }).run(1000);
  still.captures.video = false;
  expect(still.run(20_000).ends).toEqual([]);

  const silent = new ScriptedPublisher({ options });
  silent.captures.video = false;
  silent.captures.audio = false;
  expect(silent.run(20_000).ends).toEqual(['no media for 5000 ms']);
});

test('sound alone is something to play when the video that was announced does not come', () => {
  const publisher = new ScriptedPublisher();
  publisher.captures.video = false;
  publisher.run(5000);
  expect(publisher.firstMediaMs).toBeGreaterThanOrEqual(3000);
  expect(publisher.firstMediaMs).toBeLessThan(3100);

  expect(new ScriptedPublisher({ tracks: [AUDIO] }).run(100).firstMediaMs).toBe(10);
});

test('nothing is sent or published after close', () => {
  const publisher = new ScriptedPublisher().run(500);
  publisher.media.close();
  publisher.media.close();
  const [rtcp, packets] = [publisher.rtcp.length, publisher.published.length];
  publisher.media.requestKeyFrame();
  publisher.run(3000);
  expect([publisher.rtcp.length, publisher.published.length]).toEqual([rtcp, packets]);
});
