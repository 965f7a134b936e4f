import type { ExplainAudio, ExplainStream, ExplainVideo } from '@sluice/contract';
import type { Adaptations, RateMeter, SessionDescription, Stream } from '../../core/index.ts';
import { hintFacts } from '../console/hint-facts.ts';
import { streamHints } from '../console/hints.ts';
import type { StreamHistory } from '../console/stream-history.ts';
import type { DescribeTrack, StreamDetails } from '../stream-details.ts';
import { defined } from './defined.ts';

export interface ExplainedStream {
  readonly stream: Stream;
  readonly publication: SessionDescription | undefined;
  readonly history: StreamHistory | undefined;
  readonly adaptations: Adaptations | undefined;
  readonly describeTrack: DescribeTrack;
}

/** What is so with a stream, whoever watches it. */
export function explainStream({ stream, publication, history, ...from }: ExplainedStream): ExplainStream {
  const details = from.describeTrack(stream);
  const ageMs = Math.max(0, Date.now() - (publication?.createDate ?? stream.createdAt));
  const facts = hintFacts(stream, history, ageMs);
  return {
    publisher:
      publication === undefined
        ? null
        : {
            mediaSessionId: publication.mediaSessionId,
            protocol: publication.protocol,
            remoteAddress: publication.remoteAddress,
            sinceMs: publication.createDate,
          },
    uptimeSeconds: Math.floor(ageMs / 1000),
    viewers: stream.viewers,
    video: videoOf(stream, details),
    audio: audioOf(stream, details),
    longestGapMs: Math.round(facts.longestGapMs),
    avOffsetMs: facts.avOffsetMs,
    conversions: (from.adaptations?.conversionsOf(stream) ?? []).map(defined),
    hints: streamHints(facts),
  };
}

function videoOf(stream: Stream, { video }: StreamDetails): ExplainVideo | null {
  const { state, videoRate, signals } = stream;
  if (state.video === undefined) return null;
  return defined({
    ...trackOf(state.video.codec, videoRate),
    codecString: video?.codecString,
    muted: signals.videoMuted,
    width: video?.width ?? 0,
    height: video?.height ?? 0,
    fps: Math.round(videoRate.packetsPerSecond * 10) / 10,
    keyFrames: videoRate.keyFrames,
    lastKeyFrameAgeMs: ageOf(videoRate.keyFrameArrivedMs),
    keyFrameIntervalMs: Math.round(videoRate.keyFrameIntervalUs / 1000),
    hasBFrames: videoRate.reordered,
    keyFramesOnRequest: stream.canRequestKeyFrame,
  }) as ExplainVideo;
}

function audioOf({ state, audioRate, signals }: Stream, { audio }: StreamDetails): ExplainAudio | null {
  if (state.audio === undefined) return null;
  return defined({
    ...trackOf(state.audio.codec, audioRate),
    codecString: audio?.codecString,
    muted: signals.audioMuted,
    sampleRate: audio?.sampleRate ?? 0,
    channels: audio?.channels ?? 0,
  }) as ExplainAudio;
}

function trackOf(codec: string, rate: RateMeter) {
  return { codec, bitrateBps: Math.round(rate.bitsPerSecond), lastPacketAgeMs: ageOf(rate.arrivedMs) };
}

/** Since a time of `performance.now()`; undefined for 0, which is never. */
function ageOf(atMs: number): number | undefined {
  return atMs === 0 ? undefined : Math.max(0, Math.round(performance.now() - atMs));
}
