import { RtspFilter, RtspObject, RtspStartup } from '@sluice/contract';
import Type from 'typebox';
import type { RelayFacts } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { isEmpty, matches } from './filter.ts';
import { relaysOf, rtspObject } from './relay-object.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NONE = 'no camera is pulled that matches';
const EXAMPLE = { uri: 'rtsp://user:password@192.0.2.10:554/stream1' };
const RTSP = /^rtsp[a-z]?:/i;

/** `/rtsp` (rest-api.md §8). */
export const RTSP_METHODS = [
  restMethod({
    path: '/rtsp/startup',
    summary: 'Pulls a stream from a camera or an RTSP server, until it is terminated.',
    details:
      'Answers before the connection is made: see `state` and `lastError` of `/rtsp/find`. It is tried again for ever.',
    request: RtspStartup,
    answer: undefined,
    errors: {
      400: 'the address can not be read, or its host is unknown',
      403: 'the settings forbid that address (`outbound_*`)',
      409: 'that name is in use, or that camera is pulled already',
      503: 'as much is pulled and pushed as the settings allow',
    },
    example: { ...EXAMPLE, localStreamName: 'door' },
    run: async ({ deps, body: { uri, localStreamName, ...rest } }) => {
      if (!RTSP.test(uri)) throw new RestError(400, 'uri must begin with rtsp://');
      await relaysOf(deps).pull({ url: uri, streamName: localStreamName || undefined, ...rest });
    },
  }),
  restMethod({
    path: '/rtsp/find',
    summary: 'Finds the cameras that are pulled and have all values of the filter.',
    request: RtspFilter,
    answer: Type.Array(RtspObject),
    errors: { 404: NONE },
    example: EXAMPLE,
    run: ({ deps, body }) => found(deps, body),
  }),
  restMethod({
    path: '/rtsp/find_all',
    summary: 'Lists the cameras that are pulled, those that viewers asked for by their address included.',
    request: Type.Object({}),
    answer: Type.Array(RtspObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => found(deps, {}),
  }),
  restMethod({
    path: '/rtsp/terminate',
    summary: 'Ends the cameras that have all values of the filter.',
    request: RtspFilter,
    answer: undefined,
    errors: { 404: NONE },
    example: EXAMPLE,
    needsPost: true,
    run: ({ deps, body }) => {
      if (isEmpty(body)) throw new RestError(400, 'say what to end: uri, localStreamName, status');
      const ended = relaysOf(deps).end(
        (relay) => isCamera(relay) && matches(rtspObject(relay), body),
        'terminated by REST',
      );
      if (ended === 0) throw new RestError(404, NONE);
    },
  }),
];

function isCamera({ direction, url }: RelayFacts): boolean {
  return direction === 'pull' && RTSP.test(url);
}

function found(deps: ControlDeps, filter: object): RtspObject[] {
  const objects = relaysOf(deps)
    .all()
    .filter(isCamera)
    .map(rtspObject)
    .filter((object) => matches(object, filter));
  if (objects.length === 0) throw new RestError(404, NONE);
  return objects;
}
