import { StreamHint } from '@sluice/contract';
import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { type HintFacts, streamHints } from './hints.ts';

/** A publication with nothing to improve. */
const GOOD: HintFacts = {
  ageMs: 60_000,
  videoCodec: 'h264',
  audioCodec: 'aac',
  videoSilentMs: 20,
  audioSilentMs: 20,
  keyFrameIntervalMs: 2000,
  sinceKeyFrameMs: 1500,
  keyFrameIntervalsMs: [2000, 2000, 1960],
  keyFramesOnRequest: false,
  hasBFrames: false,
  framesPerSecond: Array.from({ length: 10 }, () => 25),
  announcedFps: 25,
  avOffsetMs: 40,
  longestGapMs: 60,
  usualGapMs: 14,
};

function hints(facts: Partial<HintFacts>): StreamHint[] {
  return streamHints({ ...GOOD, ...facts });
}

function codes(facts: Partial<HintFacts>): string[] {
  return hints(facts).map((hint) => hint.code);
}

function textOf(facts: Partial<HintFacts>): string {
  return hints(facts)[0]?.text ?? '';
}

describe('hints to a publisher', () => {
  it('are none when all is well', () => {
    expect(hints({})).toEqual([]);
  });

  it('say how far key frames are apart and what to set', () => {
    expect(codes({ keyFrameIntervalMs: 4000, sinceKeyFrameMs: 4000 })).toEqual([]);
    const long = { keyFrameIntervalMs: 8333, keyFrameIntervalsMs: [8333] };
    expect(codes(long)).toEqual(['KEY_FRAME_INTERVAL_LONG']);
    expect(textOf(long)).toMatch(/^Key frame every 8\.3 s: HLS starts slowly.*key frame interval to 2 s/);
  });

  it('do not wait for a second key frame that does not come', () => {
    const never = { keyFrameIntervalMs: 0, keyFrameIntervalsMs: [], sinceKeyFrameMs: 30_000 };
    expect(textOf(never)).toMatch(/^No key frame for 30 s/);
  });

  it('say that key frames come at changing distances, but not for a frame more or less', () => {
    expect(codes({ keyFrameIntervalsMs: [960, 1400] })).toEqual([]);
    expect(codes({ keyFrameIntervalsMs: [400, 800] })).toEqual([]);
    expect(codes({ keyFrameIntervalsMs: [960, 2000, 3700] })).toEqual(['KEY_FRAME_INTERVAL_VARIES']);
    expect(textOf({ keyFrameIntervalsMs: [960, 2000, 3700] })).toContain('every 1 to 3.7 s');
  });

  it('ask nobody for an interval who sends key frames when they are needed, as browsers do', () => {
    const uneven = { keyFrameIntervalMs: 8333, keyFrameIntervalsMs: [1000, 8333] };
    expect(codes(uneven)).toEqual(['KEY_FRAME_INTERVAL_LONG', 'KEY_FRAME_INTERVAL_VARIES']);
    expect(codes({ ...uneven, keyFramesOnRequest: true })).toEqual([]);
  });

  it('tell how to turn B-frames off', () => {
    expect(codes({ hasBFrames: true })).toEqual(['B_FRAMES']);
    expect(textOf({ hasBFrames: true })).toMatch(/zerolatency|bf=0/);
  });

  it('tell a track that is missing, once it will not come any more', () => {
    const noAudio = { audioCodec: undefined, audioSilentMs: 60_000 };
    expect(codes(noAudio)).toEqual(['AUDIO_MISSING']);
    expect(codes({ ...noAudio, ageMs: 4000, audioSilentMs: 4000 })).toEqual([]);
    expect(codes({ videoCodec: undefined, videoSilentMs: 60_000 })).toEqual(['VIDEO_MISSING']);
  });

  it('take a track that was announced and does not come for more than one that was not', () => {
    expect(hints({ videoSilentMs: 7000 })).toMatchObject([{ code: 'VIDEO_MISSING', severity: 'warning' }]);
    expect(textOf({ videoSilentMs: 7000 })).toContain('none for 7 s');
    expect(hints({ videoCodec: undefined, videoSilentMs: 7000 })).toMatchObject([{ severity: 'info' }]);
  });

  it('compare the frames that come with those announced over ten whole seconds', () => {
    const half = Array.from({ length: 10 }, (_, i) => (i < 5 ? 25 : 10));
    expect(codes({ framesPerSecond: half })).toEqual(['FPS_LOW']);
    expect(textOf({ framesPerSecond: half })).toMatch(/^17\.5 frames a second arrive, 25 are announced/);
    expect(codes({ framesPerSecond: half, announcedFps: 0 })).toEqual([]);
    expect(codes({ framesPerSecond: half.slice(5) })).toEqual([]);
    expect(codes({ framesPerSecond: half.map(() => 19) })).toEqual([]);
  });

  it('tell which of sound and picture arrives late', () => {
    expect(codes({ avOffsetMs: 500 })).toEqual([]);
    expect(textOf({ avOffsetMs: 700 })).toMatch(/^Video arrives 0\.7 s after the audio/);
    expect(textOf({ avOffsetMs: -1200 })).toMatch(/^Audio arrives 1\.2 s after the video/);
    expect(codes({ avOffsetMs: -1200 })).toEqual(['AUDIO_VIDEO_OFFSET']);
  });

  it('tell pauses, but not those of a source with few packets', () => {
    expect(codes({ longestGapMs: 2300 })).toEqual(['PUBLISHER_STALLS']);
    expect(textOf({ longestGapMs: 2300 })).toContain('for 2.3 s');
    expect(codes({ longestGapMs: 2300, usualGapMs: 1000 })).toEqual([]);
  });

  it.each([
    ['videoCodec', 'flv1', 'VIDEO_CODEC_NOT_PLAYABLE', 'error'],
    ['videoCodec', 'vp8', 'VIDEO_CODEC_NOT_PLAYABLE', 'warning'],
    ['audioCodec', 'speex', 'AUDIO_CODEC_NOT_PLAYABLE', 'error'],
    ['audioCodec', 'pcmu', 'AUDIO_CODEC_NOT_PLAYABLE', 'warning'],
  ])('tell that the %s %s does not play everywhere', (track, codec, code, severity) => {
    expect(hints({ [track]: codec })).toMatchObject([{ code, severity }]);
  });

  it.each(['h264', 'h265', 'av1', 'vp9'])('say nothing of %s', (videoCodec) => {
    expect(codes({ videoCodec })).toEqual([]);
  });

  it('come with the most severe first, in the form of the contract', () => {
    const all = hints({ audioCodec: 'speex', hasBFrames: true, videoCodec: undefined, videoSilentMs: 9000 });
    expect(all.map((hint) => hint.severity)).toEqual(['error', 'warning', 'info']);
    for (const hint of all) expect(Value.Check(StreamHint, hint)).toBe(true);
  });
});
