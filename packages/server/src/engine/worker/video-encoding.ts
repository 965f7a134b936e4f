import { canonicalUnits, joinAvcc, splitAnnexB } from '@sluice/media';
import type { AVPixelFormat } from 'node-av/constants';
import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import type { OutputMessage } from '../wire.ts';
import { type BitrateSettings, type CodedPacket, type Encoder, NativeError } from './native/codec.ts';
import { type H264Settings, openH264 } from './native/h264.ts';
import { openMpeg1 } from './native/mpeg1.ts';
import type { Picture } from './native/video.ts';
import type { SessionOutput } from './session.ts';
import { levelOf, usualBitrateBps, usualMpeg1BitrateBps } from './video-codecs.ts';

/** Pictures of one size and rate. */
export interface PictureForm {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

/** An encoder for pictures of one form, and what it makes on its way out. */
export interface Encoding {
  /** What its pictures must be. */
  readonly pixelFormat: AVPixelFormat;
  /** Encodes a picture that is marked with its time. @throws NativeError when it is not taken */
  encode(picture: Picture, timeUs: number): void;
  close(): void;
}

/** Opens the encoder that an output asks for. @throws NativeError */
export function openEncoding(
  message: OutputMessage,
  form: PictureForm,
  parts: { readonly like: Picture; readonly out: SessionOutput },
): Encoding {
  return message.codec === 'mpeg1'
    ? new Mpeg1Encoding(message, form, parts.out)
    : new H264Encoding(message, form, parts);
}

/** Pictures after which the rate of the source is known better than from what it declares. */
const MEASURED_PICTURES = 30;
/** Pauses are no measure of a rate. */
const PAUSE_US = 1_000_000;
/** Deviations that are not worth a change. */
const RATE_TOLERANCE = 0.1;
/** A bitrate that may be exceeded: by how much, and for what time. */
const PEAK = 1.2;
const PEAK_S = 1.5;

class H264Encoding implements Encoding {
  readonly pixelFormat: AVPixelFormat;
  readonly #encoder: Encoder;
  readonly #out: SessionOutput;
  readonly #about: { readonly encoder: string; readonly passedOver: readonly string[] };
  readonly #declaredFps: number;
  readonly #rate: BitrateSettings;
  #toldTrack = false;
  #correction = 1;
  #measuredFromUs = 0;
  #lastUs = 0;
  #pictures = 0;

  constructor(
    message: OutputMessage,
    { width, height, fps }: PictureForm,
    { like, out }: { readonly like: Picture; readonly out: SessionOutput },
  ) {
    this.#out = out;
    this.#declaredFps = fps;
    const usual = usualBitrateBps(width, height) * message.bitrateFactor;
    const bitrateBps = Math.round(message.bitrateBps ?? usual);
    const [peak, seconds] = message.elastic ? [PEAK, PEAK_S] : [1, 1];
    this.#rate = {
      bitrateBps,
      peakBps: Math.round(bitrateBps * peak),
      bufferBits: Math.round(bitrateBps * seconds),
    };
    const { preset, threads } = message;
    const settings = { width, height, fps, preset, threads, level: levelOf(width, height, fps), ...this.#rate };
    const opened = openH264({ ...settings, profile: profileOf(message) }, like, message.encoders);
    const { encoder, name, passedOver, pixelFormat } = opened;
    this.#encoder = encoder;
    this.pixelFormat = pixelFormat;
    this.#about = { encoder: name, passedOver };
    this.#tellTrack(splitAnnexB(encoder.extraData));
  }

  encode(picture: Picture, timeUs: number): void {
    this.#measure(timeUs);
    if (!this.#encoder.encode(picture, (packet) => this.#emit(packet))) throw new NativeError('encoding failed');
  }

  close(): void {
    this.#encoder.close();
  }

  /** x264 gives each picture its share of a second as declared: what comes less often may be larger. */
  #measure(timeUs: number): void {
    if (timeUs - this.#lastUs > PAUSE_US) this.#pictures = 0;
    this.#lastUs = timeUs;
    if (this.#pictures === 0) this.#measuredFromUs = timeUs;
    this.#pictures += 1;
    if (this.#pictures <= MEASURED_PICTURES) return;
    const fps = (MEASURED_PICTURES * 1e6) / (timeUs - this.#measuredFromUs);
    this.#pictures = 0;
    const correction = Math.min(4, Math.max(0.25, this.#declaredFps / fps));
    if (Math.abs(correction / this.#correction - 1) < RATE_TOLERANCE) return;
    this.#correction = correction;
    const { bitrateBps, peakBps, bufferBits } = this.#rate;
    const corrected = (value: number) => Math.round(value * correction);
    this.#encoder.setBitrate({
      bitrateBps: corrected(bitrateBps),
      peakBps: corrected(peakBps),
      bufferBits: corrected(bufferBits),
    });
  }

  #emit({ bytes, time, key }: CodedPacket): void {
    const all = splitAnnexB(bytes);
    const { units } = canonicalUnits(all);
    // Some hardware has no parameter sets before the first picture.
    if (!this.#toldTrack) this.#tellTrack(all);
    if (units.length > 0) this.#out.packet({ bytes: joinAvcc(units), timeUs: Number(time), key });
  }

  #tellTrack(units: readonly Uint8Array[]): void {
    const parameters = units.filter(isParameterSet).map(asConstrainedBaseline);
    if (parameters.length === 0) return;
    this.#toldTrack = true;
    this.#out.track({
      clockRate: 90_000,
      parameters: parameters.map((unit) => Buffer.from(unit).toString('base64')),
      packetUs: 0,
      ...this.#about,
    });
  }
}

/** x264 has no extended profile; all of constrained baseline is in it. */
function profileOf({ form: { profile = 66 } }: OutputMessage): H264Settings['profile'] {
  return profile === 88 ? 66 : profile;
}

/** The rates that MPEG-1 knows (ISO/IEC 11172-2, picture_rate). */
const MPEG1_RATES: readonly (readonly [number, number])[] = [
  [24_000, 1001],
  [24, 1],
  [25, 1],
  [30_000, 1001],
  [30, 1],
  [50, 1],
  [60_000, 1001],
  [60, 1],
];

class Mpeg1Encoding implements Encoding {
  readonly pixelFormat = AV_PIX_FMT_YUV420P;
  readonly #encoder: Encoder;
  readonly #out: SessionOutput;
  /** Times of pictures that are in the encoder. */
  readonly #timesUs: number[] = [];
  #pictures = 0n;

  constructor(message: OutputMessage, { width, height, fps }: PictureForm, out: SessionOutput) {
    this.#out = out;
    const rate = nearestRate(fps);
    const bitrateBps = message.bitrateBps ?? usualMpeg1BitrateBps(width, height) * message.bitrateFactor;
    // Rate control gives each picture its share of a second at the standard rate.
    const shareBps = Math.round((bitrateBps * rate[0]) / rate[1] / fps);
    this.#encoder = openMpeg1({ width, height, rate, bitrateBps: shareBps });
    out.track({ clockRate: 90_000, parameters: [], packetUs: 0, encoder: 'mpeg1video' });
  }

  encode(picture: Picture, timeUs: number): void {
    // Only standard rates can be said in the bitstream: times go around it.
    picture.pts = this.#pictures;
    this.#pictures += 1n;
    this.#timesUs.push(timeUs);
    if (!this.#encoder.encode(picture, (packet) => this.#emit(packet))) throw new NativeError('encoding failed');
  }

  close(): void {
    this.#encoder.close();
  }

  #emit({ bytes, key }: CodedPacket): void {
    const timeUs = this.#timesUs.shift();
    if (timeUs !== undefined && bytes.length > 0) this.#out.packet({ bytes, timeUs, key });
  }
}

function nearestRate(fps: number): readonly [number, number] {
  const distance = ([num, den]: readonly [number, number]) => Math.abs(num / den - fps);
  return MPEG1_RATES.reduce((best, rate) => (distance(rate) < distance(best) ? rate : best), [25, 1] as const);
}

const NAL_SPS = 7;
const NAL_PPS = 8;

function isParameterSet(unit: Uint8Array): boolean {
  const type = (unit[0] ?? 0) & 0x1f;
  return type === NAL_SPS || type === NAL_PPS;
}

/**
 * Sets constraint_set2_flag in the SPS: profile_idc 66 with the flags 0 to 2 is what browsers call 42e0 and ask for. It
 * says that decoders of the extended profile can play it too, which is so for all of constrained baseline (A.2.1).
 */
function asConstrainedBaseline(unit: Uint8Array): Uint8Array {
  const type = (unit[0] ?? 0) & 0x1f;
  if (type !== NAL_SPS || unit[1] !== 66) return unit;
  const patched = new Uint8Array(unit);
  patched[2] = (patched[2] ?? 0) | 0x20;
  return patched;
}
