import type { StreamObject } from '@sluice/contract';
import type { MediaSession, Stream } from '../../core/index.ts';
import { streamObject } from '../rest/stream-object.ts';
import { type DescribeTrack, describeOnce } from '../stream-details.ts';

/** Gives the object of a publication or playback as REST tells it (rest-api.md §3). */
export function hookDescription(
  describeTrack: DescribeTrack,
): (session: MediaSession, stream: Stream | undefined) => StreamObject {
  const describe = describeOnce(describeTrack);
  return (session, stream) => streamObject(session.describe(), stream, stream === undefined ? {} : describe(stream));
}
