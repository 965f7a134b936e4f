import { PullFilter, PullObject, PullPushStartup, PullStartup, RtmpPullStartup } from '@sluice/contract';
import Type, { type Static } from 'typebox';
import type { RelayFacts } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { isEmpty } from './filter.ts';
import { bareUri, pullObject, relaysOf } from './relay-object.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NONE = 'nothing is pulled or pushed that matches';
const EXAMPLE = { uri: 'wss://other.example.com:8443', localStreamName: 'here', remoteStreamName: 'there' };
const RTMP_EXAMPLE = { uri: 'rtmp://other.example.com/live/stream1', localStreamName: 'stream1' };
const PULL_ERRORS = {
  400: 'the address can not be read, its scheme is not spoken here, or its host is unknown',
  403: 'the settings forbid that address (`outbound_*`)',
  409: 'that name is in use, or the same is pulled or pushed already',
  503: 'as much is pulled and pushed as the settings allow',
} as const;
const ASYNCHRONOUS =
  'Answers before the connection is made: see `/pull/find_all`. A connection that is lost is made anew.';

/** What these methods are about: WebRTC in both directions, and RTMP that is pulled. Cameras have `/rtsp`. */
const PULLED = /^(wss?|wheps?|srt|rtmps?):/i;
const PUSHED = /^(wss?|whips?):/i;
const RTMP = /^rtmps?:/i;

const pull = {
  details: ASYNCHRONOUS,
  request: PullStartup,
  answer: undefined,
  errors: PULL_ERRORS,
  example: EXAMPLE,
  run: async ({ deps, body }: { readonly deps: ControlDeps; readonly body: Static<typeof PullStartup> }) => {
    const { uri, localStreamName, ...rest } = body;
    const url = addressOf(uri, deps);
    if (/^wss?:/i.test(url) && !body.remoteStreamName)
      throw new RestError(400, 'remoteStreamName is missing: it is the name of the stream there');
    await relaysOf(deps).pull({ url, streamName: localStreamName || body.remoteStreamName, ...rest });
  },
};

/** `/pull` (rest-api.md §7). */
export const PULL_METHODS = [
  restMethod({ path: '/pull/pull', summary: 'Pulls a stream from another server.', ...pull }),
  restMethod({ path: '/pull/startup', summary: 'The same as `/pull/pull`.', ...pull }),
  restMethod({
    path: '/pull/push',
    summary: 'Pushes a stream to another server by WebRTC.',
    details: ASYNCHRONOUS,
    request: PullPushStartup,
    answer: undefined,
    errors: { ...PULL_ERRORS, 404: 'no such stream is live' },
    example: EXAMPLE,
    run: async ({ deps, body: { uri, localStreamName, ...rest } }) => {
      await relaysOf(deps).push({ url: addressOf(uri, deps), streamName: localStreamName, ...rest });
    },
  }),
  restMethod({
    path: '/pull/find',
    summary: 'Finds the streams that are pulled, or pushed by WebRTC, and have all values of the filter.',
    request: PullFilter,
    answer: Type.Array(PullObject),
    errors: {},
    example: { localStreamName: 'here' },
    run: ({ deps, body }) => found(deps, filterOf(body, deps)),
  }),
  restMethod({
    path: '/pull/find_all',
    summary: 'Lists the streams that are pulled, or pushed by WebRTC; an empty list when there are none.',
    request: Type.Object({}),
    answer: Type.Array(PullObject),
    errors: {},
    run: ({ deps }) => found(deps, () => true),
  }),
  restMethod({
    path: '/pull/terminate',
    summary: 'Ends those that have all values of the filter.',
    request: PullFilter,
    answer: undefined,
    errors: { 404: NONE },
    example: EXAMPLE,
    needsPost: true,
    run: ({ deps, body }) => end(deps, body, isShown),
  }),
  restMethod({
    path: '/pull/rtmp/pull',
    summary: 'Pulls a stream from an RTMP server.',
    details: ASYNCHRONOUS,
    request: RtmpPullStartup,
    answer: undefined,
    errors: PULL_ERRORS,
    example: RTMP_EXAMPLE,
    run: async ({ deps, body: { uri, localStreamName, ...rest } }) => {
      if (!RTMP.test(uri)) throw new RestError(400, 'uri must begin with rtmp:// or rtmps://');
      await relaysOf(deps).pull({ url: uri, streamName: localStreamName || undefined, ...rest });
    },
  }),
  restMethod({
    path: '/pull/rtmp/find_all',
    summary: 'Lists the streams that are pulled from RTMP servers; an empty list when there are none.',
    request: Type.Object({}),
    answer: Type.Array(PullObject),
    errors: {},
    run: ({ deps }) => found(deps, ({ url }) => RTMP.test(url)),
  }),
  restMethod({
    path: '/pull/rtmp/terminate',
    summary: 'Ends a stream that is pulled from an RTMP server.',
    request: PullFilter,
    answer: undefined,
    errors: { 404: NONE },
    example: RTMP_EXAMPLE,
    needsPost: true,
    run: ({ deps, body }) => end(deps, body, (relay) => isShown(relay) && RTMP.test(relay.url)),
  }),
];

function isShown({ direction, url }: RelayFacts): boolean {
  return (direction === 'pull' ? PULLED : PUSHED).test(url);
}

/** Addresses without a scheme are of servers of this kind. */
function addressOf(uri: string, { agentScheme = 'ws' }: Pick<ControlDeps, 'agentScheme'>): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(uri) ? uri : `${agentScheme}://${uri}`;
}

function filterOf(filter: Static<typeof PullFilter>, deps: Pick<ControlDeps, 'agentScheme'>) {
  const { uri, localStreamName, remoteStreamName } = filter;
  const bare = uri === undefined ? undefined : bareUri(addressOf(uri, deps));
  return (relay: RelayFacts): boolean =>
    (bare === undefined || bareUri(addressOf(relay.url, deps)) === bare) &&
    (localStreamName === undefined || relay.streamName === localStreamName) &&
    (remoteStreamName === undefined || relay.remoteStreamName === remoteStreamName);
}

function found(deps: ControlDeps, wanted: (relay: RelayFacts) => boolean): PullObject[] {
  return relaysOf(deps)
    .all()
    .filter((relay) => isShown(relay) && wanted(relay))
    .map(pullObject);
}

function end(deps: ControlDeps, filter: Static<typeof PullFilter>, shown: (relay: RelayFacts) => boolean): void {
  if (isEmpty(filter)) throw new RestError(400, 'say what to end: uri, localStreamName, remoteStreamName');
  const wanted = filterOf(filter, deps);
  if (relaysOf(deps).end((relay) => shown(relay) && wanted(relay), 'terminated by REST') === 0)
    throw new RestError(404, NONE);
}
