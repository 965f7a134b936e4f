import { Numeric, type StreamRequest } from '@sluice/contract';
import Value from 'typebox/value';
import type { Fields, Log } from '../../core/index.ts';
import { numberOf, objectOf } from './client-message.ts';

/** Limits of a picture's bitrate that a client asks for, bits a second; 0 for none. */
export interface BitrateWishes {
  readonly minBitrateBps: number;
  readonly maxBitrateBps: number;
}

type Wish = 'bitrate' | 'minBitrate' | 'maxBitrate';

/**
 * The limits of a stream: its own fields, else those of `constraints.video`, which are all that other clients than the Web
 * SDK fill in. A publisher's `bitrate`, which is to be its one bitrate, counts as the highest where there is no other; a
 * player's is a form of the picture. What can't be used is left out with a line in the log.
 */
export function bitrateWishes(request: Partial<StreamRequest>, published: boolean, log: Log): BitrateWishes {
  const video = objectOf(objectOf(request.constraints)['video']);
  const kbps = (wish: Wish): number => numberOf(request[wish]) || fromConstraints(video, wish, log);
  const min = kbps('minBitrate');
  const max = kbps('maxBitrate') || (published ? kbps('bitrate') : 0);
  if (max === 0 || min <= max) return { minBitrateBps: Math.round(min * 1000), maxBitrateBps: Math.round(max * 1000) };
  log.debug({ minBitrate: min, maxBitrate: max }, 'least bitrate of a stream is above the highest: left out');
  return { minBitrateBps: 0, maxBitrateBps: Math.round(max * 1000) };
}

function fromConstraints(video: Fields, wish: Wish, log: Log): number {
  const value = video[wish];
  if (value === undefined || value === null) return 0;
  if (Value.Check(Numeric, value)) return numberOf(value);
  log.debug({ field: `constraints.video.${wish}` }, 'bitrate of a stream can not be read: left out');
  return 0;
}
