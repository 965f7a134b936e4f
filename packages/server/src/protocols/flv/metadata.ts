import {
  type AmfObject,
  audioFormat,
  type Codec,
  encodeAmf0,
  encodeEcmaArray,
  type Track,
  videoSize,
} from '@sluice/media';
import type { StreamState } from '../../core/index.ts';

/**
 * What publishers write of a file and what is not true of a live stream: players would show a duration, seek by an
 * index of another file, or wait for a track that does not come.
 */
const OF_A_FILE = ['duration', 'filesize', 'keyframes', 'hasKeyframes', 'hasVideo', 'hasAudio', 'hasMetadata'];
const OF_VIDEO = ['videocodecid', 'videodatarate', 'framerate', 'width', 'height'];
const OF_AUDIO = ['audiocodecid', 'audiodatarate', 'audiosamplerate', 'audiosamplesize', 'audiochannels', 'stereo'];

/** Codec ids of Adobe FLV 10.1 §E.4.2 and §E.4.3; codecs without one are told by FourCC (Enhanced RTMP v2). */
const CODEC_IDS: Readonly<Record<Codec, number>> = {
  h264: 7,
  flv1: 2,
  h265: fourCc('hvc1'),
  av1: fourCc('av01'),
  vp8: fourCc('vp08'),
  vp9: fourCc('vp09'),
  aac: 10,
  opus: fourCc('Opus'),
  pcma: 7,
  pcmu: 8,
  speex: 11,
  // Never carried.
  g722: 0,
  g726: 0,
  l16: 0,
  mjpeg: 0,
  mpeg1: 0,
};

/**
 * Body of the script tag onMetaData (Adobe FLV 10.1 §E.5): the publisher's own, without what holds for files only and
 * without tracks that are not `carried`; made from the tracks when the publisher sent none. Undefined when there is
 * nothing to tell.
 */
export function metadataTag(state: StreamState, carries: (kind: 'video' | 'audio') => boolean): Uint8Array | undefined {
  const fields: AmfObject =
    state.metadata === undefined ? describe(state, carries) : { ...(state.metadata as AmfObject) };
  for (const name of OF_A_FILE) delete fields[name];
  if (!carries('video')) for (const name of OF_VIDEO) delete fields[name];
  if (!carries('audio')) for (const name of OF_AUDIO) delete fields[name];
  if (Object.keys(fields).length === 0) return undefined;
  return Buffer.concat([encodeAmf0('onMetaData'), encodeEcmaArray(fields)]);
}

function describe(state: StreamState, carries: (kind: 'video' | 'audio') => boolean): AmfObject {
  return {
    ...(state.video !== undefined && carries('video') && describeVideo(state.video)),
    ...(state.audio !== undefined && carries('audio') && describeAudio(state.audio)),
  };
}

function describeVideo(track: Track): AmfObject {
  const size = videoSize(track);
  return {
    videocodecid: CODEC_IDS[track.codec],
    ...(size !== undefined && { width: size.width, height: size.height }),
    ...(size?.fps !== undefined && { framerate: size.fps }),
  };
}

function describeAudio(track: Track): AmfObject {
  const format = audioFormat(track);
  return {
    audiocodecid: CODEC_IDS[track.codec],
    ...(format !== undefined && { audiosamplerate: format.sampleRate, stereo: format.channels > 1 }),
  };
}

function fourCc(name: string): number {
  return Buffer.from(name, 'latin1').readUInt32BE(0);
}
