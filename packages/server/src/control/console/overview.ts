import type { OverviewBody, OverviewPublisher, OverviewStream } from '@sluice/contract';
import type { SessionDescription, Stream } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { hostAddresses } from '../host-addresses.ts';
import type { StreamDetails } from '../stream-details.ts';

/** The body of `/api/overview`: what is live right now, and how to reach this server. */
export function overview(deps: ControlDeps, http: { readonly host: string; readonly port: number }): OverviewBody {
  const publications = publicationsByName(deps);
  const nowMs = Date.now();
  const streams: OverviewStream[] = [];
  for (const stream of deps.streams.all()) {
    if (stream.live) streams.push(overviewStream(deps, stream, publications.get(stream.name), nowMs));
  }
  return {
    server: { version: deps.version, uptimeSeconds: Math.floor(process.uptime()), node: process.version },
    ports: { ...deps.ports(), http: http.port },
    addresses: [...hostAddresses(http.host)],
    streams: streams.sort((a, b) => (a.name < b.name ? -1 : 1)),
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
  deps: ControlDeps,
  stream: Stream,
  publication: SessionDescription | undefined,
  nowMs: number,
): OverviewStream {
  const details = deps.describeTrack(stream);
  const demo = stream.name === deps.demoStreamName && publication?.protocol === 'vod';
  return {
    name: stream.name,
    publisher: publication === undefined ? null : publisherOf(publication),
    video: videoOf(stream, details),
    audio: audioOf(stream, details),
    viewers: stream.viewers,
    uptimeSeconds: Math.max(0, Math.floor((nowMs - (publication?.createDate ?? stream.createdAt)) / 1000)),
    ...(demo ? { startedByDemo: true } : {}),
  };
}

function publisherOf(publication: SessionDescription): OverviewPublisher {
  const { protocol, remoteAddress, createDate } = publication;
  return { protocol, remoteAddress, sinceMs: createDate };
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
