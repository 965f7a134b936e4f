import type { Codec, MediaPacket, Track } from '@sluice/media';
import type { VideoForm } from './video-form.ts';

/** What a track is to be turned into. */
export interface ConversionTarget {
  readonly codec: 'aac' | 'opus' | 'pcma' | 'pcmu' | 'g722' | 'h264' | 'mpeg1';
  /** Bits a second; the converter chooses when it is absent. */
  readonly bitrateBps?: number;
  /** Of sound that is made: samples a second and channels; those of the source, as near as the codec allows, by default. */
  readonly sampleRate?: number;
  readonly channels?: 1 | 2;
  /** AAC with a variable bitrate, 1 (least) to 5; 0 or absent for a constant one. */
  readonly variableBitrate?: 0 | 1 | 2 | 3 | 4 | 5;
  /** Seconds between key frames of video, about. */
  readonly keyFrameIntervalS?: number;
  /** Of a picture that is made; that of the source by default. */
  readonly picture?: VideoForm | undefined;
}

export interface ConversionEvents {
  /**
   * A converted packet, in order of decoding. Its track is new whenever the decoder configuration changed and keeps the
   * id of the source's track. Times are those of the content on the source's timeline: the delay of the codecs is
   * taken out, so that picture and sound stay in sync. Video never has reordered pictures.
   */
  onPacket(packet: MediaPacket): void;
  /** It can't go on and will not be tried again: the source can't be decoded, or the workers keep dying. Called once. */
  onFailed(reason: string): void;
  /** It can go on only at a key frame of the source. Called once a second at most, until one comes. */
  onKeyFrameNeeded?(): void;
}

/** What a conversion costs, and what became of its packets. */
export interface ConversionCost {
  /** Process id of the worker; absent while it has none. */
  readonly worker?: number | undefined;
  /** Of the last seconds, absent while unknown: share of one processor core, more than 1 with several threads; */
  readonly cpuShare?: number | undefined;
  /** share of the time that the worker is at it, near 1 when it does not keep up; time for one packet. */
  readonly busyShare?: number | undefined;
  readonly msPerFrame?: number | undefined;
  /** Packets that wait for the worker, that were left out on the way to it, and that could not be decoded. */
  readonly queued: number;
  readonly dropped: number;
  readonly damaged: number;
  /** What encodes pictures, by FFmpeg's name, with those that were wished for and could not be opened: for people. */
  readonly encoder?: string | undefined;
}

/** A running conversion of one track. All calls are synchronous and none throws. */
export interface Conversion {
  /** Takes a packet of the source; one whose track differs from the last one's reopens the decoder. */
  push(packet: MediaPacket): void;
  /** The next picture becomes a key frame. */
  requestKeyFrame(): void;
  /** Facts of this moment, for people. */
  cost?(): ConversionCost;
  /** Ends it; no event follows. Idempotent. */
  close(): void;
}

/** The part of the server that decodes and encodes; it works in other processes, which may die without harm here. */
export interface Converter {
  canConvert(from: Codec, to: ConversionTarget['codec']): boolean;
  /**
   * Begins; `source` may be replaced by later packets' tracks. Conversions of pictures with the same `feed`, which stands
   * for one source whose packets all of them get, are decoded once for all.
   */
  open(source: Track, target: ConversionTarget, events: ConversionEvents, feed?: object): Conversion;
  /** What conversions of pictures may cost here and do cost; absent where nothing is known of it. */
  budget?(): ConversionBudget;
  /**
   * What such a conversion is expected to cost, in processor cores, from what is known of the source by now. With a
   * `feed` that is being decoded already, and with `true` for one that will be, decoding is not counted.
   */
  estimate?(source: Track, target: ConversionTarget, feed?: object | true): number;
}

/** Processor cores: those that pictures may be converted with, and those that running conversions take. */
export interface ConversionBudget {
  readonly limitCores: number;
  readonly usedCores: number;
  /** So many more forms of pictures are made at most, however little they cost: each takes memory. Absent: no limit. */
  readonly formsLeft?: number | undefined;
}
