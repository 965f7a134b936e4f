import type { Counters, RtpLanePacket } from '../../../../core/index.ts';
import type { SendingOptions } from '../../options.ts';
import type { PlayedMedia } from '../played-media.ts';
import type { SendRun } from '../sent-numbers.ts';
import type { ViewerBandwidth } from '../viewer-bandwidth.ts';
import { type PacedTrack, Pacer } from './pacer.ts';
import type { Paced, PacingTimer } from './pacing-timer.ts';
import { TransportBandwidth } from './transport-bandwidth.ts';

/** A track that has something to fill a probe with. */
export interface PaddingSource {
  /** Sends a packet that the peer needs not, of about that size at most. Gives its bytes; 0 when it has none. */
  sendPadding(bytes: number): number;
}

/** A track that may be sent along a shared lane. */
export interface SharedTrack {
  /** Goes on packet by packet. */
  unshare(): void;
}

/** As `Egress.setPacing` of one peer. */
export type SetPacing = (bps: number, burstBytes: number) => void;

export interface SendPathOptions {
  /** Undefined where packets have no transport-wide numbers. */
  readonly bandwidth: TransportBandwidth | undefined;
  readonly timer: PacingTimer;
  readonly pacing: boolean;
  /** As in `SendingOptions`. */
  readonly timedFrames: number;
  /** Told in the end what became of it. */
  readonly counters?: Counters | undefined;
}

const MAX_PADDING_PACKETS = 64;
const BUSY_MS = 150;
/** To be sent along shared lanes a viewer needs this margin over what is sent, and less of it to stay there. */
const SHARED_MARGIN = 1.3;
const SHARED_LEAST_MARGIN = 1.1;
/** The same for what waits on the way: machines that are busy for a moment delay packets, and too narrow ways show soon. */
const SHARED_DELAY_MS = 60;
const SHARED_MOST_DELAY_MS = 250;
/** Sound and what is sent again, beside the picture, bits a second. */
const BESIDE_BPS = 100_000;
/** How pictures leave that wait elsewhere: told anew when the rate differs by so much, but not all the time. */
const PACING_CHANGE = 0.12;
const PACING_INTERVAL_MS = 100;
const PACING_BURST_MS = 10;
const PACING_BURST_BYTES = 6000;
/** What waits on the way is gone, all but for so much. */
const DRAINED_MS = 100;
/** For sound, for what is sent again, and for peaks. */
const WISHED_SHARE = 1.3;

/** All that is sent to one player: one order of numbers, one rate. */
export class SendPath implements Paced {
  readonly bandwidth: TransportBandwidth | undefined;
  /** What the picture takes that comes for the player, bits a second; told by its track. */
  pictureBps = 0;
  readonly #timer: PacingTimer;
  readonly #counters: Counters | undefined;
  readonly #pacer: Pacer;
  #padding: PaddingSource | undefined;
  readonly #paces: boolean;
  readonly #timed: boolean;
  readonly #tracks = new Set<SharedTrack>();
  /** How the rate of pictures is told to who sends them elsewhere; undefined while nobody does. */
  #pacedElsewhere: { readonly setPacing: SetPacing; bps: number; toldMs: number } | undefined;
  #closed = false;

  constructor({ bandwidth, timer, pacing, timedFrames, counters }: SendPathOptions) {
    this.bandwidth = bandwidth;
    this.#counters = counters;
    this.#timer = timer;
    this.#paces = pacing;
    this.#timed = timedFrames > 0;
    const rateBps = (nowMs: number): number =>
      pacing && bandwidth !== undefined ? bandwidth.pacingBps(nowMs) : Number.POSITIVE_INFINITY;
    const sustainedBps = (nowMs: number): number =>
      pacing && bandwidth !== undefined ? bandwidth.sustainedBps(nowMs) : Number.POSITIVE_INFINITY;
    this.#pacer = new Pacer({ rateBps, sustainedBps, timedFrames });
    if (bandwidth === undefined) return;
    bandwidth.queueMs = (nowMs) => this.#pacer.queueMs(nowMs);
    bandwidth.canProbe = () => this.#padding !== undefined;
    bandwidth.probes.onBegin = () => {
      if (this.#closed) return;
      // What is sent as part of a probe is counted here.
      for (const track of this.#tracks) track.unshare();
      this.#timer.wake(this);
    };
  }

  /** The transport-wide number of the packet that is written next, unless others give it; undefined where packets have none. */
  get number(): number | undefined {
    return this.bandwidth?.history.next;
  }

  /** Frames that were given up while they waited. */
  get givenUp(): number {
    return this.#pacer.givenUp;
  }

  /** Probes are filled from there. */
  padWith(source: PaddingSource): void {
    this.#padding = source;
  }

  /** The packet with `number` leaves: so many bytes. Gives the probe that it is of, 0 for none. Hot path. */
  onNumbered(bytes: number): number {
    return this.bandwidth?.onPacket(bytes, performance.now()) ?? 0;
  }

  /** Sends a packet now or soon. Hot path. */
  send(track: PacedTrack, packet: RtpLanePacket, run: SendRun, skipped: number): void {
    const nowMs = performance.now();
    if (packet.format.track.kind === 'audio' || this.#pacer.mayPass(nowMs))
      return this.#pacer.spend(track.transmit(packet, run, skipped));
    this.#pacer.hold(track, packet, { run, skipped });
    // It may be due at once, where packets are held until their time.
    this.#timer.wake(this);
  }

  /** Another picture of the track begins: what waits of the one before would only delay it. */
  forget(track: PacedTrack): void {
    this.#pacer.forget(track);
  }

  /** Sends a packet again, now or soon. */
  repair(track: PacedTrack, number: number): void {
    if (this.#pacer.mayPass(performance.now())) return this.#pacer.spend(track.repair(number));
    this.#pacer.holdRepair(track, number);
    this.#timer.wake(this);
  }

  /** What is of the past has to wait, so that what is new finds room. */
  isBusy(nowMs: number): boolean {
    return this.#pacer.queueMs(nowMs) > BUSY_MS;
  }

  /** More was sent, or is to be, than it carries at this moment. */
  isNarrow(nowMs: number): boolean {
    return this.isBusy(nowMs) || this.drains(nowMs);
  }

  isFull(nowMs: number): boolean {
    return this.#pacer.isFull(nowMs);
  }

  drains(nowMs: number): boolean {
    return (this.bandwidth?.delayMs(nowMs) ?? 0) > DRAINED_MS;
  }

  /** What it carries; undefined while that is not measured. */
  bps(nowMs: number): number | undefined {
    return this.bandwidth?.estimate(nowMs).bps;
  }

  /**
   * True when a track may be sent along a shared lane, packet by packet unseen from here. `isShared`: it is already.
   */
  allowsSharing(kind: 'video' | 'audio', isShared: boolean, nowMs: number): boolean {
    if (this.#closed || (kind === 'video' && (this.#timed || !(isShared || this.#pacer.empty)))) return false;
    const margin = isShared ? SHARED_LEAST_MARGIN : SHARED_MARGIN;
    const mostDelayMs = isShared ? SHARED_MOST_DELAY_MS : SHARED_DELAY_MS;
    return this.bandwidth?.isRoomy((this.pictureBps + BESIDE_BPS) * margin, mostDelayMs, nowMs) ?? true;
  }

  /** A track is sent along a shared lane now; `setPacing` tells how pictures may leave there. */
  share(track: SharedTrack, setPacing: SetPacing, nowMs: number): void {
    this.#tracks.add(track);
    this.#pacedElsewhere ??= { setPacing, bps: 0, toldMs: Number.NEGATIVE_INFINITY };
    this.pace(nowMs);
  }

  /** It is not any more. */
  unshare(track: SharedTrack): void {
    if (!this.#tracks.delete(track) || this.#tracks.size > 0) return;
    this.#pacedElsewhere?.setPacing(0, 0);
    this.#pacedElsewhere = undefined;
  }

  /** Tells how pictures may leave where they are sent along a shared lane. Call every now and then. */
  pace(nowMs: number): void {
    const told = this.#pacedElsewhere;
    if (told === undefined || nowMs - told.toldMs < PACING_INTERVAL_MS) return;
    told.toldMs = nowMs;
    const bps = this.#paces ? (this.bandwidth?.pacingBps(nowMs) ?? 0) : 0;
    const limit = bps === Number.POSITIVE_INFINITY ? 0 : bps;
    if (Math.abs(limit - told.bps) <= told.bps * PACING_CHANGE) return;
    told.bps = limit;
    told.setPacing(limit, limit === 0 ? 0 : Math.max(PACING_BURST_BYTES, (limit * PACING_BURST_MS) / 8000));
  }

  /** Frames of a picture are left out that takes so much: the way is probed for that, with what is sent beside it. */
  wish(bps: number, nowMs: number): void {
    this.bandwidth?.probe(bps * WISHED_SHARE, nowMs);
  }

  release(nowMs: number): boolean {
    if (this.#closed) return false;
    this.#pacer.release(nowMs);
    this.#pad(nowMs);
    return !this.#pacer.empty || (this.bandwidth?.probes.id ?? 0) !== 0;
  }

  /** What waits is forgotten. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { sent = 0, carried = 0 } = this.bandwidth?.probes ?? {};
    this.#counters?.count('webrtc_probes', sent);
    this.#counters?.count('webrtc_probes_carried', carried);
    this.#counters?.count('webrtc_frames_given_up', this.#pacer.givenUp);
    this.#pacer.clear();
    this.#timer.forget(this);
  }

  #pad(nowMs: number): void {
    const probes = this.bandwidth?.probes;
    let owed = probes?.owedBytes(nowMs) ?? 0;
    for (let i = 0; i < MAX_PADDING_PACKETS && owed > 0; i++) {
      const bytes = this.#padding?.sendPadding(owed) ?? 0;
      if (bytes === 0) return;
      this.#pacer.spend(bytes);
      owed -= bytes;
    }
  }
}

/** The way to a player of those media, and what estimates it: measured where the player tells when packets arrive. */
export function openPath(
  media: readonly PlayedMedia[],
  from: {
    readonly sending: SendingOptions;
    readonly pacing: PacingTimer;
    counters?: Counters;
    newBandwidth(): ViewerBandwidth;
  },
): { readonly path: SendPath; readonly bandwidth: ViewerBandwidth } {
  const { sending, pacing: timer, counters } = from;
  const fallback = from.newBandwidth();
  const picture = media.find(({ kind }) => kind === 'video');
  const measures = sending.transportCc && picture !== undefined && isNumbered(picture);
  const bandwidth = measures ? new TransportBandwidth(sending.startBitrateBps, fallback) : undefined;
  const { pacing, timedFrames } = sending;
  return { path: new SendPath({ bandwidth, timer, pacing, timedFrames, counters }), bandwidth: bandwidth ?? fallback };
}

/** Packets have transport-wide numbers but for those that may be sent twice as they are. */
function isNumbered({ transportSequenceId, repeats, codecs }: PlayedMedia): boolean {
  const unique = repeats === false || codecs.every(({ rtxPayloadType }) => rtxPayloadType !== undefined);
  return transportSequenceId !== undefined && unique;
}
