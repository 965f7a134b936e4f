import type { LadderUse } from '../core/index.ts';

/** How the picture of a quality is made; what is absent follows the source and the settings. */
export interface VideoProfile {
  /** Pixels; without both the picture keeps its size, and goes through where it can. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly bitrateBps: number | undefined;
  /** Pictures between key frames at most. */
  readonly gop: number | undefined;
  readonly fps: number | undefined;
  readonly encoder: string | undefined;
  readonly preset: string | undefined;
  readonly profile: 66 | 77 | 88 | 100 | undefined;
}

/** How the sound of a quality is made where that of the source can not be taken as it is. */
export interface AudioProfile {
  readonly bitrateBps: number | undefined;
  readonly sampleRate: number | undefined;
  readonly channels: 1 | 2 | undefined;
}

/** One quality of a ladder, as a file of profiles describes it (functions-2 §H.3, functions-4 §9.4 of WCS's facts). */
export interface RenditionProfile {
  /** Part of addresses; one of {@link isProfileName}. */
  readonly name: string;
  readonly video: VideoProfile;
  readonly audio: AudioProfile;
}

const PROFILE_NAME = /^[\w.-]{1,64}$/;

/** True for names that can be a part of an address: letters, digits, `_`, `-` and dots, but not dots alone. */
export function isProfileName(name: string): boolean {
  return PROFILE_NAME.test(name) && !/^\.+$/.test(name);
}

/** True when the picture of the source is meant as it is. */
export function keepsSize({ video }: RenditionProfile): boolean {
  return video.width === undefined && video.height === undefined;
}

/** The picture of the source, as the settings say. */
export const AS_THE_SOURCE: VideoProfile = {
  width: undefined,
  height: undefined,
  bitrateBps: undefined,
  gop: undefined,
  fps: undefined,
  encoder: undefined,
  preset: undefined,
  profile: undefined,
};

/** Sound as the settings say. */
export const USUAL_AUDIO: AudioProfile = { bitrateBps: undefined, sampleRate: undefined, channels: undefined };

function lines(height: number, kbps: number): RenditionProfile {
  return {
    name: String(height),
    video: { ...AS_THE_SOURCE, height, bitrateBps: kbps * 1000 },
    audio: USUAL_AUDIO,
  };
}

const ORIGINAL: RenditionProfile = { name: 'original', video: AS_THE_SOURCE, audio: USUAL_AUDIO };

/** The qualities where there is no file of profiles. */
export const DEFAULT_PROFILES: Readonly<Record<LadderUse, readonly RenditionProfile[]>> = {
  hls: [ORIGINAL, lines(720, 2000), lines(480, 1000), lines(240, 400)],
  webrtc: [ORIGINAL, lines(480, 1000), lines(240, 400)],
};
