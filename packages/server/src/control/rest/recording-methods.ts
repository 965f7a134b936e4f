import { RecordingDeletion, RecordingFilter, RecordingObject } from '@sluice/contract';
import Type from 'typebox';
import type { RecordingEntry } from '../../core/index.ts';
import { matches } from './filter.ts';
import { recorderOf } from './recorder-methods.ts';
import { recordingObject } from './recording-object.ts';
import { RestError } from './rest-error.ts';
import { restMethod } from './rest-method.ts';

const NONE = 'no recording matches';
const MOST = 1000;

/** `/recording`: all that was recorded. WCS has no such methods. */
export const RECORDING_METHODS = [
  restMethod({
    path: '/recording/find_all',
    summary: `Lists the newest ${MOST} files of recordings, with what became of each. WCS has no such method.`,
    request: Type.Object({}),
    answer: Type.Array(RecordingObject),
    errors: { 404: 'there are none' },
    run: ({ deps }) => found(recorderOf(deps).entries(), {}),
  }),
  restMethod({
    path: '/recording/find',
    summary: 'Finds files of recordings that have all values of the filter, the newest first. WCS has no such method.',
    request: RecordingFilter,
    answer: Type.Array(RecordingObject),
    errors: { 404: NONE },
    example: { streamName: 'demo', state: 'complete', limit: 10 },
    run: ({ deps, body }) => found(recorderOf(deps).entries(), body),
  }),
  restMethod({
    path: '/recording/delete',
    summary: 'Deletes a file of a recording. WCS has no such method.',
    details: 'What was uploaded to object storage stays there.',
    request: RecordingDeletion,
    answer: undefined,
    errors: { 404: 'no recording has that id', 409: 'it is being written, finished or uploaded' },
    example: { id: 'k3v9x' },
    needsPost: true,
    run: ({ deps, body }) => recorderOf(deps).delete(body.id),
  }),
];

/** @throws RestError 404 when there is none */
function found(entries: readonly RecordingEntry[], filter: RecordingFilter): RecordingObject[] {
  const { from = 0, to = Number.POSITIVE_INFINITY, offset = 0, limit = MOST, ...values } = filter;
  const fitting = entries.filter(
    (entry) => entry.startedAtMs >= from && entry.startedAtMs < to && matches(entry, values),
  );
  const objects = fitting.slice(offset, offset + limit).map(recordingObject);
  if (objects.length === 0) throw new RestError(404, NONE);
  return objects;
}
