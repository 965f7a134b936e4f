import { VodFilter, VodObject, VodStartup, VodTermination } from '@sluice/contract';
import Type from 'typebox';
import type { FileStreams } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { isEmpty, matches } from './filter.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const LIVE = 'vod-live://';
const NONE = 'no file plays that matches';
const EXAMPLE = { uri: 'vod-live://sample.mp4', localStreamName: 'channel1' };

/** `/vod` (rest-api.md §9). */
export const VOD_METHODS = [
  restMethod({
    path: '/vod/startup',
    summary: 'Plays a file as a live stream.',
    details: 'Without viewers it ends after `vod_stream_timeout`.',
    request: VodStartup,
    answer: undefined,
    errors: { 400: 'it is no file that can be played', 404: 'there is no such file', 409: 'that name is in use' },
    example: { ...EXAMPLE, loop: true },
    run: async ({ deps, body: { uri, localStreamName, loop } }) => {
      if (!uri.startsWith(LIVE)) throw new RestError(400, `uri must begin with ${LIVE}`);
      await filesOf(deps).startup(uri, { streamName: localStreamName, loop });
    },
  }),
  restMethod({
    path: '/vod/find',
    summary:
      'Finds the files that play and have all values of the filter, those of single viewers (`vod://`) included.',
    request: VodFilter,
    answer: Type.Array(VodObject),
    errors: { 404: NONE },
    example: { localStreamName: 'channel1' },
    run: ({ deps, body }) => found(deps, body),
  }),
  restMethod({
    path: '/vod/find_all',
    summary: 'Lists the files that play.',
    request: Type.Object({}),
    answer: Type.Array(VodObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => found(deps, {}),
  }),
  restMethod({
    path: '/vod/terminate',
    summary: 'Ends the files that play with that address, that stream name, or both.',
    request: VodTermination,
    answer: undefined,
    errors: { 404: NONE },
    example: EXAMPLE,
    needsPost: true,
    run: ({ deps, body: { uri, localStreamName } }) => {
      if (isEmpty({ uri, localStreamName })) throw new RestError(400, 'say what to end: uri, localStreamName or both');
      if (!filesOf(deps).terminate({ uri, streamName: localStreamName })) throw new RestError(404, NONE);
    },
  }),
];

function found(deps: ControlDeps, filter: object): VodObject[] {
  const objects = filesOf(deps)
    .all()
    .map(
      (file): VodObject => ({
        localMediaSessionId: file.mediaSessionId,
        localStreamName: file.streamName,
        uri: file.uri,
        status: 'PROCESSED_LOCAL',
        hasAudio: file.hasAudio,
        hasVideo: file.hasVideo,
        record: deps.recorder?.of(file.mediaSessionId) !== undefined,
        loop: file.loop,
        positionMs: Math.round(file.positionMs),
        durationMs: Math.round(file.durationMs),
      }),
    )
    .filter((object) => matches(object, filter));
  if (objects.length === 0) throw new RestError(404, NONE);
  return objects;
}

function filesOf({ fileStreams }: Pick<ControlDeps, 'fileStreams'>): FileStreams {
  if (fileStreams === undefined) throw new RestError(501, 'this server plays no files');
  return fileStreams;
}
