import type { AudioCodec, VideoCodec } from '../packet.ts';

/** CodecID of legacy video tags (Adobe FLV 10.1 §E.4.3.1). */
export const VIDEO_SORENSON = 2;
export const VIDEO_AVC = 7;
/** Not in the standard, but what many encoders and servers used for H.265 before Enhanced RTMP. */
export const VIDEO_HEVC = 12;

/** SoundFormat of legacy audio tags (§E.4.2.1). */
export const AUDIO_PCMA = 7;
export const AUDIO_PCMU = 8;
export const AUDIO_ENHANCED = 9;
export const AUDIO_AAC = 10;
export const AUDIO_SPEEX = 11;

/** FourCCs of Enhanced RTMP v2 whose codecs the hub carries. */
export const VIDEO_FOURCC: ReadonlyMap<string, VideoCodec> = new Map([
  ['avc1', 'h264'],
  ['hvc1', 'h265'],
  ['av01', 'av1'],
  ['vp09', 'vp9'],
  ['vp08', 'vp8'],
]);
export const AUDIO_FOURCC: ReadonlyMap<string, AudioCodec> = new Map([
  ['mp4a', 'aac'],
  ['Opus', 'opus'],
]);

/** Names for people of FourCCs that the hub does not carry. */
const OTHER_FOURCC: Readonly<Record<string, string>> = {
  vvc1: 'H.266',
  '.mp3': 'MP3',
  'ac-3': 'AC-3',
  'ec-3': 'E-AC-3',
  fLaC: 'FLAC',
};

const LEGACY_VIDEO: Readonly<Record<number, string>> = {
  1: 'JPEG',
  2: 'Sorenson H.263',
  3: 'Screen video',
  4: 'VP6',
  5: 'VP6 with alpha',
  6: 'Screen video 2',
  7: 'H.264',
  8: 'H.263',
  9: 'MPEG-4 part 2',
  12: 'H.265 (legacy id)',
  13: 'AV1 (legacy id)',
};

const LEGACY_AUDIO: Readonly<Record<number, string>> = {
  0: 'PCM',
  1: 'ADPCM',
  2: 'MP3',
  3: 'PCM little endian',
  4: 'Nellymoser 16 kHz',
  5: 'Nellymoser 8 kHz',
  6: 'Nellymoser',
  7: 'G.711 A-law',
  8: 'G.711 mu-law',
  10: 'AAC',
  11: 'Speex',
  13: 'Opus (legacy id)',
  14: 'MP3 8 kHz',
  15: 'Device-specific sound',
};

/** The name of a FourCC for messages: the codec's where it is known, else the FourCC itself. */
export function fourCcName(fourCc: string): string {
  return OTHER_FOURCC[fourCc] ?? fourCc;
}

/** The name of a legacy CodecID for messages. */
export function legacyVideoName(codecId: number): string {
  return LEGACY_VIDEO[codecId] ?? `Video codec ${codecId}`;
}

/** The name of a legacy SoundFormat for messages. */
export function legacyAudioName(codecId: number): string {
  return LEGACY_AUDIO[codecId] ?? `Audio codec ${codecId}`;
}
