import type { Codec, MediaPacket, Track } from '@sluice/media';
import type { Conversion, ConversionEvents, ConversionTarget, Converter } from '../converter.ts';

/** SPS and PPS of 640x360. */
const AVC = [
  Uint8Array.from(Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex')),
  Uint8Array.from(Buffer.from('68cb83cb20', 'hex')),
];
/** AAC-LC, 48 kHz, stereo. */
const AAC = [Uint8Array.of(0x11, 0x90)];

/** A conversion of {@link RelabelConverter}, as a test looks at it. */
export class RelabelConversion implements Conversion {
  readonly source: Track;
  readonly target: ConversionTarget['codec'];
  /** All of the target. */
  readonly wanted: ConversionTarget;
  /** What it is decoded together with. */
  readonly feed: object | undefined;
  readonly pushed: MediaPacket[] = [];
  keyFrameRequests = 0;
  closed = false;
  /** Output waits while this is true; `release` lets it out. */
  #held: boolean;
  readonly #events: ConversionEvents;
  readonly #waiting: MediaPacket[] = [];
  #track: Track | undefined;
  #of: Track | undefined;
  #nextIsKey = true;
  #highestUs = Number.NEGATIVE_INFINITY;

  constructor(
    source: Track,
    target: ConversionTarget,
    parts: { events: ConversionEvents; held: boolean; feed: object | undefined },
  ) {
    this.source = source;
    this.feed = parts.feed;
    this.target = target.codec;
    this.wanted = target;
    this.#events = parts.events;
    this.#held = parts.held;
  }

  push(packet: MediaPacket): void {
    if (this.closed) throw new Error('pushed after close');
    this.pushed.push(packet);
    this.#waiting.push(packet);
    if (!this.#held) this.release();
  }

  requestKeyFrame(): void {
    this.keyFrameRequests++;
    this.#nextIsKey = true;
  }

  close(): void {
    this.closed = true;
    this.#waiting.length = 0;
  }

  fail(reason: string): void {
    this.closed = true;
    this.#events.onFailed(reason);
  }

  /** Its worker is gone: it goes on with a key frame. */
  loseSource(): void {
    this.#events.onKeyFrameNeeded?.();
  }

  /** Lets out what waits, or as many of it, and from then on what comes when `count` is left out. */
  release(count = Number.POSITIVE_INFINITY): void {
    if (count === Number.POSITIVE_INFINITY) this.#held = false;
    for (let left = count; left > 0 && !this.closed; left--) {
      const packet = this.#waiting.shift();
      if (packet === undefined) return;
      const made = this.#convert(packet);
      if (made !== undefined) this.#events.onPacket(made);
    }
  }

  /** The same units under another name; pictures in the order in which they are shown, those that come too late left out. */
  #convert(packet: MediaPacket): MediaPacket | undefined {
    const { kind, id } = packet.track;
    if (packet.ptsUs < this.#highestUs) return undefined;
    this.#highestUs = packet.ptsUs;
    if (packet.track !== this.#of) {
      this.#of = packet.track;
      this.#track = {
        id,
        kind,
        codec: this.target as Codec,
        clockRate: kind === 'video' ? 90_000 : 48_000,
        parameters: kind === 'video' ? AVC : AAC,
      };
      this.#nextIsKey = true;
    }
    const key = kind === 'audio' || this.#nextIsKey || packet.key;
    this.#nextIsKey = false;
    return { ...packet, track: this.#track as Track, dtsUs: packet.ptsUs, key };
  }
}

/**
 * A converter for tests of what stands around conversions: gives the packets another codec's name and nothing else, at
 * once or when the test says so.
 */
export class RelabelConverter implements Converter {
  readonly opened: RelabelConversion[] = [];
  /** New conversions keep their output until they are released. */
  held = false;
  /** Codecs that can't be converted. */
  readonly unknown = new Set<Codec>();
  /** New conversions fail at once, with this. */
  refusal: string | undefined;

  canConvert(from: Codec): boolean {
    return !this.unknown.has(from);
  }

  open(source: Track, target: ConversionTarget, events: ConversionEvents, feed?: object): Conversion {
    const conversion = new RelabelConversion(source, target, { events, held: this.held, feed });
    this.opened.push(conversion);
    if (this.refusal !== undefined) conversion.fail(this.refusal);
    return conversion;
  }

  /** Conversions that go on. */
  get running(): readonly RelabelConversion[] {
    return this.opened.filter(({ closed }) => !closed);
  }
}
