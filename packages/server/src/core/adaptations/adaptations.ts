import type { Track } from '@sluice/media';
import type { ConversionTarget, Converter } from '../converter.ts';
import type { ConversionFacts } from '../explain.ts';
import type { Counters, Log } from '../ports.ts';
import type { Stream } from '../stream.ts';
import { type Acceptance, accepts, hasUnfit, takesEverything, targetKey, targetOf, wants } from './acceptance.ts';
import { Adaptation, type LeftOut } from './adaptation.ts';
import { FitWatch } from './fit-watch.ts';
import { OverlaidStream } from './overlaid-stream.ts';
import { TrackConversion } from './track-conversion.ts';

/** A viewer's hold on a stream in a form that it can take; dispose of it when the viewer leaves. */
export interface AdaptedStream extends Disposable {
  /** The source itself, or a stream derived from it; read it like any other. */
  readonly stream: Stream;
  readonly source: Stream;
  /** What the viewer takes. */
  readonly acceptance: Acceptance;
  /** Why tracks of the source are missing in the derived stream; none of a source that is given as it is. */
  readonly leftOut: LeftOut;
}

/** A derived stream that nobody else has; it ends when it is disposed of. */
export interface OwnStream extends AdaptedStream {
  /** Packets of the source that could not be converted: the worker was too slow, or they were damaged. */
  readonly lostPackets: number;
  /**
   * Reads no more of the source, from now on: that need not wait for it. Resolves when what was read until now is in the
   * derived stream, as far as it can be had: with false when nothing has come of a conversion for that time.
   */
  finish(patienceMs: number): Promise<boolean>;
}

export interface LeaseOptions {
  /**
   * For viewers that would rather have the source, and can change over: they are given the source as long as there is
   * nothing in it that they can't take. Called once when that is no longer so; the viewer is to lease anew then.
   */
  onUnfit?(): void;
  /** For viewers that can't change over: the source is given only when nothing that may ever come must be converted. */
  readonly steady?: boolean;
}

/**
 * What a track takes to be played: `absent`, there is none (yet) or it is not wanted; `no` conversion; a conversion,
 * `yes`; or one that is `impossible`, so that the track is left out.
 */
export type Need = 'absent' | 'no' | 'yes' | 'impossible';

export interface AdaptationsDeps {
  /** Undefined: nothing is converted, everyone gets the source. */
  readonly converter: Converter | undefined;
  readonly log: Log;
  readonly counters: Counters;
}

/** How long a derived stream with its conversions outlives its last viewer, so that a reload finds it. */
const LINGER_MS = 5000;

interface Derived {
  readonly adaptation: Adaptation;
  leases: number;
  linger: NodeJS.Timeout | undefined;
}

/** What was made of one source. */
class Derivatives {
  readonly derived = new Map<string, Derived>();
  readonly conversions = new Map<string, TrackConversion>();
  readonly watches = new Map<string, FitWatch>();

  get empty(): boolean {
    return this.derived.size + this.conversions.size + this.watches.size === 0;
  }
}

/**
 * Gives viewers streams that they can take: the source where possible, or a stream derived from it, with the tracks
 * converted that they can't take. Viewers that take the same share a derived stream, and derived streams share
 * conversions; all of it begins with the first viewer and ends some time after the last one.
 */
export class Adaptations {
  readonly #deps: AdaptationsDeps;
  readonly #lingerMs: number;
  readonly #sources = new Map<Stream, Derivatives>();
  #owned = 0;
  #closed = false;

  constructor(deps: AdaptationsDeps, options: { readonly lingerMs?: number } = {}) {
    this.#deps = deps;
    this.#lingerMs = options.lingerMs ?? LINGER_MS;
  }

  /** Streams of which something is derived or watched at this moment. */
  get size(): number {
    return this.#sources.size;
  }

  /** True when tracks can be converted at all. */
  get enabled(): boolean {
    return this.#deps.converter !== undefined;
  }

  /** What the stream's tracks of this moment take to be played by such a viewer. */
  needsConversion(stream: Stream, acceptance: Acceptance): Readonly<Record<Track['kind'], Need>> {
    const need = (kind: Track['kind']): Need => {
      const track = stream.state[kind];
      if (track === undefined || !wants(acceptance, kind)) return 'absent';
      if (accepts(acceptance, track, stream.reordersVideo)) return 'no';
      const target = targetOf(acceptance, kind);
      return target !== undefined && this.#deps.converter?.canConvert(track.codec, target.codec) ? 'yes' : 'impossible';
    };
    return { video: need('video'), audio: need('audio') };
  }

  /** The conversions of that stream's tracks that run at this moment, or were given up. */
  conversionsOf(stream: Stream): readonly ConversionFacts[] {
    const conversions = this.#sources.get(stream)?.conversions.values() ?? [];
    return Array.from(conversions, (conversion) => conversion.facts()).filter((facts) => facts !== undefined);
  }

  /** The conversion that gives such viewers that kind of media of the stream, if it runs or was given up. */
  conversionFor(stream: Stream, kind: Track['kind'], acceptance: Acceptance): ConversionFacts | undefined {
    const target = targetOf(acceptance, kind);
    return target && this.#sources.get(stream)?.conversions.get(keyOf(kind, target))?.facts();
  }

  /** Lends a form of the stream that such a viewer can take. Shared by all who ask with an acceptance of that key. */
  lease(stream: Stream, acceptance: Acceptance, options: LeaseOptions = {}): AdaptedStream {
    if (stream instanceof OverlaidStream) return stream.over(this.lease(stream.base, acceptance, options));
    const { converter } = this.#deps;
    if (converter === undefined || this.#closed || stream.ended || takesEverything(acceptance))
      return asItIs(stream, acceptance);
    if (options.onUnfit !== undefined && !hasUnfit(stream, acceptance))
      return { ...asItIs(stream, acceptance), ...this.#watch(stream, acceptance, options.onUnfit) };
    if (options.steady !== true && options.onUnfit === undefined && willFit(stream, acceptance))
      return asItIs(stream, acceptance);
    const { key } = acceptance;
    this.#forgetFailed(stream, key);
    const derived = this.#derivativesOf(stream).derived.get(key) ?? this.#derive(stream, converter, { acceptance });
    clearTimeout(derived.linger);
    derived.leases++;
    let over = false;
    return {
      stream: derived.adaptation.stream,
      source: stream,
      acceptance,
      get leftOut() {
        return derived.adaptation.leftOut;
      },
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        derived.leases--;
        if (derived.leases === 0) this.#linger(stream, key, derived);
      },
    };
  }

  /**
   * Makes a derived stream for one that must lose nothing (a recorder): it begins with the entry of the source's log of
   * that number, shares nothing, and gives what it owes when the source is over. Undefined when nothing is converted here.
   */
  own(stream: Stream, acceptance: Acceptance, from: number): OwnStream | undefined {
    const { converter } = this.#deps;
    if (converter === undefined || this.#closed || stream.ended) return undefined;
    const key = `${acceptance.key} own ${++this.#owned}`;
    const derived = this.#derive(stream, converter, { acceptance: { ...acceptance, key }, from });
    const { adaptation } = derived;
    return {
      stream: adaptation.stream,
      source: stream,
      acceptance,
      get leftOut() {
        return adaptation.leftOut;
      },
      get lostPackets() {
        return adaptation.lostPackets;
      },
      finish: (patienceMs) => adaptation.finish(patienceMs),
      [Symbol.dispose]: () => this.#end(stream, key, 'nobody reads it'),
    };
  }

  /** Ends all derived streams and conversions. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const [stream, all] of [...this.#sources]) {
      for (const key of [...all.derived.keys()]) this.#end(stream, key, 'server stops');
      for (const watch of [...all.watches.values()]) watch.close();
    }
    this.#sources.clear();
  }

  #derivativesOf(stream: Stream): Derivatives {
    const all = this.#sources.get(stream) ?? new Derivatives();
    this.#sources.set(stream, all);
    return all;
  }

  /** With `from` the derived stream begins with that entry, and has conversions of its own. */
  #derive(stream: Stream, converter: Converter, what: { acceptance: Acceptance; from?: number }): Derived {
    const { counters } = this.#deps;
    const { acceptance, from } = what;
    const owner = from === undefined ? '' : acceptance.key;
    counters.count('derived_streams');
    const adaptation = new Adaptation(stream, acceptance, {
      converter,
      counters,
      from,
      conversionOf: (kind, target) => this.#conversionOf(stream, { kind, target, owner }, converter),
      keptFromUs: (kind, target) => this.#sources.get(stream)?.conversions.get(keyOf(kind, target))?.keptFromUs,
      onEnded: () => this.#end(stream, acceptance.key, 'the source is over'),
    });
    const derived: Derived = { adaptation, leases: 0, linger: undefined };
    this.#derivativesOf(stream).derived.set(acceptance.key, derived);
    return derived;
  }

  #conversionOf(
    stream: Stream,
    what: { kind: Track['kind']; target: ConversionTarget; owner: string },
    converter: Converter,
  ): TrackConversion {
    const all = this.#derivativesOf(stream);
    const key = keyOf(what.kind, what.target) + what.owner;
    let conversion = all.conversions.get(key);
    if (conversion === undefined) {
      // Decoded together with others only where all begin alike: what has an owner begins where that wants.
      const feed = what.kind === 'video' && what.owner === '' ? stream : undefined;
      conversion = new TrackConversion(
        stream,
        { ...what, feed },
        {
          log: this.#deps.log,
          converter,
          onIdle: () => {
            all.conversions.delete(key);
            this.#tidy(stream, all);
          },
        },
      );
      all.conversions.set(key, conversion);
    }
    return conversion;
  }

  /** What lacks a track and has nobody any more is made anew: there may be room now for what was refused then. */
  #forgetFailed(stream: Stream, key: string): void {
    const derived = this.#sources.get(stream)?.derived.get(key);
    if (derived === undefined || derived.leases > 0) return;
    const { video, audio } = derived.adaptation.leftOut;
    if (video !== undefined || audio !== undefined) this.#end(stream, key, 'it is made anew');
  }

  #linger(stream: Stream, key: string, derived: Derived): void {
    if (this.#sources.get(stream)?.derived.get(key) !== derived) return;
    derived.linger = setTimeout(() => this.#end(stream, key, 'nobody watches'), this.#lingerMs);
    derived.linger.unref();
  }

  #end(stream: Stream, key: string, reason: string): void {
    const all = this.#sources.get(stream);
    const derived = all?.derived.get(key);
    if (all === undefined || derived === undefined) return;
    clearTimeout(derived.linger);
    all.derived.delete(key);
    derived.adaptation.close(reason);
    this.#tidy(stream, all);
  }

  #watch(stream: Stream, acceptance: Acceptance, onUnfit: () => void): Disposable {
    const all = this.#derivativesOf(stream);
    const { key } = acceptance;
    const watch =
      all.watches.get(key) ??
      new FitWatch(stream, acceptance, () => {
        all.watches.delete(key);
        this.#tidy(stream, all);
      });
    all.watches.set(key, watch);
    return watch.add(onUnfit);
  }

  #tidy(stream: Stream, all: Derivatives): void {
    if (all.empty && this.#sources.get(stream) === all) this.#sources.delete(stream);
  }
}

function keyOf(kind: Track['kind'], target: ConversionTarget): string {
  return `${kind} ${targetKey(target)}`;
}

function asItIs(stream: Stream, acceptance: Acceptance): AdaptedStream {
  return { stream, source: stream, acceptance, leftOut: {}, [Symbol.dispose]: () => {} };
}

/** True when all tracks are there, can be taken, and can't turn into something else but by a change of codec. */
function willFit(stream: Stream, acceptance: Acceptance): boolean {
  const { video, audio } = stream.state;
  if (video === undefined || audio === undefined || hasUnfit(stream, acceptance)) return false;
  // Publishers that speak RTP send pictures in the order in which they are shown.
  return acceptance.reorderedVideo || stream.rtp.video.format !== undefined;
}
