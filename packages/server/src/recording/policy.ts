import type { AudioCodec, Track, VideoCodec } from '@sluice/media';
import {
  type Acceptance,
  ALL_AUDIO_CODECS,
  ALL_VIDEO_CODECS,
  type AudioOutput,
  MediaServerError,
  type RecordingContainer,
  targetKey,
} from '../core/index.ts';

/** Containers by codec of the picture. */
export type RecordingFormats = ReadonlyMap<VideoCodec, RecordingContainer>;

/** What each container holds. */
const HOLDS: Readonly<Record<RecordingContainer, { video: readonly VideoCodec[]; audio: readonly AudioCodec[] }>> = {
  mp4: { video: ['h264', 'h265', 'av1', 'vp9'], audio: ['aac'] },
  // H.264 in WebM is beyond that format, but WCS has it and browsers play it.
  webm: { video: ['vp8', 'vp9', 'av1', 'h264'], audio: ['opus'] },
  mkv: { video: ['h264', 'h265', 'av1', 'vp8', 'vp9'], audio: ['aac', 'opus', 'pcma', 'pcmu', 'g722'] },
  ts: { video: ['h264'], audio: ['aac'] },
};

const DEFAULT_FORMATS: readonly (readonly [VideoCodec, RecordingContainer])[] = [
  ['h264', 'mp4'],
  ['h265', 'mp4'],
  ['av1', 'mp4'],
  ['vp8', 'webm'],
  ['vp9', 'webm'],
];

/**
 * Reads `record_formats`: `h264-mp4,vp8-webm`.
 * @throws MediaServerError CONFIG_INVALID for what is no such pair, and for a container that does not hold the codec
 */
export function parseFormats(text: string, h264ToTs: boolean): RecordingFormats {
  const formats = new Map<VideoCodec, RecordingContainer>(DEFAULT_FORMATS);
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const [codec, container] = pair.trim().toLowerCase().split('-') as [VideoCodec, RecordingContainer];
    const holds = Object.hasOwn(HOLDS, container ?? '') ? HOLDS[container].video : undefined;
    if (!formats.has(codec) || holds === undefined)
      throw new MediaServerError('CONFIG_INVALID', `record_formats: "${pair.trim()}" is not like h264-mp4`);
    if (!holds.includes(codec))
      throw new MediaServerError('CONFIG_INVALID', `record_formats: ${container} does not hold ${codec}`);
    formats.set(codec, container);
  }
  if (h264ToTs) formats.set('h264', 'ts');
  return formats;
}

/** How a stream is recorded. */
export interface RecordingPlan {
  readonly container: RecordingContainer;
  readonly acceptance: Acceptance;
}

export interface PolicyOptions {
  readonly formats: RecordingFormats;
  /** Form of AAC that is made for recordings. */
  readonly aac: AudioOutput;
}

/**
 * The container for a picture of that codec, or for sound alone, and what goes into it as it is. Of pictures that is
 * whatever has a container, so that another codec is noticed: it begins a new file. `converts` tells whether anything can
 * be converted here; else sound stays what it is where the container allows that at all.
 */
export function planFor(video: Track | undefined, options: PolicyOptions, converts: boolean): RecordingPlan {
  const codec = (video?.codec === 'flv1' ? 'h264' : video?.codec) as VideoCodec | undefined;
  const container = codec === undefined ? 'mp4' : (options.formats.get(codec) ?? 'mp4');
  return { container, acceptance: acceptanceOf(container, options.aac, converts) };
}

/** What recordings of several streams hold: MP4 with H.264 and AAC, as in WCS. */
export function multiplePlan(aac: AudioOutput, converts: boolean): RecordingPlan {
  const acceptance = acceptanceOf('mp4', aac, converts);
  return {
    container: 'mp4',
    acceptance: { ...acceptance, key: `${acceptance.key} multiple`, video: new Set(['h264']) },
  };
}

function acceptanceOf(container: RecordingContainer, aac: AudioOutput, converts: boolean): Acceptance {
  const audio = new Set(HOLDS[container].audio);
  // Opus in MP4 plays nearly everywhere, and silence nowhere is better than that.
  if (!converts && container === 'mp4') audio.add('opus');
  const audioTarget = audio.has('aac') ? 'aac' : 'opus';
  const audioOutput = audioTarget === 'aac' ? aac : undefined;
  const video = new Set(ALL_VIDEO_CODECS);
  video.delete('flv1');
  return {
    key: `record ${container} ${targetKey({ codec: audioTarget, ...audioOutput })}`,
    video,
    audio: new Set([...ALL_AUDIO_CODECS].filter((codec) => audio.has(codec))),
    reorderedVideo: true,
    videoTarget: 'h264',
    audioTarget,
    audioOutput,
  };
}

/** True for a track that a file of that plan takes as it is. */
export function takes({ acceptance }: RecordingPlan, track: Track): boolean {
  if (track.kind === 'video') return acceptance.video.has(track.codec as VideoCodec);
  return acceptance.audio.has(track.codec as AudioCodec);
}
