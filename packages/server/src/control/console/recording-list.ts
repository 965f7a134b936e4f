import type { RecordingsBody, RecordingsQuery } from '@sluice/contract';
import type { Recorder, RecordingEntry } from '../../core/index.ts';
import { runningObject } from '../rest/recorder-methods.ts';
import { recordingObject } from '../rest/recording-object.ts';

const USUAL_LIMIT = 50;

/** The answer of `GET /api/recordings`: one page of what the query asks for, and all that runs. */
export async function listRecordings(recorder: Recorder, query: RecordingsQuery): Promise<RecordingsBody> {
  const { offset = 0, limit = USUAL_LIMIT, state } = query;
  const text = query.text?.trim().toLowerCase() ?? '';
  const all = recorder.entries();
  const fitting = all.filter(
    (entry) => (state === undefined || entry.state === state) && (text === '' || hasText(entry, text)),
  );
  const disk = await recorder.disk();
  return {
    enabled: recorder.enabled,
    total: all.length,
    matching: fitting.length,
    totalBytes: all.reduce((sum, { bytes, localDeleted }) => (localDeleted === true ? sum : sum + bytes), 0),
    ...(disk === undefined ? {} : { disk }),
    running: recorder.running().map(runningObject),
    recordings: fitting.slice(offset, offset + limit).map(recordingObject),
  };
}

function hasText({ streamName, fileName, id, login, mediaSessionId }: RecordingEntry, text: string): boolean {
  return [streamName, fileName, id, login, mediaSessionId].some((value) => value.toLowerCase().includes(text));
}
