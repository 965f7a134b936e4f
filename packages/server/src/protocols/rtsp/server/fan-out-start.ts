import type { Track } from '@sluice/media';
import type { FanOut } from '../../../core/index.ts';
import { INTERLEAVED_HEADER_BYTES } from '../wire/writer.ts';
import type { SentTrack } from './format.ts';

/** Where a viewer begins, for `RTP-Info` (RFC 2326 §12.33). */
export interface FanOutStart {
  /** Instant of the first packet, microseconds on the stream's timeline. */
  readonly atUs: number;
  /** Number of the first packet of each kind that is there already. */
  readonly sequences: ReadonlyMap<Track['kind'], number>;
}

/** Where viewers who begin now begin; undefined while there is no picture to begin with. */
export function startOf({ log }: FanOut, tracks: readonly SentTrack[]): FanOutStart | undefined {
  const first = log.at(log.lastStartPoint);
  if (first === undefined) return undefined;
  const sequences = new Map<Track['kind'], number>();
  for (let i = log.lastStartPoint; i < log.end && sequences.size < tracks.length; i += 1) {
    const data = log.at(i)?.data;
    if (data === undefined) continue;
    for (const { track, channel } of tracks) {
      if (sequences.has(track.kind)) continue;
      const sequence = firstSequence(data, channel);
      if (sequence !== undefined) sequences.set(track.kind, sequence);
    }
  }
  return { atUs: first.dtsUs, sequences };
}

/** Number of the first RTP packet in these frames that is on that channel. */
function firstSequence(frames: Buffer, channel: number): number | undefined {
  let at = 0;
  while (at + INTERLEAVED_HEADER_BYTES + 4 <= frames.length) {
    if (frames[at + 1] === channel) return frames.readUInt16BE(at + INTERLEAVED_HEADER_BYTES + 2);
    at += INTERLEAVED_HEADER_BYTES + frames.readUInt16BE(at + 2);
  }
  return undefined;
}
