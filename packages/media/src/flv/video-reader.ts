import { av1Track, canonicalTemporalUnit, parseAv1Config, parseAv1Sequence } from '../codec/av1.ts';
import { canonicalUnits, h264Track, parseAvcConfig, sameParameters, writeAvcConfig } from '../codec/h264.ts';
import { NAL_PPS, NAL_SPS, nalType, splitAvcc } from '../codec/h264-nal.ts';
import { canonicalH265Units, h265Track, isCompleteH265, parseHevcConfig, writeHevcConfig } from '../codec/h265.ts';
import { isVp8Key, parseVp8KeyFrame, vp8Track } from '../codec/vp8.ts';
import { isVp9Key, parseVp9KeyFrame, parseVpConfig, vp9ConfigOf, vp9Track, writeVpConfig } from '../codec/vp9.ts';
import type { Track, VideoCodec } from '../packet.ts';
import { type FlvFrame, ownedUnits, UnsupportedCodecError } from './frame.ts';
import { type FlvVideoBody, parseFlvVideo } from './video-body.ts';

type FrameBody = Extract<FlvVideoBody, { kind: 'frame' }>;

/** FLV video track of one Sorenson stream: no configuration, the clock of all video. */
const sorensonTrack = (id: number): Track => ({ id, kind: 'video', codec: 'flv1', clockRate: 90000, parameters: [] });

/** What H.264 and H.265 differ in. */
interface NalCodec {
  parseConfig(data: Uint8Array): { lengthSize: 1 | 2 | 4; parameters: Uint8Array[] };
  canonical(units: readonly Uint8Array[]): { units: Uint8Array[]; key: boolean; parameters: Uint8Array[] };
  /** True when a decoder can start with them. Throws a ProtocolError for what no packager could write. */
  isComplete(parameters: readonly Uint8Array[]): boolean;
  makeTrack(id: number, parameters: Uint8Array[]): Track;
}

const NAL_CODECS: Readonly<Record<'h264' | 'h265', NalCodec>> = {
  h264: {
    parseConfig: (data) => {
      const { lengthSize, sps, pps } = parseAvcConfig(data);
      return { lengthSize, parameters: [...sps, ...pps].map((unit) => new Uint8Array(unit)) };
    },
    canonical: canonicalUnits,
    isComplete: (parameters) => {
      const has = (type: number): boolean => parameters.some((unit) => nalType(unit) === type);
      return has(NAL_SPS) && has(NAL_PPS) && writeAvcConfig(parameters).length > 0;
    },
    makeTrack: h264Track,
  },
  h265: {
    parseConfig: parseHevcConfig,
    canonical: canonicalH265Units,
    isComplete: (parameters) => isCompleteH265(parameters) && writeHevcConfig(parameters).length > 0,
    makeTrack: h265Track,
  },
};

/**
 * Turns the bodies of one source's video tags into access units of a track. Keeps what the tags say once only: the
 * decoder configuration, and how it changes. Frames before there is a configuration are left out, because nobody
 * could decode them.
 */
export class FlvVideoReader {
  readonly #trackId: number;
  #track: Track | undefined;
  /** Codec that `#lengthSize` was declared for. */
  #declared: VideoCodec | undefined;
  #lengthSize: 1 | 2 | 4 = 4;

  /** @param trackId `id` of the tracks that it makes. */
  constructor(trackId: number) {
    this.#trackId = trackId;
  }

  /** The present track; replaced when the codec or its parameters change. Undefined before the first configuration. */
  get track(): Track | undefined {
    return this.#track;
  }

  /**
   * Takes the body of the next video tag, in which the frame's units lie. Returns the frame in it; undefined for tags
   * without one (configuration, end, metadata, other tracks, nothing at all) and frames that nobody can decode yet.
   * @throws ProtocolError for a broken body, which changes nothing: the reader can go on with the next one.
   * @throws UnsupportedCodecError
   */
  read(body: Uint8Array): FlvFrame | undefined {
    if (body.length === 0) return undefined;
    const tag = parseFlvVideo(body);
    if (tag.kind === 'unsupported') throw new UnsupportedCodecError('video', tag.codecName);
    if (tag.kind === 'config') this.#configure(tag.codec, tag.data);
    if (tag.kind !== 'frame' || tag.data.length === 0) return undefined;
    if (tag.codec === 'h264' || tag.codec === 'h265') return this.#nalFrame(tag, tag.codec, body.length);
    if (tag.codec === 'av1') return this.#av1Frame(tag, body.length);
    return this.#wholeFrame(tag, body.length);
  }

  #configure(codec: VideoCodec, data: Uint8Array): void {
    switch (codec) {
      case 'h264':
      case 'h265': {
        const { lengthSize, parameters } = NAL_CODECS[codec].parseConfig(data);
        this.#setNalParameters(codec, parameters);
        this.#lengthSize = lengthSize;
        this.#declared = codec;
        return;
      }
      case 'av1': {
        const sequence = parseAv1Config(data);
        if (sequence !== undefined) this.#setTrack(av1Track(this.#trackId, sequence));
        return;
      }
      case 'vp9':
        this.#setTrack(vp9Track(this.#trackId, writeVpConfig(parseVpConfig(data))));
        return;
      case 'vp8':
        this.#setTrack(vp8Track(this.#trackId));
        return;
      case 'mjpeg':
      case 'mpeg1':
      case 'flv1':
        return;
    }
  }

  #nalFrame(tag: FrameBody, codec: 'h264' | 'h265', bodyBytes: number): FlvFrame | undefined {
    const lengthSize = this.#declared === codec ? this.#lengthSize : 4;
    const { units, key, parameters } = NAL_CODECS[codec].canonical(splitAvcc(tag.data, lengthSize));
    if (parameters.length > 0) this.#setNalParameters(codec, parameters);
    if (units.length === 0) return undefined;
    // An open GOP begins with a recovery point that is no IDR; its encoder marks it as a place to start.
    return this.#frame(tag, units, { key: key || tag.key, bodyBytes });
  }

  /** A frame may repeat only some parameter sets in-band: such are no configuration and change nothing. */
  #setNalParameters(codec: 'h264' | 'h265', parameters: readonly Uint8Array[]): void {
    if (this.#track?.codec === codec && sameParameters(this.#track.parameters, parameters)) return;
    // What is broken is refused here, where it hurts only its source: every packager will have to write it.
    if (!NAL_CODECS[codec].isComplete(parameters)) return;
    const owned = parameters.map((unit) => new Uint8Array(unit));
    this.#setTrack(NAL_CODECS[codec].makeTrack(this.#trackId, owned));
  }

  #av1Frame(tag: FrameBody, bodyBytes: number): FlvFrame | undefined {
    const { data, key, sequence } = canonicalTemporalUnit(tag.data);
    if (key && sequence !== undefined && !this.#hasParameter('av1', sequence)) {
      parseAv1Sequence(sequence);
      this.#setTrack(av1Track(this.#trackId, new Uint8Array(sequence)));
    }
    return data.length === 0 ? undefined : this.#frame(tag, [data], { key, bodyBytes });
  }

  /** VP9, VP8 and Sorenson Spark: the data is the frame, and a key frame is all that a decoder needs to start. */
  #wholeFrame(tag: FrameBody, bodyBytes: number): FlvFrame | undefined {
    const { codec, data } = tag;
    const key = codec === 'vp9' ? isVp9Key(data) : codec === 'vp8' ? isVp8Key(data) : tag.key;
    if (key) this.#startAt(codec, data);
    return this.#frame(tag, [data], { key, bodyBytes });
  }

  #startAt(codec: VideoCodec, data: Uint8Array): void {
    if (codec === 'vp9') {
      const implied = vp9ConfigOf(parseVp9KeyFrame(data));
      const [record] = this.#track?.codec === 'vp9' ? this.#track.parameters : [];
      const known = record && parseVpConfig(record);
      // The declared level and colours stand as long as the frames do not belie the rest.
      if (known?.profile === implied.profile && known.bitDepth === implied.bitDepth) return;
      this.#setTrack(vp9Track(this.#trackId, writeVpConfig(implied)));
    } else if (codec === 'vp8') {
      parseVp8KeyFrame(data);
      this.#setTrack(vp8Track(this.#trackId));
    } else this.#setTrack(sorensonTrack(this.#trackId));
  }

  #hasParameter(codec: VideoCodec, parameter: Uint8Array): boolean {
    return this.#track?.codec === codec && sameParameters(this.#track.parameters, [parameter]);
  }

  #setTrack(track: Track): void {
    const known = this.#track;
    if (known?.codec === track.codec && sameParameters(known.parameters, track.parameters)) return;
    this.#track = track;
  }

  #frame(tag: FrameBody, units: readonly Uint8Array[], about: { key: boolean; bodyBytes: number }) {
    const track = this.#track;
    if (track?.codec !== tag.codec) return undefined;
    const { key, bodyBytes } = about;
    return { track, units: ownedUnits(units, bodyBytes), key, compositionUs: tag.compositionUs };
  }
}
