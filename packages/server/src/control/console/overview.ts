import type { OverviewBody, OverviewLayer, OverviewPublisher, OverviewStream } from '@sluice/contract';
import type { SessionDescription, Stream, StreamLayer } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { hostAddresses } from '../host-addresses.ts';
import type { StreamDetails } from '../stream-details.ts';
import { hintFacts } from './hint-facts.ts';
import { streamHints } from './hints.ts';
import type { StreamHistories } from './stream-histories.ts';

/** Where pictures of streams are, on the web port. */
export const SNAPSHOTS = '/snapshot/';

export interface OverviewDeps extends ControlDeps {
  readonly histories: StreamHistories;
}

/** The body of `/api/overview`: what is live right now, and how to reach this server. */
export function overview(
  deps: OverviewDeps,
  http: { readonly host: string; readonly port: number; readonly securePort: number },
): OverviewBody {
  const publications = publicationsByName(deps);
  const nowMs = Date.now();
  const streams: OverviewStream[] = [];
  for (const stream of deps.streams.all()) {
    if (stream.live) streams.push(overviewStream(deps, stream, publications.get(stream.name), nowMs));
  }
  return {
    server: { version: deps.version, uptimeSeconds: Math.floor(process.uptime()), node: process.version },
    ports: { ...deps.ports(), http: http.port, https: http.securePort },
    addresses: [...hostAddresses(http.host)],
    streams: streams.sort((a, b) => (a.name < b.name ? -1 : 1)),
    records: deps.recorder?.enabled === true,
    snapshots: deps.mounts?.some(({ prefix }) => prefix === SNAPSHOTS) === true,
  };
}

function publicationsByName(deps: ControlDeps): ReadonlyMap<string, SessionDescription> {
  const publications = new Map<string, SessionDescription>();
  for (const session of deps.sessions.all()) {
    const description = session.describe();
    if (description.mediaType === 'publish') publications.set(description.streamName, description);
  }
  return publications;
}

function overviewStream(
  deps: OverviewDeps,
  stream: Stream,
  publication: SessionDescription | undefined,
  nowMs: number,
): OverviewStream {
  const details = deps.describeTrack(stream);
  const demo = stream.name === deps.demoStreamName && publication?.protocol === 'vod';
  const ageMs = Math.max(0, nowMs - (publication?.createDate ?? stream.createdAt));
  const facts = hintFacts(stream, deps.histories.of(stream), ageMs);
  return {
    name: stream.name,
    publisher: publication === undefined ? null : publisherOf(publication),
    video: videoOf(stream, details),
    audio: audioOf(stream, details),
    ...layersOf(stream),
    ...loudnessOf(stream),
    viewers: stream.viewers,
    uptimeSeconds: Math.floor(ageMs / 1000),
    ...(demo ? { startedByDemo: true } : {}),
    keyFrameIntervalMs: Math.round(facts.keyFrameIntervalMs),
    hasBFrames: facts.hasBFrames,
    avOffsetMs: facts.avOffsetMs,
    drops: deps.histories.dropsOf(stream),
    longestGapMs: Math.round(facts.longestGapMs),
    ...recordingOf(deps, publication),
    hints: streamHints(facts),
  };
}

function layersOf({ layers }: Stream): Pick<OverviewStream, 'layers'> {
  return layers.length === 0 ? {} : { layers: layers.map(overviewLayer) };
}

function overviewLayer({ rid, width = 0, height = 0, bitrateBps, active, paused }: StreamLayer): OverviewLayer {
  const state = paused ? 'paused' : active ? 'active' : 'absent';
  return { rid, width, height, bitrate: Math.round(bitrateBps), state };
}

function loudnessOf({ loudness }: Stream): Pick<OverviewStream, 'loudness' | 'speaking'> {
  const nowMs = performance.now();
  const level = loudness.level(nowMs);
  return level === undefined ? {} : { loudness: Math.round(level), speaking: loudness.speaking(nowMs) };
}

function recordingOf(
  { recorder }: OverviewDeps,
  publication: SessionDescription | undefined,
): Pick<OverviewStream, 'recording'> {
  const running = publication && recorder?.of(publication.mediaSessionId);
  if (running === undefined) return {};
  const { fileName, startedAtMs, bytes, trouble } = running;
  return {
    recording: { fileName, sinceMs: Math.round(startedAtMs), bytes, ...(trouble === undefined ? {} : { trouble }) },
  };
}

function publisherOf(publication: SessionDescription): OverviewPublisher {
  const { mediaSessionId, protocol, remoteAddress, createDate } = publication;
  return { mediaSessionId, protocol, remoteAddress, sinceMs: createDate };
}

function videoOf(stream: Stream, details: StreamDetails): OverviewStream['video'] {
  const track = stream.state.video;
  if (track === undefined) return null;
  const codecString = details.video?.codecString;
  return {
    codec: track.codec,
    ...(codecString === undefined ? {} : { codecString }),
    width: details.video?.width ?? 0,
    height: details.video?.height ?? 0,
    fps: Math.round(stream.videoRate.packetsPerSecond * 10) / 10,
    bitrate: Math.round(stream.videoRate.bitsPerSecond),
    gopFrames: stream.videoRate.gop,
  };
}

function audioOf(stream: Stream, details: StreamDetails): OverviewStream['audio'] {
  const track = stream.state.audio;
  if (track === undefined) return null;
  const codecString = details.audio?.codecString;
  return {
    codec: track.codec,
    ...(codecString === undefined ? {} : { codecString }),
    sampleRate: details.audio?.sampleRate ?? 0,
    channels: details.audio?.channels ?? 0,
    bitrate: Math.round(stream.audioRate.bitsPerSecond),
  };
}
