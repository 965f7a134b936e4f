import type { Codec, MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { prng } from '../../../../media/src/testing/mutate.ts';
import { type Publisher, Stream } from '../stream.ts';
import type { StreamEntry } from '../stream-log.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import { type Acceptance, playerAcceptance, withPicture } from './acceptance.ts';
import { Adaptations, type AdaptedStream } from './adaptations.ts';

const VIDEO: readonly Codec[] = ['h264', 'vp8', 'h265'];
const AUDIO: readonly Codec[] = ['aac', 'opus', 'speex'];
const STEPS = 4000;

const CLASSIC = playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']) });
const ACCEPTANCES: readonly Acceptance[] = [
  CLASSIC,
  withPicture(CLASSIC, { height: 240 }),
  withPicture(playerAcceptance({ video: new Set(['h264']), audio: new Set() }), { height: 240 }),
  playerAcceptance({ video: new Set(['h264', 'h265']), audio: new Set(['aac', 'speex']), startAt: 'oldest' }),
  playerAcceptance({ video: new Set(), audio: new Set(['aac', 'opus']) }),
  {
    key: 'rtc',
    video: new Set(['h264', 'vp8']),
    audio: new Set(['opus']),
    reorderedVideo: false,
    videoTarget: 'h264',
    audioTarget: 'opus',
  },
];

/** Looks at all that a viewer is handed, as a decoder would. */
class Viewer {
  readonly lease: AdaptedStream;
  readonly faults: string[] = [];
  seen = 0;
  readonly #acceptance: Acceptance;
  readonly #last = new Map<string, MediaPacket>();
  #epoch = -1;

  constructor(lease: AdaptedStream, acceptance: Acceptance) {
    this.lease = lease;
    this.#acceptance = acceptance;
    const drain = (): void => {
      for (let entry = reader.read(); entry !== undefined; entry = reader.read()) this.#look(entry);
    };
    const reader = lease.stream.attach({ startAt: 'gop', onReadable: drain, onEnd: () => {} });
    drain();
    this.close = () => {
      reader.close();
      lease[Symbol.dispose]();
    };
  }

  readonly close: () => void;

  #look({ packet, state }: StreamEntry): void {
    this.seen++;
    const { track, dtsUs, key } = packet;
    const say = (fault: string): void => void this.faults.push(`${fault} at ${dtsUs / 1000} of ${track.codec}`);
    if (state.epoch < this.#epoch) say('an older epoch');
    if (state.epoch > this.#epoch) this.#last.clear();
    this.#epoch = state.epoch;
    if (state[track.kind] !== track) say('a state that is not the packet’s');
    const taken: ReadonlySet<Codec> = this.#acceptance[track.kind];
    if (!taken.has(track.codec)) say('a codec that is not taken');
    const last = this.#last.get(track.kind);
    if (last !== undefined && dtsUs < last.dtsUs) say('a step back');
    const reordered = last !== undefined && packet.ptsUs < last.ptsUs;
    if (reordered && !this.#acceptance.reorderedVideo) say('a B-frame that is not taken');
    if (reordered && last.track !== track) say('a step back with another track');
    if (track.kind === 'video' && last?.track !== track && !key) say('no key frame at the beginning');
    this.#last.set(track.kind, packet);
  }
}

/** A publisher that changes its mind: codecs, tracks, B-frames, reconnection. */
class RestlessSource {
  readonly stream = new Stream('s', { gopCacheMaxMs: 4000, gopCacheMaxBytes: 20_000 });
  readonly #random: () => number;
  #publisher: Publisher = { sessionId: 'p', close: () => {} };
  #video: Track | undefined;
  #audio: Track | undefined;
  #ms = 0;
  #sinceKey = 0;
  #reorders = false;

  constructor(random: () => number) {
    this.#random = random;
    this.stream.attachPublisher(this.#publisher);
    this.change();
  }

  change(): void {
    const make = (kind: Track['kind'], codecs: readonly Codec[]): Track | undefined => {
      const codec = codecs[Math.floor(this.#random() * (codecs.length + 0.5))];
      const id = kind === 'video' ? 0 : 1;
      return codec && { id, kind, codec, clockRate: 90_000, parameters: [] };
    };
    this.#video = make('video', VIDEO);
    this.#audio = make('audio', AUDIO);
    this.#reorders = this.#random() < 0.3;
    this.#sinceKey = 100;
  }

  reconnect(): void {
    this.stream.detachPublisher(this.#publisher);
    this.#publisher = { sessionId: 'p', close: () => {} };
    this.stream.attachPublisher(this.#publisher);
    this.change();
  }

  next(): void {
    // A key frame is shown after all that came before it.
    this.#ms += this.#sinceKey >= 25 ? 200 : 40;
    const at = this.#ms * 1000;
    const one = { units: [new Uint8Array(20)], dtsUs: at, byteLength: 20 };
    if (this.#video !== undefined) {
      const key = ++this.#sinceKey > 25;
      if (key) this.#sinceKey = 0;
      // I P B B P B B …
      const shownLater = !this.#reorders ? 0 : key ? 40_000 : this.#sinceKey % 3 === 1 ? 120_000 : 0;
      this.stream.publish({ ...one, track: this.#video, ptsUs: at + shownLater, key });
    }
    if (this.#audio !== undefined) this.stream.publish({ ...one, track: this.#audio, ptsUs: at, key: true });
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each([1, 2, 3, 4, 5, 6])(
  'whatever source and conversions do, viewers get what they take, from key frames on, in order, and nothing is left (%i)',
  (seed) => {
    const random = prng(seed);
    const converter = new RelabelConverter();
    const adaptations = new Adaptations({ converter, log: new TestLog(), counters: new TestCounters() });
    const source = new RestlessSource(random);
    const viewers = new Set<Viewer>();
    const faults: string[] = [];
    let seen = 0;
    const leave = (viewer: Viewer): void => {
      viewer.close();
      viewers.delete(viewer);
      faults.push(...viewer.faults);
      seen += viewer.seen;
    };
    const join = (): void => {
      const acceptance = ACCEPTANCES[Math.floor(random() * ACCEPTANCES.length)] as Acceptance;
      viewers.add(new Viewer(adaptations.lease(source.stream, acceptance, { steady: true }), acceptance));
    };
    const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
    for (let step = 0; step < STEPS; step++) {
      const dice = random();
      if (dice < 0.01) source.change();
      else if (dice < 0.013) source.reconnect();
      else if (dice < 0.03) join();
      else if (dice < 0.04) for (const viewer of [...viewers].slice(0, 1)) leave(viewer);
      else if (dice < 0.044) pick(converter.running)?.fail('by chance');
      else if (dice < 0.046) converter.refusal = converter.refusal === undefined ? 'no core is free' : undefined;
      else if (dice < 0.05) converter.held = !converter.held;
      else if (dice < 0.1) vi.advanceTimersByTime(random() * 3000);
      else if (dice < 0.3) pick(converter.running)?.release(Math.floor(random() * 20));
      else if (dice < 0.32) pick(converter.running)?.release();
      else source.next();
    }
    for (const viewer of [...viewers]) leave(viewer);
    expect(faults).toEqual([]);
    expect(seen).toBeGreaterThan(1000);
    vi.advanceTimersByTime(60_000);
    expect([converter.running.length, adaptations.size, source.stream.readerCount]).toEqual([0, 0, 0]);
  },
);
