import { canonicalUnits, joinAvcc, splitAnnexB } from '@sluice/media';
import type { OpenMessage, SourceMessage } from '../wire.ts';
import type { CodedPacket, Decoder, Encoder } from './native/codec.ts';
import { markPicture, openX264, type Picture, PictureFitter, pictureFormatKey } from './native/video.ts';
import type { Session, SessionOutput } from './session.ts';
import { declaredFps, levelOf, openVideoDecoder, usualBitrateBps } from './video-codecs.ts';

/** Viewers who lose packets ask again and again; key frames are large. */
const KEY_PACE_US = 500_000;

/** Turns a track of pictures into H.264 that browsers take over WebRTC: constrained baseline, in order. */
export class VideoTranscoder implements Session {
  readonly #message: OpenMessage;
  readonly #output: SessionOutput;
  #decoder: Decoder;
  #fps: number;
  #fitter: PictureFitter | undefined;
  #encoding: Encoding | undefined;
  #formatKey = '';
  #lastUs = Number.NEGATIVE_INFINITY;
  #lastKeyUs = Number.NEGATIVE_INFINITY;
  #wantsKey = false;

  /** @throws NativeError */
  constructor(message: OpenMessage, output: SessionOutput) {
    this.#message = message;
    this.#output = output;
    this.#fps = declaredFps(message.source);
    this.#decoder = openVideoDecoder(message.source, message.maxPicturePixels);
  }

  setSource(source: SourceMessage): void {
    const next = openVideoDecoder(source, this.#message.maxPicturePixels);
    this.#decoder.drain(this.#onPicture);
    this.#decoder.close();
    this.#decoder = next;
    this.#fps = declaredFps(source);
  }

  push(bytes: Buffer, timeUs: number): void {
    if (!this.#decoder.decode(bytes, timeUs, this.#onPicture)) this.#output.dropped(1);
  }

  requestKeyFrame(): void {
    this.#wantsKey = true;
  }

  close(): void {
    this.#decoder.close();
    this.#fitter?.close();
    this.#encoding?.close();
  }

  readonly #onPicture = (picture: Picture, timeUs: number | undefined): void => {
    // Without a time of its own it has no place; with an earlier one it came out of order.
    if (timeUs === undefined || timeUs <= this.#lastUs) {
      this.#output.dropped(1);
      return;
    }
    this.#lastUs = timeUs;
    const { fitter, encoding } = this.#openedFor(picture);
    const intervalUs = this.#wantsKey ? KEY_PACE_US : this.#message.keyFrameIntervalS * 1e6;
    const isKey = timeUs - this.#lastKeyUs >= intervalUs;
    if (isKey) {
      this.#lastKeyUs = timeUs;
      this.#wantsKey = false;
    }
    const fitted = fitter.fit(picture);
    markPicture(fitted, timeUs, isKey);
    encoding.encode(fitted, timeUs);
  };

  #openedFor(picture: Picture): { fitter: PictureFitter; encoding: Encoding } {
    const key = pictureFormatKey(picture);
    if (key === this.#formatKey && this.#fitter && this.#encoding) {
      return { fitter: this.#fitter, encoding: this.#encoding };
    }
    this.#fitter?.close();
    this.#encoding?.close();
    this.#fitter = undefined;
    this.#encoding = undefined;
    this.#fitter = new PictureFitter(picture);
    const { width, height } = this.#fitter;
    this.#encoding = new Encoding(this.#message, { width, height, fps: this.#fps, like: picture }, this.#output);
    this.#formatKey = key;
    this.#lastKeyUs = Number.NEGATIVE_INFINITY;
    return { fitter: this.#fitter, encoding: this.#encoding };
  }
}

/** Pictures after which the rate of the source is known better than from what it declares. */
const MEASURED_PICTURES = 30;
/** Pauses are no measure of a rate. */
const PAUSE_US = 1_000_000;
/** Deviations that are not worth a change. */
const RATE_TOLERANCE = 0.1;

/** The second half: an encoder for pictures of one form. */
class Encoding {
  readonly #encoder: Encoder;
  readonly #output: SessionOutput;
  readonly #declaredFps: number;
  readonly #bitrateBps: number;
  #correction = 1;
  #measuredFromUs = 0;
  #lastUs = 0;
  #pictures = 0;

  constructor(
    message: OpenMessage,
    { width, height, fps, like }: { width: number; height: number; fps: number; like: Picture },
    output: SessionOutput,
  ) {
    this.#output = output;
    this.#declaredFps = fps;
    const usual = usualBitrateBps(width, height) * message.videoBitrateFactor;
    this.#bitrateBps = Math.round(message.bitrateBps ?? usual);
    const { videoPreset: preset } = message;
    const level = levelOf(width, height, fps);
    this.#encoder = openX264({ width, height, fps, bitrateBps: this.#bitrateBps, preset, level }, like);
    const parameters = splitAnnexB(this.#encoder.extraData).filter(isParameterSet).map(asConstrainedBaseline);
    output.track({
      clockRate: 90_000,
      parameters: parameters.map((unit) => Buffer.from(unit).toString('base64')),
      packetUs: 0,
    });
  }

  encode(picture: Picture, timeUs: number): void {
    this.#measure(timeUs);
    if (!this.#encoder.encode(picture, (packet) => this.#emit(packet))) this.#output.dropped(1);
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
    this.#encoder.setBitrate(Math.round(this.#bitrateBps * correction));
  }

  #emit({ bytes, time, key }: CodedPacket): void {
    const { units } = canonicalUnits(splitAnnexB(bytes));
    if (units.length > 0) this.#output.packet({ bytes: joinAvcc(units), timeUs: Number(time), key });
  }
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
