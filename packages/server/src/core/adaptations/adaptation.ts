import { codecTitle, type MediaPacket, type Track } from '@sluice/media';
import type { ConversionTarget, Converter } from '../converter.ts';
import type { Counters } from '../ports.ts';
import type { Reader } from '../reader.ts';
import type { Stream, StreamState } from '../stream.ts';
import type { StreamEntry } from '../stream-log.ts';
import { type Acceptance, accepts, targetOf, wants } from './acceptance.ts';
import { withoutCodecFacts } from './codec-facts.ts';
import { DerivedStream } from './derived-stream.ts';
import { Interleaver } from './interleaver.ts';
import type { ConversionListener, TrackConversion } from './track-conversion.ts';

type Kind = Track['kind'];

/** Tracks of the source that are missing for a viewer, each with a sentence that says why. */
export type LeftOut = Readonly<Partial<Record<Kind, string>>>;

export interface AdaptationEnv {
  readonly converter: Converter;
  readonly counters: Counters;
  /** The conversion of the source's tracks of that kind, shared by all who want it. */
  conversionOf(kind: Kind, target: ConversionTarget): TrackConversion;
  /** Time from which on the results of that conversion can be had, when it runs already. */
  keptFromUs(kind: Kind, target: ConversionTarget): number | undefined;
  /** The source is over, and the derived stream with it. */
  onEnded(): void;
  /** Number of the entry of the source's log to begin with; by default the acceptance says where. */
  readonly from?: number | undefined;
}

const KEY_FRAME_RETRY_MS = 500;
/** Sound may begin so much later than the picture that it belongs to. */
const START_TOLERANCE_US = 100_000;
/** Codecs keep so much to themselves: when no more than that is owed and nothing has come for a moment, nothing will. */
const KEPT_US = 100_000;
const QUIET_MS = 100;

/** What becomes of the source's packets of one kind. */
type Way = 'pass' | 'convert' | 'leave out';

/** One kind of track on its way from the source to the derived stream. */
class Lane implements ConversionListener {
  way: Way | undefined;
  /** The source's track that the way was chosen for. */
  track: Track | undefined;
  conversion: TrackConversion | undefined;
  leftOut: string | undefined;
  /** Of what was handed on; decoding times of a track never decrease. */
  lastDtsUs = Number.NEGATIVE_INFINITY;
  highestPtsUs = Number.NEGATIVE_INFINITY;
  needsKey = true;
  askedMs = Number.NEGATIVE_INFINITY;
  readonly onConverted: ConversionListener['onConverted'];
  readonly onConversionFailed: ConversionListener['onConversionFailed'];

  constructor(events: ConversionListener) {
    this.onConverted = events.onConverted;
    this.onConversionFailed = events.onConversionFailed;
  }
}

/**
 * Makes the derived stream of one source for one acceptance: what can be taken goes through as it is, the rest by way
 * of a conversion. Decides for each packet, so that whatever the source becomes is answered at once.
 */
export class Adaptation {
  readonly stream: DerivedStream;
  readonly #source: Stream;
  readonly #acceptance: Acceptance;
  readonly #env: AdaptationEnv;
  readonly #interleaver: Interleaver;
  readonly #lanes: Readonly<Record<Kind, Lane>>;
  readonly #reader: Reader;
  #state: StreamState | undefined;
  #reorders = false;
  /** Number of the entry in the source's log that is being handled, and of the newest key frame up to it. */
  #at = 0;
  #keyAt = 0;
  #closed = false;
  /** What `finish` has promised. */
  #finishing: { readonly resolve: () => void; readonly patienceMs: number } | undefined;
  #quiet: NodeJS.Timeout | undefined;

  constructor(source: Stream, acceptance: Acceptance, env: AdaptationEnv) {
    this.#source = source;
    this.#acceptance = acceptance;
    this.#env = env;
    this.stream = new DerivedStream(source, () => this.#lanes.video.conversion);
    this.#interleaver = new Interleaver({
      onPacket: (packet) => this.stream.publish(packet),
      maxBytes: source.options.gopCacheMaxBytes,
    });
    this.#lanes = { video: this.#lane('video'), audio: this.#lane('audio') };
    this.#reader = source.attach({
      startAt: this.#startAt(),
      onReadable: () => this.#drain(),
      onEnd: (reason) => this.#end(reason),
    });
    // What it declares before its first packet; a log that is not empty has all of that in its entries.
    if (source.log.lastStartPoint < 0) {
      // Conversions that run already hand over what they have made: both, before any of it goes out.
      this.#interleaver.shut();
      this.#become(source.state);
    }
    this.#drain();
  }

  /** Tracks that are missing at this moment. */
  get leftOut(): LeftOut {
    const { video, audio } = this.#lanes;
    return {
      ...(video.leftOut !== undefined && { video: video.leftOut }),
      ...(audio.leftOut !== undefined && { audio: audio.leftOut }),
    };
  }

  /** Packets of the source that its conversions have left out: their worker was too slow, or they were damaged. */
  get lostPackets(): number {
    const lanes = [this.#lanes.video, this.#lanes.audio];
    return lanes.reduce((sum, { conversion }) => {
      const facts = conversion?.facts();
      return sum + (facts?.dropped ?? 0) + (facts?.damaged ?? 0);
    }, 0);
  }

  /**
   * Reads no more of the source, which need not wait for it any more. Resolves when all that was read is in the derived
   * stream, as far as its conversions give it: with false when nothing has come of them for that time. Only for
   * conversions that nobody else uses.
   */
  async finish(patienceMs: number): Promise<boolean> {
    if (this.#closed) return true;
    this.#drain();
    this.#reader.close();
    for (const lane of [this.#lanes.video, this.#lanes.audio]) lane.conversion?.finish();
    if (this.#owedUs > 0) {
      await new Promise<void>((resolve) => {
        this.#finishing = { resolve, patienceMs };
        this.#awaitQuiet();
      });
      clearTimeout(this.#quiet);
      this.#finishing = undefined;
    }
    return this.#owedUs <= KEPT_US;
  }

  get #owedUs(): number {
    const { video, audio } = this.#lanes;
    return Math.max(video.conversion?.owedUs ?? 0, audio.conversion?.owedUs ?? 0);
  }

  #awaitQuiet(): void {
    const finishing = this.#finishing;
    if (finishing === undefined) return;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(finishing.resolve, this.#owedUs <= KEPT_US ? QUIET_MS : finishing.patienceMs);
  }

  /** Ends the derived stream and gives its conversions back. Idempotent. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#finishing?.resolve();
    this.#reader.close();
    for (const lane of [this.#lanes.video, this.#lanes.audio]) this.#detach(lane);
    this.#interleaver.flush();
    this.#interleaver.clear();
    this.stream.end(reason);
  }

  #lane(kind: Kind): Lane {
    return new Lane({
      onConverted: (packet, epoch) => this.#onConverted(packet, epoch),
      onConversionFailed: (reason) => this.#onFailed(kind, reason),
    });
  }

  /** Viewers must not begin with a past that has no sound because others had its conversion begin later. */
  #startAt(): 'gop' | 'oldest' | number {
    if (this.#env.from !== undefined) return this.#env.from;
    const { state, reordersVideo, log } = this.#source;
    const { video, audio } = state;
    const passes = video === undefined || accepts(this.#acceptance, video, reordersVideo);
    if (!passes || this.#acceptance.startAt !== 'oldest') return 'gop';
    const audioTarget = targetOf(this.#acceptance, 'audio');
    if (audio === undefined || audioTarget === undefined || accepts(this.#acceptance, audio, false)) return 'oldest';
    const fromUs = this.#env.keptFromUs('audio', audioTarget);
    if (fromUs === undefined) return 'oldest';
    for (let at = log.start; at < log.end; at++) {
      const entry = log.at(at);
      if (entry?.startPoint === true && entry.dtsUs >= fromUs - START_TOLERANCE_US) return at;
    }
    return 'gop';
  }

  #end(reason: string): void {
    this.close(reason);
    this.#env.onEnded();
  }

  // Hot path: once per packet of the source.
  #drain(): void {
    this.#interleaver.shut();
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read()) {
      this.#at = this.#reader.position - 1;
      this.#take(entry);
    }
    this.#interleaver.open();
  }

  #take({ packet, state }: StreamEntry): void {
    const { kind } = packet.track;
    if (kind === 'video' && packet.key) this.#keyAt = this.#at;
    if (state !== this.#state || this.#source.reordersVideo !== this.#reorders) this.#become(state);
    const lane = this.#lanes[kind];
    if (lane.way === 'convert') this.#interleaver.expect(kind, packet.dtsUs);
    else if (lane.way === 'pass') this.#handOn(lane, packet);
  }

  #become(state: StreamState): void {
    if (this.#state !== undefined && state.epoch !== this.#state.epoch) this.#restart();
    if (state.epoch !== this.stream.state.epoch) this.stream.begin(state.epoch);
    this.#state = state;
    this.#reorders = this.#source.reordersVideo;
    for (const kind of ['video', 'audio'] as const) this.#choose(kind, state[kind]);
    this.#describe(state);
  }

  /** Another publisher: nothing of the one before matters any more. */
  #restart(): void {
    this.#interleaver.clear();
    for (const lane of [this.#lanes.video, this.#lanes.audio]) {
      lane.way = undefined;
      lane.track = undefined;
      lane.leftOut = undefined;
      lane.lastDtsUs = Number.NEGATIVE_INFINITY;
      lane.highestPtsUs = Number.NEGATIVE_INFINITY;
      lane.needsKey = true;
    }
  }

  #choose(kind: Kind, track: Track | undefined): void {
    if (track === undefined) return;
    const lane = this.#lanes[kind];
    const before = lane.track;
    lane.track = track;
    const target = targetOf(this.#acceptance, kind);
    if (accepts(this.#acceptance, track, this.#reorders)) this.#pass(lane, track);
    else if (target !== undefined && this.#env.converter.canConvert(track.codec, target.codec)) {
      // A failure holds for what was tried.
      const failed = lane.way === 'leave out' && before?.codec === track.codec;
      if (lane.way !== 'convert' && !failed) this.#convert(lane, track, target);
    } else {
      this.#detach(lane);
      this.#leaveOut(lane, track, `${codecTitle(track.codec)} can not be converted here`);
    }
  }

  #pass(lane: Lane, track: Track): void {
    if (lane.way !== 'pass') {
      this.#detach(lane);
      lane.way = 'pass';
      lane.leftOut = undefined;
      lane.needsKey = true;
      this.#interleaver.expectNothing(track.kind);
    }
    if (this.stream.state[track.kind] === undefined) this.stream.setTrack(track);
  }

  #convert(lane: Lane, { kind }: Track, target: ConversionTarget): void {
    lane.way = 'convert';
    lane.leftOut = undefined;
    lane.needsKey = true;
    // Before a first packet: what comes of the other kind waits, so that viewers begin with both.
    this.#interleaver.announce(kind, this.#source.log.dtsUsAt(this.#at) ?? 0);
    if (lane.conversion !== undefined) return;
    lane.conversion = this.#env.conversionOf(kind, target);
    // Pictures are decoded from a key frame on, even where the need for it shows later (B-frames).
    lane.conversion.add(lane, kind === 'video' ? this.#keyAt : this.#at);
  }

  #leaveOut(lane: Lane, { kind }: Track, reason: string): void {
    lane.way = 'leave out';
    if (wants(this.#acceptance, kind)) {
      if (lane.leftOut !== reason) this.#env.counters.count('derived_left_out_tracks');
      lane.leftOut = reason;
    }
    this.#interleaver.discard(kind);
    this.stream.leaveOut(kind);
  }

  #describe(state: StreamState): void {
    if (state.metadata === undefined) return;
    const converted = (['video', 'audio'] as const).filter((kind) => {
      const { way } = this.#lanes[kind];
      return way === 'convert' || way === 'leave out';
    });
    const metadata = withoutCodecFacts(state.metadata, converted);
    // The source's log has been charged for it.
    if (metadata !== this.stream.state.metadata) this.stream.setMetadata(metadata, 0);
  }

  #onConverted(packet: MediaPacket, epoch: number): void {
    // Its own reader may see a publisher's first packet before ours does.
    if (this.#state !== undefined && epoch > this.#state.epoch) this.#drain();
    const lane = this.#lanes[packet.track.kind];
    if (epoch === this.#state?.epoch && lane.way === 'convert') this.#handOn(lane, packet);
    this.#awaitQuiet();
  }

  #onFailed(kind: Kind, reason: string): void {
    const lane = this.#lanes[kind];
    if (lane.track !== undefined) this.#leaveOut(lane, lane.track, reason);
  }

  /** Gives the next packet of a lane to the viewers, unless it would take them back or they can't begin with it. */
  #handOn(lane: Lane, packet: MediaPacket): void {
    const { dtsUs, ptsUs, track } = packet;
    if (dtsUs < lane.lastDtsUs || (lane.needsKey && ptsUs <= lane.highestPtsUs)) return;
    if (lane.needsKey && !packet.key) {
      this.#retryKeyFrame(lane);
      return;
    }
    lane.needsKey = false;
    lane.lastDtsUs = dtsUs;
    if (ptsUs > lane.highestPtsUs) lane.highestPtsUs = ptsUs;
    if (this.stream.state[track.kind] === undefined) this.stream.setTrack(track);
    this.#interleaver.push(packet);
  }

  #retryKeyFrame(lane: Lane): void {
    const nowMs = performance.now();
    if (nowMs - lane.askedMs < KEY_FRAME_RETRY_MS) return;
    lane.askedMs = nowMs;
    this.stream.requestKeyFrame();
  }

  #detach(lane: Lane): void {
    lane.conversion?.remove(lane);
    lane.conversion = undefined;
  }
}
