import {
  STREAM_FILTER_FIELDS,
  STREAM_INFO,
  StreamEventSending,
  StreamFilter,
  StreamObject,
  StreamTermination,
} from '@sluice/contract';
import Type from 'typebox';
import type { MediaSession, Stream, StreamRegistry } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { withoutSecretValues } from '../secret-names.ts';
import type { StreamDetails } from '../stream-details.ts';
import { isEmpty, matches } from './filter.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';
import { streamObject } from './stream-object.ts';
import { wcsMetrics } from './wcs-metrics.ts';

const NO_DETAILS: StreamDetails = {};

const NONE_MATCHES = 'no stream matches';

type Deps = Pick<ControlDeps, 'streams' | 'sessions' | 'describeTrack' | 'secretFields' | 'recorder'>;

interface Found {
  readonly session: MediaSession;
  readonly object: StreamObject;
}

/** `/stream` (rest-api.md §3). */
export const STREAM_METHODS = [
  restMethod({
    path: '/stream/find_all',
    summary: 'Lists all publications and playbacks.',
    request: Type.Object({}),
    answer: Type.Array(StreamObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => objectsOf(find(deps, {}), 'no streams'),
  }),
  restMethod({
    path: '/stream/find',
    summary: 'Finds the publications and playbacks that have all values of the filter; all of them without one.',
    details: 'A publication and its playbacks have the same name, so one name may find many.',
    request: StreamFilter,
    answer: Type.Array(StreamObject),
    errors: { 404: NONE_MATCHES },
    example: { name: 'demo', published: true, display: ['metrics'] },
    run: ({ deps, body: { display = [], ...filter } }) =>
      objectsOf(find(deps, filter, { metrics: display.includes('metrics') }), NONE_MATCHES),
  }),
  restMethod({
    path: '/stream/terminate',
    summary: 'Ends the publications and playbacks that have all values of the filter.',
    details:
      'The players of a publication are ended with it; they do not wait for another publisher. Without any field all ' +
      'streams of the server would end: that is refused with 400 unless `rest_terminate_all_enabled` is on.',
    request: StreamTermination,
    answer: undefined,
    errors: { 404: NONE_MATCHES },
    example: { name: 'stream1', status: 'PUBLISHING' },
    needsPost: true,
    run: ({ deps, options, body }) => terminateStreams(deps, body, options),
  }),
  restMethod({
    path: '/stream/event/send',
    summary: 'Sends an event of the type `data` to the viewers of a stream that play it by the Web SDK.',
    request: StreamEventSending,
    answer: undefined,
    errors: { 404: 'no stream has that name' },
    example: { streamName: 'demo', payload: { score: '2:1' } },
    run: ({ deps, body: { streamName, payload } }) => {
      const stream = deps.streams.get(streamName);
      if (stream === undefined) throw new RestError(404, `no stream "${streamName}" is live`);
      stream.signals.send(payload === undefined ? { type: 'data' } : { type: 'data', payload });
    },
  }),
];

/** Ends a session; a publication's stream ends at once, for players too. */
export function endSession(streams: StreamRegistry, session: MediaSession, reason: string): void {
  const { mediaType, streamName, status } = session.describe();
  const stream = mediaType === 'publish' && status === 'PUBLISHING' ? streams.get(streamName) : undefined;
  if (stream !== undefined) streams.end(stream, reason);
  session.close(reason);
}

/**
 * Ends what has all values of the filter, where `mediaSessionIds` means any of these.
 * @throws RestError 404 when there is none, 400 for a filter without any field unless that is allowed
 */
export function terminateStreams(
  deps: Deps,
  body: StreamTermination,
  options: { readonly terminateAllEnabled: boolean } = { terminateAllEnabled: false },
): void {
  const { mediaSessionIds, ...filter } = body;
  if (mediaSessionIds === undefined && isEmpty(filter) && !options.terminateAllEnabled) {
    throw new RestError(
      400,
      `say what to end: mediaSessionIds, or some of ${STREAM_FILTER_FIELDS.join(', ')}; ` +
        'to end all streams by an empty request, set rest_terminate_all_enabled=true',
    );
  }
  const wanted = mediaSessionIds === undefined ? undefined : new Set(mediaSessionIds);
  const found = find(deps, filter).filter(({ object }) => wanted?.has(object.mediaSessionId) ?? true);
  if (found.length === 0) throw new RestError(404, NONE_MATCHES);
  for (const { session } of found) endSession(deps.streams, session, STREAM_INFO.restTerminate);
}

/** A stream's tracks are described once, whatever the number of its viewers. */
function find(deps: Deps, filter: StreamFilter, display = { metrics: false }): Found[] {
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
    const recording = object.published ? deps.recorder?.of(object.mediaSessionId) : undefined;
    if (recording !== undefined) {
      object.record = true;
      object.recordName = recording.fileName;
    }
    if (!matches(object, filter)) continue;
    if (object.custom !== undefined) object.custom = withoutSecretValues(object.custom, deps.secretFields);
    if (display.metrics)
      object.metrics = wcsMetrics(description, stream, { details, media: session.explain?.().media });
    found.push({ session, object });
  }
  return found;
}

function objectsOf(found: readonly Found[], otherwise: string): StreamObject[] {
  if (found.length === 0) throw new RestError(404, otherwise);
  return found.map(({ object }) => object);
}
