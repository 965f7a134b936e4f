import { PushFilter, PushObject, PushReference, PushSound, PushStartup } from '@sluice/contract';
import Type, { type Static } from 'typebox';
import type { PushOptions, RelayFacts } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { matches } from './filter.ts';
import { pushObject, relaysOf } from './relay-object.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NONE = 'nothing is pushed that matches';
const EXAMPLE = { streamName: 'stream1', rtmpUrl: 'rtmp://a.example.com/live' };
const REFERENCE = { mediaSessionId: 'a04ba2f0-0e33-4ee0-b0bb-0bd1d1cfb4a5' };
const MEDIA = { request: PushReference, answer: undefined, errors: { 404: NONE }, example: REFERENCE } as const;

/** Schemes by which `/pull/push` pushes. */
const WEBRTC_SCHEMES = /^(wss?|whips?):/i;

/** `/push` (rest-api.md §6). */
export const PUSH_METHODS = [
  restMethod({
    path: '/push/startup',
    summary: 'Pushes a stream to another server, by RTMP mostly, for as long as the stream lives.',
    details:
      'Answers before the connection is made: see `state` and `lastError`. A connection that is lost is made anew. The stream there is called `rtmp_transponder_stream_name_prefix` and its name, unless the address is complete.',
    request: PushStartup,
    answer: PushObject,
    errors: {
      400: 'the address can not be read, its scheme is not spoken here, or its host is unknown',
      403: 'the settings forbid that address (`outbound_*`)',
      404: 'no such stream is live, or there is no such sound file',
      409: 'that stream is pushed there already',
      503: 'as much is pulled and pushed as the settings allow',
    },
    example: { ...EXAMPLE, rtmpTransponderFullUrl: false },
    run: async ({ deps, body: { streamName, rtmpUrl, appKey, ...wishes } }) => {
      const relay = await relaysOf(deps).push({ streamName, url: rtmpUrl, appKey, ...pushOptions(wishes) });
      return pushObject(relay, deps);
    },
  }),
  restMethod({
    path: '/push/find',
    summary: 'Finds the streams that are pushed and have all values of the filter.',
    request: PushFilter,
    answer: Type.Array(PushObject),
    errors: { 404: NONE },
    example: { streamName: 'rtmp_stream1' },
    run: ({ deps, body: { streamName, rtmpUrl, mediaSessionId } }) =>
      found(deps, (object) => {
        const named = streamName === undefined || [object.streamName, object.localStreamName].includes(streamName);
        return named && matches(object, { rtmpUrl, mediaSessionId });
      }),
  }),
  restMethod({
    path: '/push/find_all',
    summary: 'Lists the streams that are pushed.',
    request: Type.Object({}),
    answer: Type.Array(PushObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => found(deps, () => true),
  }),
  restMethod({
    path: '/push/terminate',
    summary: 'Ends a push.',
    ...MEDIA,
    run: ({ deps, body: { mediaSessionId } }) => {
      const ended = relaysOf(deps).end(
        // By WebRTC, too: `/push/startup` takes such addresses.
        (relay) => relay.direction === 'push' && relay.mediaSessionId === mediaSessionId,
        'terminated by REST',
      );
      if (ended === 0) throw new RestError(404, NONE);
    },
  }),
  restMethod({
    path: '/push/mute',
    summary: 'Replaces the sound of a push by silence.',
    ...MEDIA,
    run: ({ deps, body }) => relaysOf(deps).setMuted(body.mediaSessionId, true),
  }),
  restMethod({
    path: '/push/unmute',
    summary: 'Gives a push its sound back.',
    ...MEDIA,
    run: ({ deps, body }) => relaysOf(deps).setMuted(body.mediaSessionId, false),
  }),
  restMethod({
    path: '/push/sound_on',
    summary: 'Replaces the sound of a push by that of a file.',
    request: PushSound,
    answer: undefined,
    errors: { 400: 'the file can not be played', 404: 'there is no such push, or no such file' },
    example: { ...REFERENCE, soundFile: 'sample.wav', loop: true },
    run: ({ deps, body: { mediaSessionId, soundFile, loop = false } }) =>
      relaysOf(deps).setSound(mediaSessionId, { file: soundFile, loop }),
  }),
  restMethod({
    path: '/push/sound_off',
    summary: 'Gives a push its own sound back after `/push/sound_on`.',
    ...MEDIA,
    run: ({ deps, body }) => relaysOf(deps).setSound(body.mediaSessionId, undefined),
  }),
];

function isPush({ direction, url }: RelayFacts): boolean {
  return direction === 'push' && !WEBRTC_SCHEMES.test(url);
}

function found(deps: ControlDeps, wanted: (object: PushObject) => boolean): PushObject[] {
  const objects = relaysOf(deps)
    .all()
    .filter(isPush)
    .map((relay) => pushObject(relay, deps))
    .filter(wanted);
  if (objects.length === 0) throw new RestError(404, NONE);
  return objects;
}

function pushOptions(wishes: Omit<Static<typeof PushStartup>, 'streamName' | 'rtmpUrl' | 'appKey'>): PushOptions {
  const { rtmpTransponderFullUrl, rtmpFlashVersion, options = {} } = wishes;
  const { action, soundFile, loop = false, without } = options;
  if (action === 'sound_on' && soundFile === undefined)
    throw new RestError(400, 'options.soundFile is missing: sound_on needs a file of the media folder');
  return {
    fullUrl: rtmpTransponderFullUrl,
    flashVersion: rtmpFlashVersion,
    muted: action === 'mute',
    sound: action === 'sound_on' && soundFile !== undefined ? { file: soundFile, loop } : undefined,
    without,
  };
}
