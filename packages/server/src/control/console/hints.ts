import type { StreamHint } from '@sluice/contract';

/** What the hints are drawn from; all times in milliseconds. */
export interface HintFacts {
  /** How long the publication lasts. */
  readonly ageMs: number;
  /** FFmpeg's names of the tracks that were declared. */
  readonly videoCodec: string | undefined;
  readonly audioCodec: string | undefined;
  /** Since the track's last packet; the publication's age when there was none. */
  readonly videoSilentMs: number;
  readonly audioSilentMs: number;
  /** Distance of the last two key frames, 0 until two were seen, and media since the last one. */
  readonly keyFrameIntervalMs: number;
  readonly sinceKeyFrameMs: number;
  /** Distances of key frames in the last minute; empty until two were seen. */
  readonly keyFrameIntervalsMs: readonly number[];
  /** The source sends a key frame whenever one is needed, and has no interval to set. */
  readonly keyFramesOnRequest: boolean;
  readonly hasBFrames: boolean;
  /** Frames a second as received in each of the last seconds. */
  readonly framesPerSecond: readonly number[];
  /** Frames a second that the encoder announced, 0 when it did not. */
  readonly announcedFps: number;
  /** By how much sound arrives ahead of its picture. */
  readonly avOffsetMs: number;
  /** Longest pause between packets in the last seconds, and the usual one. */
  readonly longestGapMs: number;
  readonly usualGapMs: number;
}

/** A track that is not there after this long will not come: encoders send both at once. */
const TRACK_WAIT_MS = 5000;
/** Players that join wait for the next key frame; HLS cuts its segments there. */
const MAX_KEY_FRAME_INTERVAL_MS = 4000;
/** Below this, intervals differ by rounding and by the encoder's choice of a frame. */
const MIN_VARIATION_MS = 500;
const MAX_VARIATION = 1.5;
/** Frames a second are judged over this many seconds, as one of them may be cut short by a burst. */
const FPS_SECONDS = 10;
const MIN_FPS_SHARE = 0.75;
const MAX_AV_OFFSET_MS = 500;
const MIN_STALL_MS = 1000;
/** A source with few packets pauses between them: only what is far longer than usual is a stall. */
const STALL_FACTOR = 4;

const NOT_PLAYABLE: Readonly<
  Record<string, { name: string; where: string; severity: 'warning' | 'error' } | undefined>
> = {
  flv1: { name: 'Sorenson Spark (FLV1)', where: 'no browser and no HLS player', severity: 'error' },
  speex: { name: 'Speex', where: 'no browser and no HLS player', severity: 'error' },
  pcma: { name: 'G.711 A-law (PCMA)', where: 'no HLS player', severity: 'warning' },
  pcmu: { name: 'G.711 µ-law (PCMU)', where: 'no HLS player', severity: 'warning' },
  mjpeg: { name: 'Motion JPEG', where: 'no browser and no HLS player', severity: 'warning' },
  g726: { name: 'G.726', where: 'no browser and no HLS player', severity: 'warning' },
  l16: { name: 'PCM (L16)', where: 'no browser and no HLS player', severity: 'warning' },
  g722: { name: 'G.722', where: 'no HLS, RTMP or FLV player', severity: 'warning' },
  vp8: { name: 'VP8', where: 'no HLS player', severity: 'warning' },
};

const SEVERITIES: readonly StreamHint['severity'][] = ['error', 'warning', 'info'];

/** Hints for the publisher of a stream, the most severe first; none when there is nothing to improve. */
export function streamHints(facts: HintFacts): StreamHint[] {
  const hints = [
    codecHint('VIDEO_CODEC_NOT_PLAYABLE', facts.videoCodec, 'H.264'),
    codecHint('AUDIO_CODEC_NOT_PLAYABLE', facts.audioCodec, 'AAC'),
    stallHint(facts),
    offsetHint(facts),
    keyFrameHint(facts),
    fpsHint(facts),
    bFramesHint(facts),
    variationHint(facts),
    trackHint(facts, 'video'),
    trackHint(facts, 'audio'),
  ].filter((hint) => hint !== undefined);
  return hints.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

function codecHint(code: StreamHint['code'], codec: string | undefined, instead: string): StreamHint | undefined {
  const problem = codec === undefined ? undefined : NOT_PLAYABLE[codec];
  if (problem === undefined) return undefined;
  const text = `${problem.name} plays in ${problem.where}. Set the encoder to ${instead}.`;
  return { code, severity: problem.severity, text };
}

function stallHint({ longestGapMs, usualGapMs }: HintFacts): StreamHint | undefined {
  if (longestGapMs < MIN_STALL_MS || longestGapMs < usualGapMs * STALL_FACTOR) return undefined;
  const what = `Nothing came from the publisher for ${seconds(longestGapMs)}: viewers see the picture freeze.`;
  const todo = 'Lower the bitrate, use a wired network, or look whether the encoder is overloaded.';
  return { code: 'PUBLISHER_STALLS', severity: 'warning', text: `${what} ${todo}` };
}

function offsetHint({ avOffsetMs }: HintFacts): StreamHint | undefined {
  if (Math.abs(avOffsetMs) <= MAX_AV_OFFSET_MS) return undefined;
  const [late, early] = avOffsetMs > 0 ? ['Video', 'audio'] : ['Audio', 'video'];
  const what = `${late} arrives ${seconds(Math.abs(avOffsetMs))} after the ${early} of the same moment: players must wait`;
  const todo = 'Check the delays of the encoder’s inputs and that both have the same clock.';
  return { code: 'AUDIO_VIDEO_OFFSET', severity: 'warning', text: `${what} or lose their sync. ${todo}` };
}

function keyFrameHint({ keyFrameIntervalMs, sinceKeyFrameMs, keyFramesOnRequest }: HintFacts): StreamHint | undefined {
  if (keyFramesOnRequest) return undefined;
  const longest = Math.max(keyFrameIntervalMs, sinceKeyFrameMs);
  if (longest <= MAX_KEY_FRAME_INTERVAL_MS) return undefined;
  const known = keyFrameIntervalMs >= sinceKeyFrameMs;
  const what = known ? `Key frame every ${seconds(longest)}` : `No key frame for ${seconds(longest)}`;
  const todo = 'set the encoder’s key frame interval to 2 s (FFmpeg: -g with twice the frame rate).';
  const text = `${what}: HLS starts slowly and new viewers wait for a picture; ${todo}`;
  return { code: 'KEY_FRAME_INTERVAL_LONG', severity: 'warning', text };
}

function fpsHint({ framesPerSecond, announcedFps }: HintFacts): StreamHint | undefined {
  if (announcedFps <= 0 || framesPerSecond.length < FPS_SECONDS) return undefined;
  const last = framesPerSecond.slice(-FPS_SECONDS);
  const fps = last.reduce((sum, value) => sum + value, 0) / last.length;
  if (fps >= announcedFps * MIN_FPS_SHARE) return undefined;
  const what = `${number(fps)} frames a second arrive, ${number(announcedFps)} are announced`;
  const todo =
    'the encoder is overloaded or its network too slow. Choose a faster preset, a smaller picture or less bitrate.';
  return { code: 'FPS_LOW', severity: 'warning', text: `${what}: ${todo}` };
}

function bFramesHint({ hasBFrames }: HintFacts): StreamHint | undefined {
  if (!hasBFrames) return undefined;
  const what = 'B-frames: WebRTC players will need transcoding, and all players wait longer for a picture.';
  const todo = 'Turn them off in the encoder (x264: tune zerolatency, or bf=0).';
  return { code: 'B_FRAMES', severity: 'warning', text: `${what} ${todo}` };
}

function variationHint({ keyFrameIntervalsMs, keyFramesOnRequest }: HintFacts): StreamHint | undefined {
  if (keyFramesOnRequest) return undefined;
  const longest = Math.max(0, ...keyFrameIntervalsMs);
  const shortest = Math.min(longest, ...keyFrameIntervalsMs);
  if (longest - shortest < MIN_VARIATION_MS || longest < shortest * MAX_VARIATION) return undefined;
  const what = `Key frames come every ${number(shortest / 1000)} to ${seconds(longest)}: HLS segments differ in length.`;
  const todo = 'Set a fixed interval in the encoder (x264: scenecut=0 and keyint equal to min-keyint).';
  return { code: 'KEY_FRAME_INTERVAL_VARIES', severity: 'info', text: `${what} ${todo}` };
}

function trackHint(facts: HintFacts, kind: 'video' | 'audio'): StreamHint | undefined {
  const silentMs = kind === 'video' ? facts.videoSilentMs : facts.audioSilentMs;
  if (facts.ageMs < TRACK_WAIT_MS || silentMs < TRACK_WAIT_MS) return undefined;
  const code = kind === 'video' ? 'VIDEO_MISSING' : 'AUDIO_MISSING';
  const declared = (kind === 'video' ? facts.videoCodec : facts.audioCodec) !== undefined;
  if (declared) {
    const text = `The publisher announced ${kind} but has sent none for ${seconds(silentMs)}: check its ${kind} input.`;
    return { code, severity: 'warning', text };
  }
  const text = `The publisher sends no ${kind}. If that is not on purpose, check the encoder’s ${kind} input.`;
  return { code, severity: 'info', text };
}

function seconds(ms: number): string {
  return `${number(ms / 1000)} s`;
}

/** With one digit behind the point where it says something. */
function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}
