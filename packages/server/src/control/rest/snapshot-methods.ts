import { SnapshotTaken, SnapshotTaking } from '@sluice/contract';
import type { ControlDeps } from '../control-deps.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

/** `/stream/snapshot` (rest-api.md §3). */
export const SNAPSHOT_METHODS = [
  restMethod({
    path: '/stream/snapshot',
    summary: 'Takes a picture of a stream: the newest one.',
    details:
      'PNG in its own size, unless something else is asked for. Waits for a picture where none has come yet ' +
      '(`snapshot_taking_interval_ms` × `snapshot_taking_attempts`).',
    request: SnapshotTaking,
    answer: SnapshotTaken,
    errors: {
      404: 'no stream has that name',
      500: 'there is no picture in it, none came in time, or it can not be decoded',
      503: 'too many pictures are being taken',
    },
    example: { streamName: 'demo', format: 'jpeg', width: 640 },
    run: async ({ deps, body, signal }) => {
      const { format = 'png', width, height, quality } = body;
      if (deps.snapshots === undefined) throw new RestError(501, 'this server takes no pictures');
      const streamName = streamNameOf(deps, body);
      const picture = await deps.snapshots.take({
        streamName,
        which: 'newest',
        format,
        width,
        height,
        quality,
        signal,
      });
      return { data: Buffer.from(picture).toString('base64') };
    },
  }),
];

function streamNameOf(
  { sessions }: Pick<ControlDeps, 'sessions'>,
  { streamName, name, mediaSessionId }: SnapshotTaking,
): string {
  const named = streamName ?? name;
  if (named !== undefined) return named;
  if (mediaSessionId === undefined) throw new RestError(400, 'name a stream: streamName');
  const session = sessions.get(mediaSessionId);
  if (session === undefined) throw new RestError(404, `no stream has the session ${mediaSessionId.slice(0, 64)}`);
  return session.describe().streamName;
}
