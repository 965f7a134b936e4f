import type { FeedMessage, OutputMessage, SourceMessage } from '../wire.ts';
import { type Decoder, NativeError } from './native/codec.ts';
import type { Picture } from './native/video.ts';
import type { FeedOutput, FeedSession, OutputWork } from './session.ts';
import { declaredFps, openVideoDecoder } from './video-codecs.ts';
import { VideoOutput } from './video-output.ts';

/** Pictures in a row that an output can't encode: two to four seconds. */
const MAX_FAILURES = 100;
/** Key frames that have gone into the decoder and not come out, at most. */
const MAX_KEY_TIMES = 32;

interface Member {
  readonly output: VideoOutput;
  readonly work: OutputWork;
  /** Pictures in a row that came to nothing. */
  failures: number;
}

/** Decodes a track of pictures once and encodes it in each form that is asked for. */
export class PictureFeed implements FeedSession {
  readonly #message: FeedMessage;
  readonly #out: FeedOutput;
  readonly #members = new Map<number, Member>();
  readonly #decoding: OutputWork = { output: 0, busyMs: 0, packets: 0 };
  #decoder: Decoder;
  #fps: number;
  /** Every packet of the source is a key frame: the server's interval says which of them count. */
  #intraOnly: boolean;
  #keyTimesUs: number[] = [];
  #anchorUs = Number.NEGATIVE_INFINITY;
  #lastUs = Number.NEGATIVE_INFINITY;
  #encodingMs = 0;

  /** @throws NativeError */
  constructor(message: FeedMessage, out: FeedOutput) {
    this.#message = message;
    this.#out = out;
    this.#fps = declaredFps(message.source);
    this.#intraOnly = message.source.codec === 'mjpeg';
    this.#decoder = openVideoDecoder(message.source, message.maxPicturePixels);
  }

  setSource(source: SourceMessage): void {
    const next = openVideoDecoder(source, this.#message.maxPicturePixels);
    this.#decoder.drain(this.#onPicture);
    this.#decoder.close();
    this.#decoder = next;
    this.#fps = declaredFps(source);
    this.#intraOnly = source.codec === 'mjpeg';
  }

  open(output: number, message: OutputMessage): void {
    this.closeOutput(output);
    const member = { output: new VideoOutput(message, this.#out.of(output)), failures: 0 };
    this.#members.set(output, { ...member, work: { output, busyMs: 0, packets: 0 } });
  }

  closeOutput(output: number): void {
    this.#members.get(output)?.output.close();
    this.#members.delete(output);
  }

  requestKeyFrame(output: number): void {
    this.#members.get(output)?.output.requestKeyFrame();
  }

  push(bytes: Buffer, timeUs: number, key: boolean): void {
    if (key) this.#keyTimesUs.push(timeUs);
    if (this.#keyTimesUs.length > MAX_KEY_TIMES) this.#keyTimesUs.shift();
    const beganMs = performance.now();
    this.#encodingMs = 0;
    if (!this.#decoder.decode(bytes, timeUs, this.#onPicture)) this.#out.dropped(1);
    this.#decoding.busyMs += performance.now() - beganMs - this.#encodingMs;
    this.#decoding.packets++;
  }

  takeWork(): OutputWork[] {
    const works = [this.#decoding, ...Array.from(this.#members.values(), ({ work }) => work)];
    const taken = works.map((work) => ({ ...work }));
    for (const work of works) {
      work.busyMs = 0;
      work.packets = 0;
    }
    return taken;
  }

  close(): void {
    this.#decoder.close();
    for (const { output } of this.#members.values()) output.close();
    this.#members.clear();
  }

  readonly #onPicture = (picture: Picture, timeUs: number | undefined): void => {
    // Without a time of its own it has no place; with an earlier one it came out of order.
    if (timeUs === undefined || timeUs <= this.#lastUs) {
      this.#out.dropped(1);
      return;
    }
    this.#lastUs = timeUs;
    const isKey = this.#isSourceKey(timeUs);
    if (isKey || this.#anchorUs === Number.NEGATIVE_INFINITY) this.#anchorUs = timeUs;
    const place = { isKey, anchorUs: this.#anchorUs, fps: this.#fps };
    for (const [number, member] of this.#members) {
      const beganMs = performance.now();
      this.#encode(number, member, () => member.output.take(picture, timeUs, place));
      const tookMs = performance.now() - beganMs;
      member.work.busyMs += tookMs;
      this.#encodingMs += tookMs;
    }
  };

  /** What damaged packets decode to can be impossible to convert; it is a failure when nothing else comes. */
  #encode(number: number, member: Member, take: () => boolean): void {
    try {
      if (take()) member.work.packets++;
      member.failures = 0;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      member.failures++;
      this.#out.of(number).dropped(1);
      if (member.failures < MAX_FAILURES) return;
      this.closeOutput(number);
      this.#out.failed(number, error);
    }
  }

  /** True for the picture of a key frame, or the first one after it when that did not come out. */
  #isSourceKey(timeUs: number): boolean {
    let isKey = false;
    while ((this.#keyTimesUs[0] ?? Number.POSITIVE_INFINITY) <= timeUs) {
      this.#keyTimesUs.shift();
      isKey = true;
    }
    if (!isKey || !this.#intraOnly) return isKey;
    return timeUs - this.#anchorUs >= this.#message.keyFrameIntervalS * 1e6;
  }
}
