import { StreamRequest } from '@sluice/contract';
import type { Fields, StreamRequestFacts } from '../../core/index.ts';
import { numberOf, objectOf, readFields } from './client-message.ts';

/** What `publishStream` and `playStream` ask of the back end (rest-hooks.md §6.2). */
export function factsOf(request: Partial<StreamRequest>, published: boolean): StreamRequestFacts {
  const { mediaSessionId = '', name = '', mediaProvider = 'WebRTC', custom, hasVideo, hasAudio, ...rest } = request;
  return {
    mediaSessionId,
    name,
    mediaProvider,
    hasVideo: hasVideo === true,
    hasAudio: hasAudio === true,
    custom: objectOf(custom),
    fields: {
      ...rest,
      published,
      status: 'PENDING',
      record: rest.record === true,
      width: integerOf(rest.width),
      height: integerOf(rest.height),
      bitrate: integerOf(rest.bitrate),
      minBitrate: integerOf(rest.minBitrate),
      maxBitrate: integerOf(rest.maxBitrate),
      quality: integerOf(rest.quality),
    },
  };
}

/** The request as the back end left it; fields that it made unusable stay as the client wrote them. */
export function rewritten(request: Partial<StreamRequest>, fields: Fields): Partial<StreamRequest> {
  const { mediaSessionId: _id, name: _name, ...changed } = readFields(StreamRequest, fields);
  return { ...request, ...changed };
}

/** A number of a request, which may have come as text, as hooks and status messages have it. */
export function integerOf(value: number | string | undefined): number {
  return Math.round(numberOf(value));
}
