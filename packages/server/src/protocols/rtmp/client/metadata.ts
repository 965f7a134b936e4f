import {
  type AmfObject,
  audioFormat,
  type Codec,
  encodeAmf0,
  encodeEcmaArray,
  type Track,
  videoSize,
} from '@sluice/media';
import type { MetadataWriter } from '../packager.ts';

/** What is true of a file and not of a live stream. */
const OF_A_FILE = ['duration', 'filesize', 'keyframes', 'hasKeyframes', 'hasVideo', 'hasAudio', 'hasMetadata'];
const OF_A_KIND: Readonly<Record<Track['kind'], readonly string[]>> = {
  video: ['videocodecid', 'videodatarate', 'framerate', 'width', 'height'],
  audio: ['audiocodecid', 'audiodatarate', 'audiosamplerate', 'audiosamplesize', 'audiochannels', 'stereo'],
};

/** Codec ids of Adobe FLV 10.1 §E.4.2 and §E.4.3; the others are told by FourCC (Enhanced RTMP v2). */
const CODEC_IDS: Readonly<Partial<Record<Codec, number>>> = {
  h264: 7,
  aac: 10,
  h265: fourCc('hvc1'),
  av1: fourCc('av01'),
  vp8: fourCc('vp08'),
  vp9: fourCc('vp09'),
  opus: fourCc('Opus'),
};

/**
 * Writes `@setDataFrame` with onMetaData, as encoders send it: what the publisher said of its stream, and what is known
 * of the tracks that it did not say; services ask for it. Tracks that are not sent are not spoken of.
 */
export function publishMetadata(carries: (track: Track) => boolean): MetadataWriter {
  return (state, previous) => {
    const { video, audio, metadata } = state;
    if (video === previous?.video && audio === previous?.audio && metadata === previous?.metadata) return undefined;
    const own: AmfObject = { ...(metadata as AmfObject | undefined) };
    const known: AmfObject = {};
    for (const name of OF_A_FILE) delete own[name];
    for (const kind of ['video', 'audio'] as const) {
      const track = state[kind];
      if (track !== undefined && carries(track)) Object.assign(known, describe(track));
      else for (const name of OF_A_KIND[kind]) delete own[name];
    }
    const fields = { ...known, encoder: 'Sluice', ...own };
    return Buffer.concat([encodeAmf0('@setDataFrame', 'onMetaData'), encodeEcmaArray(fields)]);
  };
}

function describe(track: Track): AmfObject {
  const codecId = CODEC_IDS[track.codec];
  if (track.kind === 'audio') {
    const format = audioFormat(track);
    return {
      ...(codecId !== undefined && { audiocodecid: codecId }),
      ...(format !== undefined && { audiosamplerate: format.sampleRate, stereo: format.channels > 1 }),
    };
  }
  const size = videoSize(track);
  return {
    ...(codecId !== undefined && { videocodecid: codecId }),
    ...(size !== undefined && { width: size.width, height: size.height }),
    ...(size?.fps !== undefined && { framerate: size.fps }),
  };
}

function fourCc(name: string): number {
  return Buffer.from(name, 'latin1').readUInt32BE(0);
}
