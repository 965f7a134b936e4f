import type { RecordingEntry } from '../../core/index.ts';
import type { StoredRecording } from '../stored-recording.ts';

/** A recording for tests. */
export function stored(
  id: string,
  entry: Partial<RecordingEntry> = {},
  internal: Partial<Omit<StoredRecording, 'entry'>> = {},
): StoredRecording {
  return {
    entry: {
      id,
      streamName: 'test',
      mediaSessionId: `session-${id}`,
      appKey: 'defaultApp',
      login: 'alice',
      part: 1,
      container: 'mp4',
      state: 'complete',
      fileName: `${id}.mp4`,
      startedAtMs: 1_700_000_000_000,
      durationMs: 0,
      bytes: 0,
      tracks: [],
      lostPackets: 0,
      gaps: [],
      ...entry,
    },
    tempPath: `/nowhere/${id}.mp4`,
    naming: { template: '{streamName}', encoding: 'none', excludedCharacters: '', extension: 'mp4' },
    names: { streamName: 'test', mediaSessionId: `session-${id}`, sessionId: '127.0.0.1:1', login: 'alice' },
    ...internal,
  };
}
