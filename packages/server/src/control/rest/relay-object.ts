import type { PullObject, PushObject, RtspObject } from '@sluice/contract';
import type { PushOptions, RelayFacts, Relays } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { RestError } from './rest-error.ts';

const STATUSES = {
  connecting: 'PENDING',
  connected: 'CONNECTED',
  running: 'PROCESSED_REMOTE',
  waiting: 'PENDING',
  stopped: 'STOPPED',
} as const;

/** Streams to and from other servers. @throws RestError 501 where there are none */
export function relaysOf({ relays }: Pick<ControlDeps, 'relays'>): Relays {
  if (relays === undefined) throw new RestError(501, 'this server neither pulls nor pushes');
  return relays;
}

/** The address without `/websocket` at its end, by which clients may leave it out (rest-api.md §7). */
export function bareUri(uri: string): string {
  return uri.replace(/\/(websocket\/?)?$/, '');
}

/** The object of a stream that is pushed (rest-api.md §6). */
export function pushObject(relay: RelayFacts, deps: ControlDeps): PushObject {
  const stream = deps.streams.get(relay.streamName);
  const { width = 0, height = 0 } = (stream && deps.describeTrack(stream).video) ?? {};
  return {
    mediaSessionId: relay.mediaSessionId,
    streamName: `${deps.pushPrefix ?? ''}${relay.streamName}`,
    rtmpUrl: relay.url,
    width,
    height,
    muted: relay.muted,
    soundEnabled: relay.sound !== undefined,
    options: optionsOf(relay.options),
    localStreamName: relay.streamName,
    status: statusOf(relay),
    ...supervision(relay),
  };
}

/** The object of a stream that is pulled, or pushed by WebRTC (rest-api.md §7). */
export function pullObject(relay: RelayFacts): PullObject {
  return {
    localMediaSessionId: relay.mediaSessionId,
    remoteMediaSessionId: relay.remoteMediaSessionId ?? null,
    localStreamName: relay.streamName,
    remoteStreamName: relay.remoteStreamName ?? null,
    uri: relay.url,
    status: statusOf(relay),
    hasAudio: relay.hasAudio,
    hasVideo: relay.hasVideo,
    record: relay.record,
    direction: relay.direction,
    ...supervision(relay),
  };
}

/** The object of a camera (rest-api.md §8). */
export function rtspObject(relay: RelayFacts): RtspObject {
  const status = statusOf(relay);
  return {
    uri: relay.url,
    status: status === 'PROCESSED_REMOTE' ? 'PLAYING' : status,
    localMediaSessionId: relay.mediaSessionId,
    localStreamName: relay.streamName,
    hasAudio: relay.hasAudio,
    hasVideo: relay.hasVideo,
    record: relay.record,
    ...supervision(relay),
  };
}

function statusOf({ state, attempts }: RelayFacts): PullObject['status'] {
  return state === 'connecting' && attempts === 0 ? 'NEW' : STATUSES[state];
}

function supervision(relay: RelayFacts) {
  const { state, attempts, reconnects, lastError, nextAttemptAtMs, notes, createdAtMs, bytes, packets } = relay;
  return {
    state,
    attempts,
    reconnects,
    ...(lastError === undefined ? {} : { lastError: lastError.message, lastErrorTime: Math.round(lastError.atMs) }),
    ...(nextAttemptAtMs === undefined ? {} : { nextAttemptTime: Math.round(nextAttemptAtMs) }),
    notes: [...notes],
    createDate: Math.round(createdAtMs),
    bytes,
    packets,
  };
}

/** The options as `/push/startup` took them. */
function optionsOf({ muted, sound, without }: PushOptions): Record<string, unknown> {
  return {
    ...(muted === true ? { action: 'mute' } : {}),
    ...(sound === undefined ? {} : { action: 'sound_on', soundFile: sound.file, loop: sound.loop }),
    ...(without === undefined ? {} : { without }),
  };
}
