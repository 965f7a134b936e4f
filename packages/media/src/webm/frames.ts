import {
  av1Track,
  canonicalTemporalUnit,
  DtsExtractor,
  h264Track,
  h265SpsOf,
  h265Track,
  isVp8Key,
  isVp9Key,
  joinAvcc,
  opusPacketTicks,
  parseAacConfig,
  parseH265Sps,
  parseSps,
  parseVp9KeyFrame,
  sliceType,
  splitAnnexB,
  vp9ConfigOf,
  vp9Track,
  writeVpConfig,
} from '../codec/index.ts';
import { makePacket } from '../mp4/sample-packet.ts';
import { type MediaPacket, ProtocolError, type Track } from '../packet.ts';
import { asBadFile } from './ebml-reader.ts';
import { joined, type WebmTrack } from './track-entry.ts';

/** Makes packets of the frames of one track, in the order of the file, which is that of decoding. */
export class FrameReader {
  readonly #source: WebmTrack;
  #track: Track;
  /** Only these codecs show pictures in another order than they decode them in. */
  readonly #decodingTimes: DtsExtractor | undefined;
  #lastDtsUs = Number.NEGATIVE_INFINITY;

  /** @param reorderDepth how many pictures may come before one that is shown earlier. */
  constructor(source: WebmTrack, track: Track, reorderDepth: number) {
    this.#source = source;
    this.#track = track;
    const reorders = track.codec === 'h264' || track.codec === 'h265';
    this.#decodingTimes = reorders ? new DtsExtractor(reorderDepth) : undefined;
  }

  /**
   * Undefined for a frame without content.
   * @param key what the file says.
   * @throws ProtocolError WEBM_BAD_FILE for a broken frame
   */
  packet(frame: Uint8Array, ptsUs: number, key: boolean): MediaPacket | undefined {
    const made = asBadFile(() => packetOf(this.#source, this.#track, frame, ptsUs));
    this.#track = made.track;
    if (made.byteLength === 0) return undefined;
    const isKey = isKeyPacket(made, key);
    const dtsUs = this.#decodingTimes?.next(ptsUs, isKey) ?? Math.max(this.#lastDtsUs, ptsUs);
    this.#lastDtsUs = dtsUs;
    return { ...made, ptsUs, dtsUs, key: isKey };
  }
}

function packetOf(source: WebmTrack, track: Track, frame: Uint8Array, ptsUs: number): MediaPacket {
  const { framing, strippedHeader } = source;
  const whole = strippedHeader.length === 0 ? frame : joined(strippedHeader, frame);
  const data = framing === 'startCodes' ? joinAvcc(splitAnnexB(whole)) : whole;
  const lengthSize = framing === 'startCodes' ? 4 : framing;
  return makePacket({ track, lengthSize }, { dtsUs: ptsUs, ptsUs }, data);
}

/**
 * What the frame itself says; only for H.264 the file knows more: where an open GOP begins, which is a picture that
 * depends on no other but is no IDR picture.
 */
function isKeyPacket(packet: MediaPacket, markedKey: boolean): boolean {
  const [unit] = packet.units;
  if (packet.track.codec === 'vp8') return unit !== undefined && isVp8Key(unit);
  return packet.key || (markedKey && packet.track.codec === 'h264' && sliceType(packet) === 'I');
}

/**
 * The configuration that a key frame has in itself; undefined when it has none.
 * @throws ProtocolError WEBM_BAD_FILE for a broken frame
 */
export function trackOfFrame(source: WebmTrack, id: number, frame: Uint8Array): Track | undefined {
  const data = source.strippedHeader.length === 0 ? frame : joined(source.strippedHeader, frame);
  return asBadFile(() => {
    if (source.codecId === 'V_VP9') {
      return isVp9Key(data) ? vp9Track(id, writeVpConfig(vp9ConfigOf(parseVp9KeyFrame(data)))) : undefined;
    }
    if (source.codecId === 'V_AV1') {
      const { sequence } = canonicalTemporalUnit(data);
      return sequence && av1Track(id, new Uint8Array(sequence));
    }
    const empty = source.codecId === 'V_MPEG4/ISO/AVC' ? h264Track(id, []) : h265Track(id, []);
    const { track } = packetOf(source, empty, frame, 0);
    return track.parameters.length === 0 ? undefined : track;
  });
}

/** How many pictures may come before one that is shown earlier; undefined when the parameters do not tell. */
export function announcedReorderDepth({ codec, parameters }: Track): number | undefined {
  try {
    const sps = codec === 'h264' ? parameters.find((unit) => ((unit[0] ?? 0) & 31) === 7) : h265SpsOf(parameters);
    if (sps === undefined) return undefined;
    return codec === 'h264' ? parseSps(sps).maxReorderFrames : parseH265Sps(sps).maxReorderFrames;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** What tells the length of a frame. */
export interface FrameMeasure {
  /** At least its first two bytes. */
  readonly head: Uint8Array;
  readonly byteLength: number;
}

/** How long a frame lasts, microseconds, from itself or its track; 0 when neither tells. */
export function frameDurationUs(source: WebmTrack, track: Track, frame: FrameMeasure): number {
  switch (track.codec) {
    case 'opus':
      return ((opusPacketTicks(frame.head) ?? 0) * 1e6) / 48_000;
    case 'aac': {
      const [asc] = track.parameters;
      if (asc === undefined) return 0;
      const { frameLength, sampleRate } = parseAacConfig(asc);
      return (frameLength * 1e6) / sampleRate;
    }
    case 'pcma':
    case 'pcmu':
      return (frame.byteLength * 1e6) / track.clockRate;
    case 'g722':
      return (frame.byteLength * 2e6) / track.clockRate;
    default:
      return source.defaultDurationNs / 1000;
  }
}
