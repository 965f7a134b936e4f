import { AV_HWDEVICE_TYPE_VAAPI, AV_PIX_FMT_NV12, AV_PIX_FMT_VAAPI } from 'node-av/constants';
import { type CodecContext, Frame, HardwareDeviceContext, HardwareFramesContext } from 'node-av/lib';
import { mustSucceed, NativeError } from './codec.ts';

/** Pictures that an encoder without reordering has in work, with room. */
const POOL_SIZE = 8;

/** Memory for pictures on the first device of VA-API: an encoder there takes no others. Frees all of it in `close`. */
export class HardwareFrames {
  readonly #device = new HardwareDeviceContext();
  readonly #frames = new HardwareFramesContext();
  readonly #frame = new Frame();
  #open = true;

  /** @throws NativeError when there is no such device */
  constructor({ width, height }: { readonly width: number; readonly height: number }) {
    this.#frame.alloc();
    try {
      mustSucceed(this.#device.create(AV_HWDEVICE_TYPE_VAAPI, null, null), 'opening a device of VA-API');
      this.#frames.alloc(this.#device);
      this.#frames.format = AV_PIX_FMT_VAAPI;
      this.#frames.swFormat = AV_PIX_FMT_NV12;
      this.#frames.width = width;
      this.#frames.height = height;
      this.#frames.initialPoolSize = POOL_SIZE;
      mustSucceed(this.#frames.init(), 'allocating pictures on a device');
    } catch (error) {
      this.close();
      throw error instanceof NativeError ? error : new NativeError(String(error));
    }
  }

  /** Makes an encoder take what {@link HardwareFrames.upload} gives. */
  connect(context: CodecContext): void {
    context.pixelFormat = AV_PIX_FMT_VAAPI;
    context.hwFramesCtx = this.#frames;
  }

  /** The picture on the device, with its time and type; valid until the next call. @throws NativeError */
  upload(picture: Frame): Frame {
    this.#frame.unref();
    mustSucceed(this.#frames.getBuffer(this.#frame), 'taking a picture of the device');
    mustSucceed(this.#frames.transferDataSync(this.#frame, picture), 'copying a picture to the device');
    this.#frame.pts = picture.pts;
    this.#frame.pictType = picture.pictType;
    return this.#frame;
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#frame.free();
    this.#frames.free();
    this.#device.free();
  }
}
