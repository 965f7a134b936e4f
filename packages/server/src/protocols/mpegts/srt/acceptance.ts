import type { Track } from '@sluice/media';
import { type Acceptance, playerAcceptance } from '../../../core/index.ts';

/** What players of MPEG-TS take as it is; everything else is converted for them. */
export function tsAcceptance(without?: Track['kind']): Acceptance {
  return playerAcceptance({
    video: without === 'video' ? new Set() : new Set(['h264', 'h265']),
    audio: without === 'audio' ? new Set() : new Set(['aac']),
  });
}
