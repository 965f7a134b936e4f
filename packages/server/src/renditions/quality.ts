import type { VideoCodec } from '@sluice/media';
import {
  type Acceptance,
  type LadderUse,
  type PictureSize,
  playerAcceptance,
  sizeInForm,
  type VideoForm,
  withPicture,
} from '../core/index.ts';
import { keepsSize, type RenditionProfile } from './profile.ts';
import type { SourcePicture } from './source-picture.ts';
import { usualBps } from './usual-bitrate.ts';

/** Choices of the settings that concern all qualities. */
export interface QualityChoices {
  /** Pictures between key frames where a profile does not say it (`video_encoder_h264_gop`). */
  readonly gopFrames: number;
  /** Pictures keep their shape inside width and height (`video_transcoder_preserve_aspect_ratio`). */
  readonly preserveAspectRatio: boolean;
  /** A picture with B-frames is made anew even where it could go through (`h264_b_frames_force_transcoding`). */
  readonly bFramesForceTranscoding: boolean;
}

/** What one profile comes to for one source. */
export interface Quality {
  readonly name: string;
  /** The picture goes through as it is. */
  readonly original: boolean;
  /** Undefined when it goes through. */
  readonly form: VideoForm | undefined;
  readonly size: PictureSize;
  readonly fps: number | undefined;
  readonly bandwidthBps: number;
  readonly acceptance: Acceptance;
}

/** What is taken for the sound where nothing tells it. */
const USUAL_AUDIO_BPS: Readonly<Record<LadderUse, number>> = { hls: 128_000, webrtc: 60_000 };

/** What browsers take beside H.264, without B-frames. */
const WEBRTC_CODECS: ReadonlySet<VideoCodec> = new Set(['h264', 'h265', 'vp8', 'vp9', 'av1']);
/** Constrained baseline: what every browser takes. */
const WEBRTC_PROFILE = 66;

/** What a profile makes of a source. */
export function qualityOf(
  profile: RenditionProfile,
  source: SourcePicture,
  { use, choices }: { readonly use: LadderUse; readonly choices: QualityChoices },
): Quality {
  const original = keepsSize(profile) && goesThrough(source, use, choices);
  const form = original ? undefined : formOf(profile, source, { use, choices });
  const size = form === undefined ? source.size : sizeInForm(source.size, form);
  const taken = acceptanceOf(profile, use, original);
  return {
    name: profile.name,
    original,
    form,
    size,
    fps: lower(source.fps, form?.fps),
    bandwidthBps: Math.round(videoBps(source, form) + audioBps(profile, source, use)),
    acceptance: form === undefined ? taken : withPicture(taken, form),
  };
}

function goesThrough({ track, reorders }: SourcePicture, use: LadderUse, choices: QualityChoices): boolean {
  // Browsers do not put the pictures of WebRTC in order.
  if (use === 'webrtc') return WEBRTC_CODECS.has(track.codec as VideoCodec) && !reorders;
  return track.codec === 'h264' && !(reorders && choices.bFramesForceTranscoding);
}

function formOf(
  { video }: RenditionProfile,
  source: SourcePicture,
  { use, choices }: { readonly use: LadderUse; readonly choices: QualityChoices },
): VideoForm {
  const { width, height, fps, gop, preset, encoder } = video;
  const stretch = choices.preserveAspectRatio ? undefined : true;
  return {
    width,
    height,
    // Told to the encoder too, so that playlists tell the truth.
    bitrateBps: video.bitrateBps ?? usualBps(sizeInForm(source.size, { width, height, stretch })),
    fps,
    keyFrameFrames: gop ?? choices.gopFrames,
    preset,
    profile: video.profile ?? (use === 'webrtc' ? WEBRTC_PROFILE : undefined),
    encoder,
    stretch,
  };
}

function acceptanceOf({ audio }: RenditionProfile, use: LadderUse, original: boolean): Acceptance {
  const { bitrateBps, sampleRate, channels } = audio;
  const audioOutput = {
    ...(bitrateBps !== undefined && { bitrateBps }),
    ...(sampleRate !== undefined && { sampleRate }),
    ...(channels !== undefined && { channels }),
  };
  if (use === 'hls') return playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']), audioOutput });
  const video = original ? WEBRTC_CODECS : new Set<VideoCodec>(['h264']);
  const player = playerAcceptance({ video, audio: new Set(['opus']), audioOutput });
  return { ...player, key: `webrtc quality ${player.key}`, reorderedVideo: false, audioTarget: 'opus' };
}

function videoBps(source: SourcePicture, form: VideoForm | undefined): number {
  if (form?.bitrateBps !== undefined) return form.bitrateBps;
  return source.bitrateBps > 0 ? source.bitrateBps : usualBps(source.size);
}

function audioBps({ audio }: RenditionProfile, source: SourcePicture, use: LadderUse): number {
  return audio.bitrateBps ?? (source.audioBps > 0 && use === 'hls' ? source.audioBps : USUAL_AUDIO_BPS[use]);
}

function lower(source: number | undefined, wanted: number | undefined): number | undefined {
  if (source === undefined || wanted === undefined) return source ?? wanted;
  return Math.min(source, wanted);
}
