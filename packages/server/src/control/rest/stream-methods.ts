import type { StreamObject } from '@sluice/contract';
import type { MediaSession, Stream, StreamRegistry } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import type { StreamDetails } from '../stream-details.ts';
import { type Filter, type FilterFields, matches, readFilter, readTexts } from './filter.ts';
import { badParameters, RestError } from './rest-error.ts';
import { streamObject } from './stream-object.ts';
import { wcsMetrics } from './wcs-metrics.ts';

/** Fields of the stream object that can be filtered by (rest-api.md §3). */
const FIELDS: FilterFields = {
  mediaSessionId: 'string',
  name: 'string',
  published: 'boolean',
  status: 'string',
  sessionId: 'string',
  appKey: 'string',
  hasVideo: 'boolean',
  hasAudio: 'boolean',
  mediaType: 'string',
  mediaProvider: 'string',
  audioCodec: 'string',
  videoCodec: 'string',
  transport: 'string',
  record: 'boolean',
};

const NO_DETAILS: StreamDetails = {};

/** Reason that the Web SDK knows for streams that were ended by REST. */
const TERMINATED = 'Stopped by rest /terminate';

type Deps = Pick<ControlDeps, 'streams' | 'sessions' | 'describeTrack'>;

interface Found {
  readonly session: MediaSession;
  readonly object: StreamObject;
}

/** `/stream/find_all`. @throws RestError 404 when there is none */
export function findAllStreams(deps: Deps): StreamObject[] {
  return objectsOf(find(deps, new Map()), 'no streams');
}

/**
 * `/stream/find`: publications and playbacks that have all values of the filter; all of them without one. With
 * `display: ["metrics"]` each has its `metrics`.
 * @throws RestError 404 when there is none, 500 for values of a wrong type
 */
export function findStreams(deps: Deps, body: object): StreamObject[] {
  const display = readTexts(body, 'display') ?? [];
  const found = find(deps, readFilter(body, FIELDS), { metrics: display.includes('metrics') });
  return objectsOf(found, 'no stream matches');
}

/**
 * `/stream/terminate`: ends what has all values of the filter, where `mediaSessionIds` means any of these. The players of
 * a publication are ended with it; they do not wait for another publisher.
 * @throws RestError 404 when there is none, 500 for values of a wrong type, and for a filter without any field: some
 * builds of WCS end all streams then, which is too much to happen by a slip
 */
export function terminateStreams(deps: Deps, body: object): void {
  const filter = readFilter(body, FIELDS);
  const ids = readTexts(body, 'mediaSessionIds');
  if (filter.size === 0 && ids === undefined) {
    throw badParameters(`say what to end: mediaSessionIds, or some of ${Object.keys(FIELDS).join(', ')}`);
  }
  const wanted = ids === undefined ? undefined : new Set(ids);
  const found = find(deps, filter).filter(({ object }) => wanted?.has(object.mediaSessionId) ?? true);
  if (found.length === 0) throw new RestError(404, 'no stream matches');
  for (const { session } of found) endSession(deps.streams, session, TERMINATED);
}

/** Ends a session; a publication's stream ends at once, for players too. */
export function endSession(streams: StreamRegistry, session: MediaSession, reason: string): void {
  const { mediaType, streamName, status } = session.describe();
  const stream = mediaType === 'publish' && status === 'PUBLISHING' ? streams.get(streamName) : undefined;
  if (stream !== undefined) streams.end(stream, reason);
  session.close(reason);
}

/** A stream's tracks are described once, whatever the number of its viewers. */
function find(deps: Deps, filter: Filter, display: { readonly metrics: boolean } = { metrics: false }): Found[] {
  const described = new Map<Stream, StreamDetails>();
  const detailsOf = (stream: Stream | undefined): StreamDetails => {
    if (stream === undefined) return NO_DETAILS;
    const details = described.get(stream) ?? deps.describeTrack(stream);
    described.set(stream, details);
    return details;
  };
  const found: Found[] = [];
  for (const session of deps.sessions.all()) {
    const description = session.describe();
    const stream = deps.streams.get(description.streamName);
    const details = detailsOf(stream);
    const object = streamObject(description, stream, details);
    if (!matches(object, filter)) continue;
    if (display.metrics) object.metrics = wcsMetrics(description, stream, details);
    found.push({ session, object });
  }
  return found;
}

function objectsOf(found: readonly Found[], otherwise: string): StreamObject[] {
  if (found.length === 0) throw new RestError(404, otherwise);
  return found.map(({ object }) => object);
}
