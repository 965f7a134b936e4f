import { sizeInForm } from '../../core/video-form.ts';
import type { OutputMessage } from '../wire.ts';
import { markPicture, type Picture, PictureFitter, pictureFormatKey } from './native/video.ts';
import { KeyFrameClock, RateGate, type SourcePlace } from './picture-clock.ts';
import type { SessionOutput } from './session.ts';
import { type Encoding, openEncoding } from './video-encoding.ts';

/** A picture's place, and how many of them the source has in a second as far as it says. */
export interface PicturePlace extends SourcePlace {
  readonly fps: number;
}

/** One form in which the pictures of a feed are put out: size, rate, codec. Begins with a key frame. */
export class VideoOutput {
  readonly #message: OutputMessage;
  readonly #out: SessionOutput;
  readonly #gate: RateGate;
  #keys: KeyFrameClock | undefined;
  #fitter: PictureFitter | undefined;
  #encoding: Encoding | undefined;
  #formatKey = '';

  constructor(message: OutputMessage, out: SessionOutput) {
    this.#message = message;
    this.#out = out;
    this.#gate = new RateGate(message.form.fps);
  }

  /** The next picture becomes a key frame. */
  requestKeyFrame(): void {
    this.#keys?.request();
  }

  /** Encodes a picture, or leaves it out: for the sake of the rate, or as it is too early. False then. @throws NativeError */
  take(picture: Picture, timeUs: number, place: PicturePlace): boolean {
    if (timeUs < this.#message.fromUs) return false;
    const { keys, fitter, encoding } = this.#openedFor(picture, place.fps);
    const isDue = this.#message.aligned && keys.isDue(timeUs, place);
    if (!this.#gate.passes(timeUs, isDue)) return false;
    const fitted = fitter.fit(picture);
    markPicture(fitted, timeUs, keys.take(timeUs, place));
    encoding.encode(fitted, timeUs);
    return true;
  }

  /** Idempotent. */
  close(): void {
    this.#fitter?.close();
    this.#encoding?.close();
    this.#fitter = undefined;
    this.#encoding = undefined;
  }

  #openedFor(picture: Picture, sourceFps: number) {
    const key = `${pictureFormatKey(picture)} ${sourceFps}`;
    if (key === this.#formatKey && this.#fitter && this.#encoding && this.#keys)
      return { fitter: this.#fitter, encoding: this.#encoding, keys: this.#keys };
    this.close();
    const { form, keyFrameIntervalS, aligned } = this.#message;
    const fps = Math.min(form.fps ?? sourceFps, sourceFps);
    const size = sizeInForm(picture, form);
    const encoding = openEncoding(this.#message, { ...size, fps }, { like: picture, out: this.#out });
    this.#encoding = encoding;
    const fitter = new PictureFitter(picture, { ...size, format: encoding.pixelFormat });
    this.#fitter = fitter;
    const intervalUs = form.keyFrameFrames === undefined ? keyFrameIntervalS * 1e6 : (form.keyFrameFrames * 1e6) / fps;
    const maxPictures = form.keyFrameFrames ?? Number.POSITIVE_INFINITY;
    const keys = new KeyFrameClock({ intervalUs, maxPictures, halfPictureUs: 5e5 / sourceFps, aligned });
    this.#keys = keys;
    this.#formatKey = key;
    return { fitter, encoding, keys };
  }
}
