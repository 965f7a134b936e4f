import type { MediaPacket, Track } from '@sluice/media';
import type { Conversion, ConversionTarget, Converter } from '../converter.ts';
import type { ConversionFacts } from '../explain.ts';
import { KeyFrameRetry } from '../key-frame-retry.ts';
import { type LogEntry, PacketLog } from '../packet-log.ts';
import type { Log } from '../ports.ts';
import type { Reader } from '../reader.ts';
import type { Stream } from '../stream.ts';
import type { StreamEntry } from '../stream-log.ts';

/**
 * Of a past that is converted at once, and of all that comes before the first result, so much is given away at a time:
 * what waits for a worker is bounded, and soon dropped, while the source's log keeps what has not been read. Both must
 * be exceeded: streams of few pictures need more time, codecs keep some packets to themselves.
 */
const AHEAD_US = 1_000_000;
const AHEAD_PACKETS = 25;
/** A conversion that has not reached the present by then is too slow for this, and left to drop what it can't take. */
const CATCH_UP_MS = 10_000;

/** Who follows a conversion. Called synchronously; must not throw. */
export interface ConversionListener {
  /** A converted packet of the source's publication with that epoch. */
  onConverted(packet: MediaPacket, epoch: number): void;
  /** Nothing will come until the source becomes another one. */
  onConversionFailed(reason: string): void;
}

export interface TrackConversionEnv {
  readonly converter: Converter;
  readonly log: Log;
  /** The last listener has left. */
  onIdle(): void;
}

/** What is converted into what. */
export interface ConversionOrder {
  readonly kind: Track['kind'];
  readonly target: ConversionTarget;
  /** Stands for the source towards other conversions of it, which decode it together: see Converter. */
  readonly feed?: object | undefined;
}

interface ConvertedEntry extends LogEntry {
  readonly packet: MediaPacket;
  readonly epoch: number;
}

/**
 * One kind of track of a stream, converted once for all that want it in that codec. Begins with its first listener,
 * goes on over changes of codec and publisher, and keeps what it has made since the newest key frame for listeners
 * that come later.
 */
export class TrackConversion {
  readonly #source: Stream;
  readonly #kind: Track['kind'];
  readonly #target: ConversionTarget;
  readonly #feed: object | undefined;
  readonly #env: TrackConversionEnv;
  readonly #made: PacketLog<ConvertedEntry>;
  readonly #keyFrames = new KeyFrameRetry();
  #listeners: readonly ConversionListener[] = [];
  #reader: Reader | undefined;
  #conversion: Conversion | undefined;
  #epoch = -1;
  #codec: Track['codec'] | undefined;
  #needsStart = true;
  #draining = false;
  /** Until when it is fed at its own pace, on the clock of `performance.now()`; undefined when it has caught up. */
  #catchUpUntilMs: number | undefined;
  /** Times of what was given until then and is not in the results. */
  #given: number[] = [];
  #hasResult = false;
  #firstUs: number | undefined;
  #failure: string | undefined;
  #openedMs = 0;
  /** Newest times that went in and came out. */
  #takenUs = 0;
  #madeUs = 0;

  constructor(source: Stream, { kind, target, feed }: ConversionOrder, env: TrackConversionEnv) {
    this.#source = source;
    this.#kind = kind;
    this.#target = target;
    this.#feed = feed;
    this.#env = env;
    const { gopCacheMaxMs, gopCacheMaxBytes } = source.options;
    this.#made = new PacketLog({ maxDurationMs: gopCacheMaxMs, maxBytes: gopCacheMaxBytes });
  }

  /**
   * Adds a listener. The first one's wish where to begin counts: with the entry of the source's log of that number.
   * A later one is handed at once what is kept: pictures since the newest key frame, or all sound.
   */
  add(listener: ConversionListener, from: number): void {
    this.#listeners = [...this.#listeners, listener];
    if (this.#reader === undefined) this.#start(from);
    else if (this.#failure !== undefined) listener.onConversionFailed(this.#failure);
    else this.#replay(listener);
  }

  /** Removes a listener; after the last one the conversion is over. */
  remove(listener: ConversionListener): void {
    if (!this.#listeners.includes(listener)) return;
    this.#listeners = this.#listeners.filter((other) => other !== listener);
    if (this.#listeners.length > 0) return;
    this.close();
    this.#env.onIdle();
  }

  /** Time from which on one who joins now gets results; undefined before the first packet. */
  get keptFromUs(): number | undefined {
    return this.#made.at(this.#made.start)?.dtsUs ?? this.#firstUs;
  }

  /** What is converted, and at what cost; undefined before the first packet. */
  facts(): ConversionFacts | undefined {
    if (this.#codec === undefined || this.#openedMs === 0) return undefined;
    return {
      kind: this.#kind,
      from: this.#codec,
      to: this.#target.codec,
      sinceMs: this.#openedMs,
      users: this.#listeners.length,
      failure: this.#failure,
      ...this.#conversion?.cost?.(),
    };
  }

  /** Content that went in and has not come out yet, microseconds; some of it codecs keep to themselves. */
  get owedUs(): number {
    return this.#failure !== undefined || this.#conversion === undefined
      ? 0
      : Math.max(0, this.#takenUs - this.#madeUs);
  }

  /** Reads no more of the source, after all that is there; what was made of it still comes, until `close`. */
  finish(): void {
    this.#runFreely();
    this.#drain();
    this.#reader?.close();
  }

  /** The next picture becomes a key frame. */
  requestKeyFrame(): void {
    this.#conversion?.requestKeyFrame();
  }

  /** Ends it. Idempotent; no listener is told. */
  close(): void {
    this.#listeners = [];
    this.#reader?.close();
    this.#stop();
  }

  #start(from: number): void {
    this.#reader = this.#source.attach({
      startAt: from,
      onReadable: () => this.#drain(),
      onEnd: () => this.#stop(),
    });
    this.#drain();
  }

  #replay(listener: ConversionListener): void {
    const { lastStartPoint, end } = this.#made;
    const from = this.#kind === 'video' && lastStartPoint >= 0 ? lastStartPoint : this.#made.start;
    for (let i = from; i < end; i++) {
      const entry = this.#made.at(i);
      if (entry !== undefined) listener.onConverted(entry.packet, entry.epoch);
    }
  }

  #drain(): void {
    // A converter may answer at once.
    if (this.#draining) return;
    this.#draining = true;
    while (!this.#isAhead()) {
      const entry = this.#reader?.read();
      if (entry === undefined) {
        if (this.#hasResult) this.#runFreely();
        break;
      }
      this.#take(entry);
    }
    this.#draining = false;
  }

  #isAhead(): boolean {
    if (this.#catchUpUntilMs === undefined || this.#conversion === undefined) return false;
    if (performance.now() > this.#catchUpUntilMs) {
      this.#runFreely();
      return false;
    }
    const { [0]: oldestUs = 0, length } = this.#given;
    return length > AHEAD_PACKETS && (this.#given[length - 1] ?? 0) - oldestUs > AHEAD_US;
  }

  #runFreely(): void {
    this.#catchUpUntilMs = undefined;
    this.#given = [];
  }

  #take({ packet, state }: StreamEntry): void {
    if (state.epoch !== this.#epoch) this.#restart(state.epoch);
    if (packet.track.kind !== this.#kind) return;
    if (packet.track.codec !== this.#codec) {
      this.#codec = packet.track.codec;
      this.#failure = undefined;
      this.#needsStart = true;
    }
    if (this.#failure !== undefined) return;
    if (this.#needsStart && !packet.key) return this.#keyFrames.ask(this.#source);
    if (!this.#env.converter.canConvert(packet.track.codec, this.#target.codec)) return;
    this.#needsStart = false;
    this.#takenUs = packet.dtsUs;
    if (this.#conversion === undefined) {
      this.#firstUs = packet.dtsUs;
      this.#madeUs = packet.dtsUs;
      this.#open(packet.track);
    }
    if (this.#catchUpUntilMs !== undefined) this.#given.push(packet.dtsUs);
    this.#conversion?.push(packet);
  }

  /** Another publisher: what was made of the one before is of no use to anyone. */
  #restart(epoch: number): void {
    this.#stop();
    this.#made.clear();
    this.#epoch = epoch;
    this.#codec = undefined;
  }

  #open(track: Track): void {
    this.#catchUpUntilMs = performance.now() + CATCH_UP_MS;
    this.#given = [];
    this.#hasResult = false;
    this.#openedMs = Date.now();
    const epoch = this.#epoch;
    const what = { stream: this.#source.name, from: track.codec, to: this.#target.codec };
    this.#env.log.info(what, 'conversion started');
    const events = {
      onPacket: (packet: MediaPacket) => this.#emit(packet, epoch),
      onFailed: (reason: string) => this.#fail(reason, what),
      onKeyFrameNeeded: () => this.#source.requestKeyFrame(),
    };
    const conversion = this.#env.converter.open(track, this.#target, events, this.#feed);
    // It may have failed at once.
    if (this.#failure === undefined) this.#conversion = conversion;
  }

  #emit(packet: MediaPacket, epoch: number): void {
    const { dtsUs, byteLength, key: startPoint } = packet;
    this.#made.append({ packet, epoch, dtsUs, byteLength, startPoint });
    this.#hasResult = true;
    this.#madeUs = dtsUs;
    while ((this.#given[0] ?? Number.POSITIVE_INFINITY) <= dtsUs) this.#given.shift();
    for (const listener of this.#listeners) listener.onConverted(packet, epoch);
    if (this.#catchUpUntilMs !== undefined) this.#drain();
  }

  #fail(reason: string, what: object): void {
    this.#failure = reason;
    this.#conversion = undefined;
    this.#made.clear();
    this.#env.log.warn({ ...what, reason }, 'conversion failed, the track is left out');
    for (const listener of this.#listeners) listener.onConversionFailed(reason);
  }

  #stop(): void {
    const conversion = this.#conversion;
    this.#conversion = undefined;
    if (conversion === undefined) return;
    conversion.close();
    this.#env.log.info({ stream: this.#source.name, to: this.#target.codec }, 'conversion ended');
  }
}
