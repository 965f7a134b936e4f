import type { RecordingObject } from '@sluice/contract';
import type { RecordingEntry } from '../../core/index.ts';

/** Where recordings are downloaded from, on the web port. */
export const DOWNLOADS = '/client/records/';

/** A file of a recording as REST and the console tell it. */
export function recordingObject(entry: RecordingEntry): RecordingObject {
  const { startedAtMs, endedAtMs, tracks, gaps, fileName, progress, upload, reason, sha256, localDeleted } = entry;
  const { id, streamName, mediaSessionId, appKey, login, part, container, state, bytes, lostPackets } = entry;
  const there = (state === 'complete' || state === 'failed') && bytes > 0 && localDeleted !== true;
  return withoutUndefined({
    id,
    streamName,
    mediaSessionId,
    appKey,
    login,
    part,
    container,
    state,
    reason,
    fileName,
    url: there ? DOWNLOADS + fileName.split('/').map(encodeURIComponent).join('/') : undefined,
    startedAt: Math.round(startedAtMs),
    endedAt: endedAtMs === undefined ? undefined : Math.round(endedAtMs),
    durationMs: Math.round(entry.durationMs),
    bytes,
    tracks: tracks.map((track) => withoutUndefined({ ...track, durationMs: Math.round(track.durationMs) })),
    lostPackets,
    gaps: gaps.map((gap) => ({ atMs: Math.round(gap.atMs), lostPackets: gap.lostPackets })),
    sha256,
    progress: state === 'finalising' ? progress : undefined,
    upload: upload && withoutUndefined({ ...upload }),
    localDeleted,
  }) as RecordingObject;
}

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const present = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]: Exclude<T[K], undefined> };
}
