import { AVERROR_EAGAIN, AVERROR_EOF, type FFDecoderCodec, type FFEncoderCodec } from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, Rational } from 'node-av/lib';

/** Microseconds: the clock of everything that goes into a decoder. */
const MICROSECONDS = new Rational(1, 1_000_000);
const NO_TIME = -9223372036854775808n;

/** A coded packet as an encoder or a decoder has it, its bytes in memory of their own. */
export interface CodedPacket {
  readonly bytes: Buffer;
  /** In the clock of the encoder. */
  readonly time: bigint;
  readonly key: boolean;
}

/** Thrown when FFmpeg can't be set up for what is asked. */
export class NativeError extends Error {}

/** Throws unless FFmpeg's result is one of success. */
export function mustSucceed(result: number, what: string): void {
  if (result < 0) throw new NativeError(`${what} failed with ${result}`);
}

/** Sets options one by one: open2Sync with a dictionary frees it twice. */
function openContext(context: CodecContext, codec: Codec, options: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(options)) {
    mustSucceed(context.setOption(name, String(value)), `option ${name} of ${codec.name}`);
  }
  mustSucceed(context.open2Sync(codec, null), `opening ${codec.name}`);
}

export interface DecoderSettings {
  /** As FFmpeg calls it. */
  readonly name: string;
  readonly extraData: Uint8Array | undefined;
  readonly options: Readonly<Record<string, string | number>>;
  /** What a decoder needs that has no configuration and no head in its packets. */
  readonly configure?: ((context: CodecContext) => void) | undefined;
}

/** Takes a frame, valid during the call only, and its time when it has one. */
export type OnFrame = (frame: Frame, timeUs: number | undefined) => void;

/** A decoder with its packet and its frame. Frees all of it in {@link Decoder.close}, and nothing before. */
export class Decoder {
  readonly #context = new CodecContext();
  readonly #packet = new Packet();
  readonly #frame = new Frame();
  #open = true;

  /** @throws NativeError when there is no such decoder or it refuses the configuration */
  constructor(settings: DecoderSettings) {
    const codec = Codec.findDecoderByName(settings.name as FFDecoderCodec);
    if (!codec) throw new NativeError(`there is no decoder ${settings.name}`);
    this.#context.allocContext3(codec);
    this.#packet.alloc();
    this.#frame.alloc();
    try {
      this.#context.threadCount = 1;
      this.#context.pktTimebase = MICROSECONDS;
      if (settings.extraData) this.#context.extraData = Buffer.from(settings.extraData);
      settings.configure?.(this.#context);
      openContext(this.#context, codec, settings.options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Decodes one packet and hands over each frame that comes out; a frame is valid only during the call.
   * @returns false when the packet, or a part of it, was damaged
   */
  decode(bytes: Buffer, timeUs: number, onFrame: OnFrame): boolean {
    // An empty packet would mean the end of the stream.
    if (bytes.length === 0) return false;
    this.#packet.data = bytes;
    this.#packet.pts = BigInt(timeUs);
    this.#packet.dts = NO_TIME;
    const sent = this.#context.sendPacketSync(this.#packet);
    this.#packet.unref();
    return this.#receive(onFrame) && sent >= 0;
  }

  /** Hands over the frames that it still holds back. Nothing can be decoded afterwards. */
  drain(onFrame: OnFrame): void {
    this.#context.sendPacketSync(null);
    this.#receive(onFrame);
  }

  /** Gives false when it ended for another reason than that there are no more frames. */
  #receive(onFrame: OnFrame): boolean {
    for (;;) {
      const result = this.#context.receiveFrameSync(this.#frame);
      if (result < 0) return result === AVERROR_EAGAIN || result === AVERROR_EOF;
      try {
        onFrame(this.#frame, frameTimeUs(this.#frame));
      } finally {
        this.#frame.unref();
      }
    }
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#context.freeContext();
    this.#packet.free();
    this.#frame.free();
  }
}

function frameTimeUs(frame: Frame): number | undefined {
  const time = frame.pts === NO_TIME ? frame.bestEffortTimestamp : frame.pts;
  return time === NO_TIME ? undefined : Number(time);
}

export interface EncoderSettings {
  /** As FFmpeg calls it. */
  readonly name: string;
  readonly options: Readonly<Record<string, string | number>>;
  readonly configure: (context: CodecContext) => void;
  /** Brings frames to where the encoder takes them; the encoder closes it. */
  readonly device?: { upload(frame: Frame): Frame; close(): void } | undefined;
}

/** A bitrate, the one that it is exceeded by at most, and for how many bits. */
export interface BitrateSettings {
  readonly bitrateBps: number;
  readonly peakBps: number;
  readonly bufferBits: number;
}

/** True when the build of FFmpeg has this encoder. */
export function hasEncoder(name: string): boolean {
  return Codec.findEncoderByName(name as FFEncoderCodec) !== null;
}

/** An encoder with its packet. Frees all of it in {@link Encoder.close}, and nothing before. */
export class Encoder {
  readonly #context = new CodecContext();
  readonly #packet = new Packet();
  readonly #device: EncoderSettings['device'];
  #open = true;

  /** @throws NativeError when there is no such encoder or it refuses the settings */
  constructor(settings: EncoderSettings) {
    this.#device = settings.device;
    const codec = Codec.findEncoderByName(settings.name as FFEncoderCodec);
    if (!codec) throw new NativeError(`there is no encoder ${settings.name}`);
    this.#context.allocContext3(codec);
    this.#packet.alloc();
    try {
      this.#context.threadCount = 1;
      settings.configure(this.#context);
      openContext(this.#context, codec, settings.options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Samples that a frame must have; 0 when any number will do. */
  get frameSize(): number {
    return this.#context.frameSize;
  }

  /** The configuration for decoders, in own memory; empty for codecs without one. */
  get extraData(): Buffer {
    return Buffer.from(this.#context.extraData ?? []);
  }

  /** Encodes a frame and hands over what comes out; false when the encoder refused it. @throws NativeError */
  encode(frame: Frame, onPacket: (packet: CodedPacket) => void): boolean {
    const sent = this.#context.sendFrameSync(this.#device?.upload(frame) ?? frame);
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      const { data, pts, isKeyframe } = this.#packet;
      const packet = { bytes: Buffer.from(data ?? []), time: pts, key: isKeyframe };
      this.#packet.unref();
      onPacket(packet);
    }
    return sent >= 0;
  }

  /** Changes the rate of an encoder that can do it while it runs (x264). */
  setBitrate({ bitrateBps, peakBps, bufferBits }: BitrateSettings): void {
    this.#context.bitRate = BigInt(bitrateBps);
    this.#context.rcMaxRate = BigInt(peakBps);
    this.#context.rcBufferSize = bufferBits;
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#context.freeContext();
    this.#packet.free();
    this.#device?.close();
  }
}
