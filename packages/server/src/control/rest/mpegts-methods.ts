import { MpegTsFilter, MpegTsObject, MpegTsStartup } from '@sluice/contract';
import Type from 'typebox';
import { MediaServerError, type TransportStreamInput, type TransportStreams } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { isEmpty, matches } from './filter.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NONE = 'no transport stream is waited for that matches';
const EXAMPLE = { localStreamName: 'field' };

/** `/mpegts` (rest-api.md §18). */
export const MPEGTS_METHODS = [
  restMethod({
    path: '/mpegts/startup',
    summary: 'Opens a port for an MPEG transport stream, by SRT or UDP.',
    details:
      'Send to `uri` of the answer, with FFmpeg: `-f mpegts srt://HOST:PORT`. It ends when the encoder stops (SRT), or after `timeout` without data.',
    request: MpegTsStartup,
    answer: MpegTsObject,
    errors: {
      400: 'the name, the port, the list of senders or the passphrase can not be used',
      409: 'that name is in use',
      500: 'no port is free',
      503: 'the server carries as many streams as its settings allow',
    },
    example: { ...EXAMPLE, transport: 'srt', allowedList: ['192.0.2.0/24'] },
    run: async ({ deps, body }) => {
      const { localStreamName, timeout, maxTimestampDiff, latency, ...rest } = body;
      const inputs = inputsOf(deps);
      const wishes = { timeoutMs: timeout, maxTimestampDiffS: maxTimestampDiff, latencyMs: latency };
      const starting = inputs.startup({ ...rest, ...wishes, streamName: localStreamName });
      return mpegTsObject(await starting.catch(rethrown), deps);
    },
  }),
  restMethod({
    path: '/mpegts/find',
    summary: 'Finds the ports for transport streams that have all values of the filter.',
    request: MpegTsFilter,
    answer: Type.Array(MpegTsObject),
    errors: { 404: NONE },
    example: EXAMPLE,
    run: ({ deps, body }) => found(deps, body),
  }),
  restMethod({
    path: '/mpegts/find_all',
    summary: 'Lists the ports for transport streams.',
    request: Type.Object({}),
    answer: Type.Array(MpegTsObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => found(deps, {}),
  }),
  restMethod({
    path: '/mpegts/terminate',
    summary: 'Ends those that have all values of the filter.',
    request: MpegTsFilter,
    answer: undefined,
    errors: { 404: NONE },
    example: EXAMPLE,
    needsPost: true,
    run: ({ deps, body: { localStreamName, uri } }) => {
      if (isEmpty({ localStreamName, uri })) throw new RestError(400, 'say what to end: localStreamName, uri or both');
      const ended = inputsOf(deps).end(
        (input) => matches(input, { streamName: localStreamName, uri }),
        'terminated by REST',
      );
      if (ended === 0) throw new RestError(404, NONE);
    },
  }),
];

/** What is wrong with a value here is the caller's, not that of a setting. */
function rethrown(error: unknown): never {
  if (error instanceof MediaServerError && error.code === 'CONFIG_INVALID') throw new RestError(400, error.message);
  throw error;
}

function found(deps: ControlDeps, filter: object): MpegTsObject[] {
  const objects = inputsOf(deps)
    .all()
    .map((input) => mpegTsObject(input, deps))
    .filter((object) => matches(object, filter));
  if (objects.length === 0) throw new RestError(404, NONE);
  return objects;
}

function mpegTsObject(input: TransportStreamInput, { recorder }: Pick<ControlDeps, 'recorder'>): MpegTsObject {
  return {
    localMediaSessionId: input.mediaSessionId,
    localStreamName: input.streamName,
    uri: input.uri,
    status: input.receiving ? 'PROCESSED_LOCAL' : 'CONNECTED',
    hasAudio: input.hasAudio,
    hasVideo: input.hasVideo,
    record: recorder?.of(input.mediaSessionId) !== undefined,
    transport: input.protocol === 'srt' ? 'SRT' : 'UDP',
    cdn: false,
    timeout: input.timeoutMs,
    maxTimestampDiff: input.maxTimestampDiffS,
    allowedList: [...input.allowedList],
    notes: [...input.notes],
  };
}

function inputsOf({ transportStreams }: Pick<ControlDeps, 'transportStreams'>): TransportStreams {
  if (transportStreams === undefined) throw new RestError(501, 'this server takes no transport streams');
  return transportStreams;
}
