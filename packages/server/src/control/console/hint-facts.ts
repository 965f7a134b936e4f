import type { Stream, StreamMetadata } from '../../core/index.ts';
import { audioVideoOffsetMs } from '../stream-times.ts';
import type { HintFacts } from './hints.ts';
import type { StreamHistory } from './stream-history.ts';

/** Key frame intervals are compared over this many seconds. */
const INTERVAL_SECONDS = 60;
/** What happens now is judged by this many seconds. */
const RECENT_SECONDS = 10;
/** Names that encoders give to their frame rate. */
const FPS_KEYS = ['framerate', 'videoframerate', 'fps'] as const;

/** Gathers what the hints of a stream are drawn from; without a history those that need one do not come. */
export function hintFacts(stream: Stream, history: StreamHistory | undefined, ageMs: number): HintFacts {
  const { videoRate, audioRate, state } = stream;
  const nowMs = performance.now();
  const silentMs = (arrivedMs: number): number => (arrivedMs === 0 ? ageMs : nowMs - arrivedMs);
  const intervals = history?.latest('keyFrameIntervalMs', INTERVAL_SECONDS) ?? [];
  return {
    ageMs,
    videoCodec: state.video?.codec,
    audioCodec: state.audio?.codec,
    videoSilentMs: silentMs(videoRate.arrivedMs),
    audioSilentMs: silentMs(audioRate.arrivedMs),
    keyFrameIntervalMs: videoRate.keyFrameIntervalUs / 1000,
    sinceKeyFrameMs: videoRate.sinceKeyFrameUs / 1000,
    keyFrameIntervalsMs: intervals.filter((interval) => interval > 0),
    keyFramesOnRequest: stream.canRequestKeyFrame,
    hasBFrames: videoRate.reordered,
    framesPerSecond: framesPerSecond(history),
    announcedFps: announcedFps(state.metadata),
    avOffsetMs: audioVideoOffsetMs(stream, nowMs),
    longestGapMs: longestGapMs(history),
    usualGapMs: (Date.now() - stream.createdAt) / Math.max(1, videoRate.packets + audioRate.packets),
  };
}

function longestGapMs(history: StreamHistory | undefined): number {
  return Math.max(0, ...(history?.latest('longestGapMs', RECENT_SECONDS) ?? []));
}

/** Without the first sample, whose second is not a whole one. */
function framesPerSecond(history: StreamHistory | undefined): readonly number[] {
  if (history === undefined || history.length < 2) return [];
  return history.latest('framesPerSecond', Math.min(RECENT_SECONDS, history.length - 1));
}

function announcedFps(metadata: StreamMetadata | undefined): number {
  for (const key of FPS_KEYS) {
    const fps = Number(metadata?.[key] ?? 0);
    if (Number.isFinite(fps) && fps > 0 && fps <= 1000) return fps;
  }
  return 0;
}
