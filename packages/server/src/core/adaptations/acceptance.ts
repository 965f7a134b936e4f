import type { AudioCodec, Track, VideoCodec } from '@sluice/media';
import type { ConversionTarget } from '../converter.ts';
import type { Stream } from '../stream.ts';
import { type VideoForm, videoFormKey } from '../video-form.ts';

/** Codecs of sound that a conversion can make. */
export type AudioTarget = Exclude<ConversionTarget['codec'], 'h264' | 'mpeg1'>;

/** The form of sound that is made; what is absent follows the source and the settings. */
export type AudioOutput = Pick<ConversionTarget, 'bitrateBps' | 'sampleRate' | 'channels' | 'variableBitrate'>;

/** What a kind of viewer can take of a stream. Immutable. */
export interface Acceptance {
  /** The same for all viewers that take the same: they share everything. */
  readonly key: string;
  /** Empty, and without target: picture is not wanted at all. */
  readonly video: ReadonlySet<VideoCodec>;
  /** Empty, and without target: sound is not wanted at all. */
  readonly audio: ReadonlySet<AudioCodec>;
  /** False: pictures that are not shown in the order of their decoding (B-frames) are not taken. */
  readonly reorderedVideo: boolean;
  /** What other pictures are turned into; undefined: they are left out. */
  readonly videoTarget: 'h264' | 'mpeg1' | undefined;
  /** What other sound is turned into; undefined: it is left out. */
  readonly audioTarget: AudioTarget | undefined;
  /**
   * The picture is wanted in this form alone: it is always made. Who differs in it has another `key`: see
   * {@link targetKey}.
   */
  readonly videoOutput?: VideoForm | undefined;
  /** Form of the sound that is made of other sound. Who differs in it has another `key`: see {@link targetKey}. */
  readonly audioOutput?: AudioOutput | undefined;
  /**
   * Where a derived stream begins: with the newest key frame that the source keeps (`gop`, the default), or with the
   * oldest one, for viewers that want a stock of it. Pictures that must be converted always begin with the newest.
   */
  readonly startAt?: 'gop' | 'oldest';
}

/**
 * What players of RTMP, FLV and HLS take: these codecs, with B-frames; everything else as H.264 and AAC, which all of
 * them know. A kind without codecs is not wanted.
 */
export function playerAcceptance(player: Pick<Acceptance, 'video' | 'audio' | 'startAt' | 'audioOutput'>): Acceptance {
  const { video, audio, startAt = 'gop', audioOutput } = player;
  const made = targetKey({ codec: 'aac', ...audioOutput });
  return {
    key: `player ${[...video].sort().join()} ${[...audio].sort().join()} ${startAt} ${made}`,
    video,
    audio,
    reorderedVideo: true,
    videoTarget: video.size > 0 ? 'h264' : undefined,
    audioTarget: audio.size > 0 ? 'aac' : undefined,
    audioOutput,
    startAt,
  };
}

/** What a viewer takes who wants the picture in that form alone, H.264 unless it has another target; the sound as before. */
export function withPicture(acceptance: Acceptance, form: VideoForm): Acceptance {
  const codec = acceptance.videoTarget ?? 'h264';
  const key = `${acceptance.key} made ${targetKey({ codec, picture: form })}`;
  return { ...acceptance, key, videoTarget: codec, videoOutput: form };
}

const VIDEO_CODECS: Readonly<Record<VideoCodec, true>> = {
  h264: true,
  h265: true,
  av1: true,
  vp8: true,
  vp9: true,
  flv1: true,
  mjpeg: true,
  mpeg1: true,
};

const AUDIO_CODECS: Readonly<Record<AudioCodec, true>> = {
  aac: true,
  opus: true,
  pcma: true,
  pcmu: true,
  g722: true,
  g726: true,
  l16: true,
  speex: true,
};

/** All codecs that a stream may have. */
export const ALL_VIDEO_CODECS: ReadonlySet<VideoCodec> = new Set(Object.keys(VIDEO_CODECS) as VideoCodec[]);
export const ALL_AUDIO_CODECS: ReadonlySet<AudioCodec> = new Set(Object.keys(AUDIO_CODECS) as AudioCodec[]);

/** True when whatever a stream may have is taken as it is. */
export function takesEverything({ video, audio, reorderedVideo, videoOutput }: Acceptance): boolean {
  return (
    reorderedVideo &&
    videoOutput === undefined &&
    [...ALL_VIDEO_CODECS].every((codec) => video.has(codec)) &&
    [...ALL_AUDIO_CODECS].every((codec) => audio.has(codec))
  );
}

/** True when a track is taken as it is; `reorders` tells whether its pictures are reordered. */
export function accepts(acceptance: Acceptance, track: Track, reorders: boolean): boolean {
  if (track.kind === 'audio') return acceptance.audio.has(track.codec as AudioCodec);
  if (acceptance.videoOutput !== undefined) return false;
  return acceptance.video.has(track.codec as VideoCodec) && (acceptance.reorderedVideo || !reorders);
}

/** What tracks of that kind are turned into when they are not taken as they are. */
export function targetOf(acceptance: Acceptance, kind: Track['kind']): ConversionTarget | undefined {
  const { videoTarget, videoOutput, audioTarget, audioOutput } = acceptance;
  if (kind === 'video') return videoTarget && { codec: videoTarget, picture: videoOutput };
  return audioTarget && { ...audioOutput, codec: audioTarget };
}

/** The same for targets that give the same, so that their users share a conversion. */
export function targetKey(target: ConversionTarget): string {
  const { codec, bitrateBps, sampleRate, channels, variableBitrate, keyFrameIntervalS } = target;
  const form = [bitrateBps, sampleRate, channels, variableBitrate || undefined, keyFrameIntervalS];
  return `${codec} ${form.map((value) => value ?? '-').join(' ')} ${videoFormKey(target.picture)}`;
}

/** True for a kind of track that the viewer wants, in whatever form. */
export function wants(acceptance: Acceptance, kind: Track['kind']): boolean {
  return acceptance[kind].size > 0 || targetOf(acceptance, kind) !== undefined;
}

/** True when there is something in the stream at this moment that is wanted and can't be taken as it is. */
export function hasUnfit({ state, reordersVideo }: Stream, acceptance: Acceptance): boolean {
  return (['video', 'audio'] as const).some((kind) => {
    const track = state[kind];
    return track !== undefined && wants(acceptance, kind) && !accepts(acceptance, track, reordersVideo);
  });
}
