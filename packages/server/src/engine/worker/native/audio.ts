import {
  AV_CHANNEL_ORDER_NATIVE,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AV_SAMPLE_FMT_S16,
  type AVSampleFormat,
} from 'node-av/constants';
import { type CodecContext, Frame, Rational, SoftwareResampleContext } from 'node-av/lib';
import { mustSucceed, NativeError } from './codec.ts';

/** How samples lie in memory: interleaved 16-bit or float, or float with a plane for each channel. */
export type SampleLayout = 's16' | 'flt' | 'fltp';

/** The form of PCM sound. */
export interface PcmFormat {
  readonly rate: number;
  readonly channels: number;
  readonly layout: SampleLayout;
}

const NATIVE: Readonly<Record<SampleLayout, AVSampleFormat>> = {
  s16: AV_SAMPLE_FMT_S16,
  flt: AV_SAMPLE_FMT_FLT,
  fltp: AV_SAMPLE_FMT_FLTP,
};

/** The usual places of 1 to 8 loudspeakers, as bit masks of FFmpeg. */
const MASKS = [0n, 0x4n, 0x3n, 0x7n, 0x33n, 0x37n, 0x3fn, 0x13fn, 0x63fn];

/** FFmpeg's own description of a layout of loudspeakers. */
function channelLayout(channels: number): Frame['channelLayout'] {
  const mask = MASKS[channels];
  if (!mask) throw new NativeError(`${channels} channels have no usual layout`);
  return { order: AV_CHANNEL_ORDER_NATIVE, nbChannels: channels, mask };
}

/** Tells a codec what its sound is; an encoder also how its samples lie in memory, and its rate (0: as it likes). */
export function setSound(
  context: CodecContext,
  format: Omit<PcmFormat, 'layout'> & Partial<PcmFormat>,
  bitrateBps = 0,
): void {
  context.sampleRate = format.rate;
  context.channelLayout = channelLayout(format.channels);
  if (format.layout) context.sampleFormat = NATIVE[format.layout];
  context.timeBase = new Rational(1, format.rate);
  if (bitrateBps > 0) context.bitRate = BigInt(Math.round(bitrateBps));
}

/** Bytes of one sample in one plane. */
export function planeStride(format: PcmFormat): number {
  if (format.layout === 's16') return 2 * format.channels;
  return format.layout === 'flt' ? 4 * format.channels : 4;
}

function planeCount(format: PcmFormat): number {
  return format.layout === 'fltp' ? format.channels : 1;
}

/** A frame of decoded sound; valid only while its decoder hands it over. */
export type DecodedSound = Frame;

/** What must be equal for two decoded frames to go through the same resampler. */
export function frameFormatKey(frame: Frame): string {
  const { order, nbChannels, mask } = frame.channelLayout;
  return `${frame.format}/${frame.sampleRate}/${order}/${nbChannels}/${mask}`;
}

/** Brings decoded sound of one form into another. Sizes are checked here: FFmpeg would write past the end. */
export class Resampler {
  readonly #context = new SoftwareResampleContext();
  readonly #output: PcmFormat;
  readonly #inputRate: number;
  #planes: Buffer[] = [];
  #capacity = 0;
  #open = true;

  /** @throws NativeError when FFmpeg can't convert between these forms */
  constructor(like: Frame, output: PcmFormat) {
    this.#output = output;
    this.#inputRate = like.sampleRate;
    const { order, nbChannels } = like.channelLayout;
    // Decoders of speech codecs do not say where the loudspeakers are, and frames then seem to change.
    const input = order === 0 ? channelLayout(nbChannels) : like.channelLayout;
    try {
      const { rate, channels, layout } = output;
      const { format, sampleRate } = like;
      const result = this.#context.allocSetOpts2(
        ...([channelLayout(channels), NATIVE[layout], rate, input, format as AVSampleFormat, sampleRate] as const),
      );
      mustSucceed(result, 'setting up the resampler');
      mustSucceed(this.#context.init(), 'opening the resampler');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Samples that went in and have not come out yet, at the rate of the output. */
  get delaySamples(): number {
    return Number(this.#context.getDelay(BigInt(this.#output.rate)));
  }

  /**
   * Converts the samples of a frame. The planes are overwritten by the next call.
   * @throws NativeError
   */
  convert(frame: Frame): { planes: readonly Buffer[]; samples: number } {
    const input = frame.extendedData ?? frame.data;
    if (!input || frame.sampleRate !== this.#inputRate) throw new NativeError('a frame without samples');
    this.#reserve(this.#context.getOutSamples(frame.nbSamples) + 32);
    const samples = this.#context.convertSync(this.#planes, this.#capacity, input, frame.nbSamples);
    mustSucceed(samples, 'resampling');
    return { planes: this.#planes, samples };
  }

  /** Makes the output longer (or shorter) by `samples` over its next `distance` samples. */
  stretch(samples: number, distance: number): void {
    mustSucceed(this.#context.setCompensation(samples, distance), 'stretching sound');
  }

  #reserve(samples: number): void {
    if (samples <= this.#capacity) return;
    this.#capacity = samples;
    const bytes = samples * planeStride(this.#output);
    this.#planes = Array.from({ length: planeCount(this.#output) }, () => Buffer.alloc(bytes));
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#context.free();
  }
}

/** Samples that wait to be encoded, first in, first out. */
export class SampleQueue {
  readonly #stride: number;
  #planes: Buffer[];
  #start = 0;
  #samples = 0;
  #capacity: number;

  constructor(format: PcmFormat) {
    this.#stride = planeStride(format);
    this.#capacity = format.rate;
    this.#planes = Array.from({ length: planeCount(format) }, () => Buffer.alloc(this.#capacity * this.#stride));
  }

  get samples(): number {
    return this.#samples;
  }

  /** Appends samples `from` to `to` of these planes. */
  write(planes: readonly Buffer[], from: number, to: number): void {
    const end = this.#makeRoom(to - from);
    for (const [index, own] of this.#planes.entries()) {
      planes[index]?.copy(own, end * this.#stride, from * this.#stride, to * this.#stride);
    }
  }

  writeSilence(samples: number): void {
    const end = this.#makeRoom(samples);
    for (const own of this.#planes) own.fill(0, end * this.#stride, (end + samples) * this.#stride);
  }

  /** Moves `samples` of the oldest samples into planes that have room for them; there must be as many. */
  read(target: readonly Buffer[], samples: number): void {
    const { [0]: first } = target;
    if (samples > this.#samples || !first || first.length < samples * this.#stride) {
      throw new NativeError(`a frame of ${first?.length} bytes for ${samples} samples`);
    }
    for (const [index, own] of this.#planes.entries()) {
      const plane = target[index];
      if (plane) own.copy(plane, 0, this.#start * this.#stride, (this.#start + samples) * this.#stride);
    }
    this.#start += samples;
    this.#samples -= samples;
  }

  /** Gives the index where `samples` more samples can be written, and counts them as written. */
  #makeRoom(samples: number): number {
    if (this.#start + this.#samples + samples > this.#capacity) this.#compact(samples);
    const end = this.#start + this.#samples;
    this.#samples += samples;
    return end;
  }

  #compact(extra: number): void {
    this.#capacity = Math.max(this.#capacity, this.#samples + extra);
    this.#planes = this.#planes.map((own) => {
      const moved = own.length < this.#capacity * this.#stride ? Buffer.alloc(this.#capacity * this.#stride) : own;
      own.copy(moved, 0, this.#start * this.#stride, (this.#start + this.#samples) * this.#stride);
      return moved;
    });
    this.#start = 0;
  }
}

/** The one frame through which sound goes into an encoder. */
export class PcmFrame {
  readonly #frame = new Frame();
  readonly #samples: number;
  #open = true;

  constructor(format: PcmFormat, samples: number) {
    this.#samples = samples;
    this.#frame.alloc();
    this.#frame.format = NATIVE[format.layout];
    this.#frame.sampleRate = format.rate;
    this.#frame.channelLayout = channelLayout(format.channels);
    this.#frame.nbSamples = samples;
    mustSucceed(this.#frame.getBuffer(), 'allocating a frame');
  }

  /** Fills it from the queue; valid until the next call. */
  fill(queue: SampleQueue, time: number): Frame {
    // The encoder may still hold a reference to what was in it.
    mustSucceed(this.#frame.makeWritable(), 'writing to a frame');
    queue.read(this.#frame.extendedData ?? this.#frame.data ?? [], this.#samples);
    this.#frame.pts = BigInt(time);
    return this.#frame;
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#frame.free();
  }
}
