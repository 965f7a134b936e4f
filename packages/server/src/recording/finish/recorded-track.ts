import { audioFormat, type Track, videoSize } from '@sluice/media';
import type { RecordedTrack } from '../../core/index.ts';

/** A track of a file as the ledger shows it. */
export function recordedTrack(of: {
  readonly track: Track;
  readonly samples: number;
  readonly durationUs: number;
}): RecordedTrack {
  const { kind, codec } = of.track;
  const size = kind === 'video' ? videoSize(of.track) : undefined;
  return {
    kind,
    codec,
    ...(size && { width: size.width, height: size.height }),
    ...audioFormat(of.track),
    samples: of.samples,
    durationMs: Math.round(of.durationUs / 1000),
  };
}
