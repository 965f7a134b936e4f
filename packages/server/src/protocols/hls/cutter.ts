import type { MediaPacket, Track } from '@sluice/media';
import type { StreamEntry, StreamState } from '../../core/index.ts';
import { isCarriable } from './carriage.ts';
import { type Cut, type CutTracks, isSameTrack, withDurations } from './cut.ts';
import type { Boundary, SegmentTimeline } from './ladder/segment-timeline.ts';
import type { HlsOptions } from './options.ts';
import type { PartEnd, PartRule } from './packaging/part-rule.ts';

export interface SegmentCutterOptions {
  /** Tracks that it can not carry are left out. */
  readonly container: HlsOptions['container'];
  readonly segmentMinMs: number;
  readonly maxSegmentMs: number;
  /** A segment with more bytes than this is cut wherever it is. */
  readonly maxSegmentBytes: number;
  /** Divides segments into parts; absent: each is one part. */
  readonly parts?: PartRule | undefined;
  /** Pictures alone are cut, where another packager cuts them; absent: this one decides. */
  readonly follows?: SegmentTimeline | undefined;
  /** A segment begins with that packet. */
  onBegin?(first: MediaPacket, facts: { readonly epoch: number; readonly discontinuity: boolean }): void;
  /** Called synchronously with each finished part of a segment. */
  onCut(cut: Cut): void;
  /** A segment could end by now, but for a key frame. Called with each picture until one comes. */
  onKeyFrameWanted?(): void;
}

/** How long the first packets are held for the second track to be declared, media time. */
const TRACK_WAIT_US = 500_000;
/** A bound for sources whose time stands still. */
const MAX_HELD_PACKETS = 1000;
/** What a packet costs beside its bytes, in memory and in the segment's tables; counts for floods of tiny ones. */
const PACKET_OVERHEAD_BYTES = 256;
/** Timestamps of RTMP are rounded to milliseconds, so a key frame every 2 s may come after 1.999 s. */
const TOLERANCE_US = 20_000;
/** Segments and parts never last less, whatever their times are. */
const SHORTEST_US = 1000;

/**
 * Divides a stream's packets into segments that begin with key frames. Does no I/O and reads no clock.
 *
 * Packets are divided in their order of arrival, not by time: an audio packet that comes late goes into the next
 * segment, which players accept and which costs no latency. A changed decoder configuration takes effect at the
 * next place where a decoder can start; until then packets that need it are left out.
 */
export class SegmentCutter {
  readonly #options: SegmentCutterOptions;
  #epoch = -1;
  /** Packets held back until the tracks are known; undefined when they are. */
  #held: MediaPacket[] | undefined;
  #tracks: CutTracks = { video: undefined, audio: undefined };
  #changed: CutTracks | undefined;
  /** Of the current part. */
  #packets: MediaPacket[] = [];
  /** Of the current segment. */
  #bytes = 0;
  #first: MediaPacket | undefined;
  /** Number of the current segment where another packager counts; undefined before the first one. */
  #sequence: number | undefined;
  #discontinuity = false;
  /** True when parts of the current segment have been cut. */
  #opened = false;
  /** How much later pictures are shown than decoded: where there are B-frames, parts are divided in the order of decoding. */
  #delayUs = 0;

  constructor(options: SegmentCutterOptions) {
    this.#options = options;
  }

  /** Takes the next packet of the stream; calls `onCut` when it begins a new segment. */
  push(entry: StreamEntry): void {
    const { packet, state } = entry;
    if (state.epoch !== this.#epoch) this.#restart(state.epoch);
    if (!this.#isCarriable(packet.track)) return;
    if (this.#held !== undefined) {
      this.#hold(packet, state, this.#held);
      return;
    }
    this.#place(packet);
  }

  /** Ends the last segment. */
  end(): void {
    if (this.#held !== undefined && this.#held.length > 0) this.#begin(this.#held);
    this.#cut(undefined);
  }

  #isCarriable(track: Track | undefined): track is Track {
    if (this.#options.follows !== undefined && track?.kind === 'audio') return false;
    return isCarriable(track, this.#options.container);
  }

  #restart(epoch: number): void {
    const first = this.#epoch < 0;
    this.end();
    this.#epoch = epoch;
    this.#held = [];
    this.#changed = undefined;
    this.#discontinuity = !first;
  }

  #hold(packet: MediaPacket, state: StreamState, held: MediaPacket[]): void {
    const isVideo = packet.track.kind === 'video';
    // Audio that was held before video got known can't be the start any more.
    if (this.#isCarriable(state.video) && held[0]?.track.kind === 'audio') held.length = 0;
    if (held.length === 0 && !(isVideo ? packet.key : !this.#isCarriable(state.video))) return;
    held.push(packet);
    const waitedUs = packet.dtsUs - (held[0] as MediaPacket).dtsUs;
    const complete = state.video !== undefined && (state.audio !== undefined || this.#options.follows !== undefined);
    if (complete || waitedUs >= TRACK_WAIT_US || held.length >= MAX_HELD_PACKETS) this.#begin(held, state);
  }

  #begin(held: readonly MediaPacket[], state?: StreamState): void {
    const find = (kind: Track['kind']): Track | undefined => {
      const declared = kind === 'video' ? state?.video : state?.audio;
      return held.find((p) => p.track.kind === kind)?.track ?? (this.#isCarriable(declared) ? declared : undefined);
    };
    this.#held = undefined;
    this.#tracks = { video: find('video'), audio: find('audio') };
    for (const packet of held) this.#place(packet);
  }

  #place(packet: MediaPacket): void {
    const { follows } = this.#options;
    if (follows === undefined) this.#placeFreely(packet);
    else this.#placeAt(packet, follows.at(this.#epoch, packet.ptsUs));
  }

  /** The leader has decided where the segment begins that the picture is of, whether a decoder can begin there or not. */
  #placeAt(packet: MediaPacket, boundary: Boundary | undefined): void {
    // It is of a segment that begins before what can be had of this stream.
    if (boundary === undefined || (this.#sequence === undefined && !packet.key)) return;
    const begins = boundary.place.sequence !== this.#sequence;
    if (begins && this.#sequence === undefined && packet.ptsUs - boundary.startUs > TOLERANCE_US) return;
    if (begins) {
      this.#cut(packet);
      this.#sequence = boundary.place.sequence;
      this.#tracks = { video: packet.track, audio: undefined };
    } else if (!isSameTrack(this.#tracks.video, packet.track)) return;
    else this.#divide(packet);
    this.#add(packet);
  }

  #placeFreely(packet: MediaPacket): void {
    const { kind } = packet.track;
    if (!isSameTrack((this.#changed ?? this.#tracks)[kind], packet.track)) this.#change(packet.track);
    const startable = kind === 'video' ? packet.key : (this.#changed ?? this.#tracks).video === undefined;
    if (this.#changed !== undefined && startable) {
      this.#cut(packet);
      this.#tracks = this.#changed;
      this.#changed = undefined;
      this.#discontinuity = true;
    } else if (!isSameTrack(this.#tracks[kind], packet.track)) return;
    else if (this.#isBoundary(packet, startable)) this.#cut(packet);
    else this.#divide(packet);
    this.#add(packet);
  }

  #add(packet: MediaPacket): void {
    if (packet.track.kind === 'video' && packet.key) this.#delayUs = packet.ptsUs - packet.dtsUs;
    if (this.#first === undefined) {
      this.#first = packet;
      this.#options.parts?.begin(packet.ptsUs);
      this.#options.onBegin?.(packet, { epoch: this.#epoch, discontinuity: this.#discontinuity });
    }
    this.#packets.push(packet);
    this.#bytes += packet.byteLength + PACKET_OVERHEAD_BYTES;
  }

  /** Ends the current part before `packet` where it has to end. */
  #divide(packet: MediaPacket): void {
    const { parts } = this.#options;
    if (parts === undefined || this.#packets.length === 0) return;
    const isVideo = packet.track.kind === 'video';
    const leads = isVideo || this.#tracks.video === undefined;
    const end = leads
      ? parts.frame(packet.dtsUs + (isVideo ? this.#delayUs : 0), isVideo && packet.key)
      : parts.sound(packet.dtsUs);
    if (end !== undefined) this.#cutPart(packet, end);
  }

  #change(track: Track): void {
    const next = { ...(this.#changed ?? this.#tracks), [track.kind]: track };
    const reverted = isSameTrack(next.video, this.#tracks.video) && isSameTrack(next.audio, this.#tracks.audio);
    this.#changed = reverted ? undefined : next;
  }

  #isBoundary(packet: MediaPacket, startable: boolean): boolean {
    const first = this.#first;
    if (first === undefined) return false;
    const { segmentMinMs, maxSegmentMs, maxSegmentBytes } = this.#options;
    const elapsedUs = packet.ptsUs - first.ptsUs;
    if (elapsedUs >= segmentMinMs * 1000 - TOLERANCE_US) {
      if (startable) return true;
      if (packet.track.kind === 'video') this.#options.onKeyFrameWanted?.();
    }
    return elapsedUs >= maxSegmentMs * 1000 || this.#bytes + packet.byteLength > maxSegmentBytes;
  }

  /** Ends the segment before `next`; without it the segment lasts as long as its content. */
  #cut(next: MediaPacket | undefined): void {
    const first = this.#first;
    if (first === undefined) return;
    const { parts } = this.#options;
    const content = this.#takeContent(next);
    let endUs = Math.min(next?.ptsUs ?? first.ptsUs, this.#followingUs());
    if (endUs <= first.ptsUs) {
      for (const { packet, durationUs } of [...content.video, ...content.audio]) {
        endUs = Math.max(endUs, packet.ptsUs + durationUs);
      }
    }
    const segmentUs = Math.max(SHORTEST_US, endUs - first.ptsUs);
    const startUs = this.#opened ? (parts?.startUs ?? first.ptsUs) : first.ptsUs;
    parts?.settle();
    const longestUs = parts?.targetUs ?? Number.POSITIVE_INFINITY;
    const durationUs = Math.min(longestUs, Math.max(SHORTEST_US, endUs - startUs));
    this.#emit({ ...content, startUs, durationUs, segmentUs });
    this.#opened = false;
    this.#first = undefined;
    this.#bytes = 0;
    this.#discontinuity = false;
  }

  /** Where the next segment begins, as the leader knows: there may be no pictures of it, or of many. */
  #followingUs(): number {
    const following = this.#options.follows?.of((this.#sequence ?? -1) + 1);
    return following?.epoch === this.#epoch ? following.startUs : Number.POSITIVE_INFINITY;
  }

  /** Ends the part before `next`, which is of the same segment. */
  #cutPart(next: MediaPacket, end: PartEnd): void {
    const { parts } = this.#options;
    if (parts === undefined) return;
    const { startUs } = parts;
    const content = this.#takeContent(next);
    this.#emit({ ...content, startUs, durationUs: Math.max(SHORTEST_US, end.endUs - startUs), segmentUs: undefined });
    this.#opened = true;
    parts.proceed(end);
  }

  #takeContent(next: MediaPacket | undefined): Pick<Cut, 'packets' | 'video' | 'audio'> {
    const packets = this.#packets;
    this.#packets = [];
    const samplesOf = (kind: Track['kind']) =>
      withDurations(
        packets.filter((p) => p.track.kind === kind),
        next?.track.kind === kind ? next : undefined,
      );
    return { packets, video: samplesOf('video'), audio: samplesOf('audio') };
  }

  #emit(part: Pick<Cut, 'packets' | 'video' | 'audio' | 'startUs' | 'durationUs' | 'segmentUs'>): void {
    const isWhole = !this.#opened && part.segmentUs !== undefined;
    this.#options.onCut({
      ...part,
      tracks: this.#tracks,
      epoch: this.#epoch,
      discontinuity: this.#discontinuity,
      // The rest of a segment may have pictures that need others; a whole one without any needs nothing.
      independent: part.video[0]?.packet.key ?? (this.#tracks.video === undefined || isWhole),
      opens: !this.#opened,
    });
  }
}
