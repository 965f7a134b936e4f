import type { Track } from '@sluice/media';
import { RtpLane, type Stream, type StreamLayer, VIDEO_LANE } from '../../../core/index.ts';
import { vp8KeyFrame } from './rig.ts';

const VP8: Track = { id: 1, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const FORMAT = { track: VP8 };
const FRAME_US = 33_333;
const FRAME_TICKS = 3000;

/** One encoding of a publisher that a test plays. */
export class TestLayer implements StreamLayer {
  readonly lane = new RtpLane(VIDEO_LANE);
  expectedBps: number | undefined;
  bitrateBps = 0;
  active = true;
  paused = false;
  topTemporalLayer = 0;
  keyFramesAsked = 0;
  /** Leases that are out. */
  watchers = 0;
  /** Frames come in so many packets. */
  packets = 2;
  readonly rid: string;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly #tag: number;
  #sequence: number;
  #picture: number;
  #tl0 = 0;
  #wantsKey = true;

  /** `tag` is in the payload of each packet. */
  constructor(rid: string, of: { size: readonly [number, number] | undefined; bps: number; tag: number }) {
    this.rid = rid;
    [this.width, this.height] = of.size ?? [undefined, undefined];
    this.expectedBps = of.bps;
    this.bitrateBps = of.bps;
    this.#tag = of.tag;
    // Encodings have numbers that have nothing to do with each other.
    this.#sequence = of.tag * 1000;
    this.#picture = of.tag * 5000;
    this.#tl0 = of.tag * 70;
  }

  requestKeyFrame(): void {
    this.keyFramesAsked++;
    this.#wantsKey = true;
  }

  watch(): Disposable {
    this.watchers++;
    let given = true;
    return {
      [Symbol.dispose]: () => {
        if (given) this.watchers--;
        given = false;
      },
    };
  }

  /** The frame of that place of the stream, in packets of a few bytes. */
  frame(at: number): void {
    const key = this.#wantsKey;
    this.#wantsKey = false;
    if (key) this.#tl0++;
    this.#picture++;
    for (let i = 0; i < this.packets; i++) {
      const descriptor = [i === 0 ? 0x90 : 0x80, 0xe0, 0x80 | ((this.#picture >> 8) & 0x7f), this.#picture & 0xff];
      const frame = [key ? 0 : 1, this.#tag, i];
      this.lane.publish({
        format: FORMAT,
        sequence: this.#sequence++,
        timestamp: at * FRAME_TICKS + this.#tag * 17,
        ptsUs: at * FRAME_US,
        marker: i === this.packets - 1,
        startPoint: key && i === 0,
        payload: Uint8Array.from([...descriptor, this.#tl0 & 0xff, 0x20, ...frame]),
      });
    }
  }
}

/** A publisher of a picture in three encodings, which a test plays: 4 Mbit/s, 800 and 200 kbit/s with frames of a few bytes. */
export class TestSimulcast {
  readonly high = new TestLayer('h', { size: [1280, 720], bps: 4_000_000, tag: 3 });
  readonly middle = new TestLayer('m', { size: [640, 360], bps: 800_000, tag: 2 });
  readonly low = new TestLayer('l', { size: [320, 180], bps: 200_000, tag: 1 });
  readonly layers: readonly TestLayer[] = [this.high, this.middle, this.low];
  readonly stream: Stream;
  #frames = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: Stream) {
    this.stream = stream;
    stream.setTrack(VP8);
    stream.setLayers(this.layers);
  }

  /** Frames published so far: a measure of time that does not go on while the process stands still. */
  get frames(): number {
    return this.#frames;
  }

  /** Publishes a frame of each encoding that comes. */
  frame(): void {
    const at = this.#frames++;
    const key = at % 30 === 0;
    // Frames have no payload descriptor.
    const unit = key ? vp8KeyFrame(1280, 720).subarray(1) : Uint8Array.of(1);
    const us = at * FRAME_US;
    this.stream.publish({ track: VP8, units: [unit], ptsUs: us, dtsUs: us, key, byteLength: unit.length });
    for (const layer of this.layers) if (layer.active) layer.frame(at);
  }

  /** Goes on publishing in real time. */
  start(): void {
    this.#timer = setInterval(() => this.frame(), 20);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** What a player got of it in a packet: which encoding, and with which numbers. */
export interface TestPacket {
  readonly layer: number;
  readonly startsKeyFrame: boolean;
  readonly picture: number;
  readonly tl0: number;
}

/** Reads the payload of a packet of `TestLayer`. */
export function readTestPacket(payload: Uint8Array): TestPacket {
  const [first = 0, , high = 0, low = 0, tl0 = 0, , frame = 1, layer = 0] = payload;
  return { layer, startsKeyFrame: first === 0x90 && frame === 0, picture: ((high & 0x7f) << 8) | low, tl0 };
}
