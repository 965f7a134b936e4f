import type { PictureMessage, SourceMessage } from '../wire.ts';
import { type Decoder, NativeError } from './native/codec.ts';
import { encodePicture, KeptPicture, pictureSizeFor } from './native/picture.ts';
import type { Session, SessionOutput } from './session.ts';
import { openVideoDecoder } from './video-codecs.ts';

/** Makes a file of the last picture of the packets that it is given. */
export class PictureTaker implements Session {
  readonly #message: PictureMessage;
  readonly #output: SessionOutput;
  readonly #last = new KeptPicture();
  #decoder: Decoder;

  /** @throws NativeError */
  constructor(message: PictureMessage, output: SessionOutput) {
    this.#message = message;
    this.#output = output;
    try {
      this.#decoder = openVideoDecoder(message.source, message.maxPicturePixels);
    } catch (error) {
      this.#last.close();
      throw error;
    }
  }

  setSource(source: SourceMessage): void {
    const next = openVideoDecoder(source, this.#message.maxPicturePixels);
    this.#decoder.drain((picture) => this.#last.keep(picture));
    this.#decoder.close();
    this.#decoder = next;
  }

  push(bytes: Buffer, timeUs: number): void {
    this.#decoder.decode(bytes, timeUs, (picture) => this.#last.keep(picture));
  }

  finish(): void {
    const { picture, maxPicturePixels } = this.#message;
    this.#decoder.drain((frame) => this.#last.keep(frame));
    if (this.#last.frame === undefined) throw new NativeError('no picture came out undamaged');
    const size = pictureSizeFor(this.#last.frame, picture, maxPicturePixels);
    const bytes = encodePicture(this.#last.frame, { ...picture, ...size });
    this.#output.packet({ bytes, timeUs: 0, key: true });
  }

  close(): void {
    this.#decoder.close();
    this.#last.close();
  }
}
