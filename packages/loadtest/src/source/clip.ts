import type { MediaPacket, Track } from '@sluice/media';
import { makePictures, type PictureForm } from './pictures.ts';
import { aacSilence, opusSilence } from './sound.ts';

/** Packets of one track in the order of decoding, that are sent again from the first one after `loopUs`. */
export interface ClipTrack {
  readonly track: Track;
  readonly packets: readonly MediaPacket[];
  readonly loopUs: number;
}

/** What publishers send again and again. */
export interface Clip {
  readonly video: ClipTrack;
  readonly audio: ClipTrack | undefined;
  /** Nothing refers to pictures before a key frame, so that one can come at any time. */
  readonly canRestart: boolean;
}

/** The clip that is made up: pictures of that form, and silence in the codec that the publisher needs. */
export function madeClip(
  form: PictureForm,
  sound: { readonly codec: 'aac' | 'opus'; readonly bitrateBps: number },
): Clip {
  const pictures = makePictures(form);
  const loopUs = Math.round((pictures.packets.length * 1e6) / form.fps);
  const silence = sound.codec === 'aac' ? aacSilence() : opusSilence(sound.bitrateBps);
  return { video: { ...pictures, loopUs }, audio: sound.bitrateBps > 0 ? silence : undefined, canRestart: true };
}
