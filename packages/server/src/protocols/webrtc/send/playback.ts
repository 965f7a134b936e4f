import type { ReportBlock, RtcpPacket, Track } from '@sluice/media';
import type { Acceptance, Adaptations, SessionMediaFacts, Stream, StreamLayer } from '../../../core/index.ts';
import type { LanePackagers } from '../../../rtp/index.ts';
import { StreamClock } from '../../../rtp/index.ts';
import { playedFacts } from '../explain/played-facts.ts';
import type { SendPath } from './bandwidth/send-path.ts';
import { LayerSource, type PictureTarget } from './layer-source.ts';
import { PictureChange } from './picture-change.ts';
import type { PlayedMedia } from './played-media.ts';
import { type RtpSink, SendTrack } from './send-track.ts';
import { SenderReports } from './sender-reports.ts';
import type { Sharing } from './shared-sending.ts';
import { NO_RATES, type PictureLimit, type PictureRates } from './thinning.ts';
import { formatFor, type PlayedSource, SourceLease, TrackSource } from './track-source.ts';
import type { ViewerBandwidth } from './viewer-bandwidth.ts';

/** What is played, and in what form the player takes it. */
export interface PlaybackTarget {
  readonly stream: Stream;
  readonly acceptance: Acceptance;
  readonly media: readonly PlayedMedia[];
  /** What the picture begins with when that is something else than what the sound is taken from. */
  readonly picture?: PictureTarget | undefined;
}

export interface PlaybackDeps {
  readonly adaptations: Adaptations;
  readonly packagers: LanePackagers;
  readonly sink: RtpSink;
  readonly cname: string;
  sendRtcp(packet: Uint8Array): void;
  /** What goes to the player goes through it; undefined: as it comes. */
  readonly path?: SendPath | undefined;
  /** What the player gets as others do is sent along shared lanes; undefined: all is written for it alone. */
  readonly sharing?: Sharing | undefined;
  /** Told what the player says of the picture. */
  readonly bandwidth?: ViewerBandwidth | undefined;
}

/** A publisher that can be asked for a key frame is asked for one, unless the newest is no older than this. */
const MAX_PAST_ON_REQUEST_US = 1_000_000;
/** While a player waits for a key frame, one is asked for this often. */
const KEY_FRAME_RETRY_MS = 500;
/** How often it is looked at whether a stream has become another one. */
const CHOICE_INTERVAL_MS = 200;

interface PlayedTrack {
  readonly media: PlayedMedia;
  readonly send: SendTrack;
  source: PlayedSource;
  askedMs: number;
  /** What the player has asked for, and said of its losses. */
  readonly asked: PlayerRequests;
}

/** Requests of a player for one track since the beginning, and its last report. */
export interface PlayerRequests {
  nacks: number;
  plis: number;
  firs: number;
  packetsLost: number;
  /** Share of the last report, 0 to 1; undefined before the first. */
  lossFraction: number | undefined;
  /** Ticks of the RTP clock. */
  jitterTicks: number;
}

/** A stream on its way to one WebRTC player: chooses where each track comes from and answers the player's requests. */
export class Playback {
  readonly #source: Stream;
  readonly #acceptance: Acceptance;
  readonly #deps: PlaybackDeps;
  readonly #reports: SenderReports;
  /** What sound and picture are taken from together. */
  readonly #shared: SourceLease | undefined;
  readonly #tracks: readonly PlayedTrack[];
  readonly #picture: PlayedTrack | undefined;
  #change: PictureChange | undefined;
  #startedMs: number | undefined;
  #chosenMs = 0;
  #packetsLost = 0;
  #closed = false;

  constructor({ stream, acceptance, media, picture }: PlaybackTarget, deps: PlaybackDeps) {
    this.#source = stream;
    this.#acceptance = acceptance;
    this.#deps = deps;
    const clock = new StreamClock();
    this.#reports = new SenderReports(deps.cname, clock);
    this.#shared = picture === undefined ? this.#lease(acceptance) : undefined;
    this.#tracks = media.map((media) => ({
      media,
      send: new SendTrack(deps.sink, {
        ssrc: media.ssrc,
        rtxSsrc: media.rtxSsrc,
        clock,
        orientationId: media.orientationId,
        sendTimeId: media.sendTimeId,
        transportSequenceId: media.transportSequenceId,
        repeats: media.repeats,
        path: deps.path,
        sharing: deps.sharing,
        formatFor: (format) => formatFor(media.codecs, format),
      }),
      source: this.#begin(media, picture),
      askedMs: Number.NEGATIVE_INFINITY,
      asked: { nacks: 0, plis: 0, firs: 0, packetsLost: 0, lossFraction: undefined, jitterTicks: 0 },
    }));
    this.#picture = this.#tracks.find((track) => track.media.kind === 'video');
    stream.addViewers(1);
  }

  /** Smoothed round trip, milliseconds. */
  get rttMs(): number | undefined {
    return this.#reports.rttMs;
  }

  /** Packets that the player says it has not got, over all tracks. */
  get packetsLost(): number {
    return this.#packetsLost;
  }

  /** All of it goes along shared lanes, and nothing is about to change. */
  get isSteady(): boolean {
    const tracks = this.#tracks;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]?.send.isShared !== true) return false;
    return this.#change === undefined;
  }

  /** Packets and bytes of payload sent, by kind. */
  sent(kind: Track['kind']): { readonly packets: number; readonly bytes: number; readonly resent: number } {
    const sum = { packets: 0, bytes: 0, resent: 0 };
    for (const { media, send } of this.#tracks) {
      if (media.kind !== kind) continue;
      send.look();
      sum.packets += send.packets;
      sum.bytes += send.bytes;
      sum.resent += send.resent;
    }
    return sum;
  }

  /** The stream that the picture is taken from: its size is what the player sees. */
  get pictureStream(): Stream {
    return this.#picture?.source.stream ?? this.#source;
  }

  /** The encoding of the publisher's that the picture is taken from; undefined when there is but one, or it is made. */
  get layer(): StreamLayer | undefined {
    return this.#picture?.source.layer;
  }

  /** Why the picture is missing that should be there; undefined when it is not. */
  get pictureLost(): string | undefined {
    return this.#picture?.source.lost;
  }

  /**
   * True when the stream has become something that the player does not take and that can't be converted for it: a new
   * offer may lead to something better.
   */
  get isUnplayable(): boolean {
    const { video, audio } = this.#deps.adaptations.needsConversion(this.#source, this.#acceptance);
    return video === 'impossible' || audio === 'impossible';
  }

  /**
   * Has the picture taken from there from the next key frame of that on; until then it goes on as it is. A change that is
   * under way is given up for it. `onDone` tells how it ended: why the picture stays as it is, or undefined.
   */
  changePicture(target: PictureTarget, onDone: (failure: string | undefined) => void): void {
    this.giveUpChange();
    const track = this.#picture;
    if (track === undefined || this.#closed) return;
    const source = this.#sourceOf(track.media, target);
    this.#change = new PictureChange(track.send, source, (failure) => {
      this.#change = undefined;
      if (failure === undefined) this.#takeOver(track, source);
      else source[Symbol.dispose]();
      onDone(failure);
    });
  }

  /** The picture stays as it is: `onDone` of a change that was under way is not called. */
  giveUpChange(): void {
    this.#change?.close();
    this.#change = undefined;
  }

  /** What the picture takes that comes for it. */
  get pictureRates(): PictureRates {
    return this.#picture?.send.rates ?? NO_RATES;
  }

  /** How much of the picture is sent from now on. */
  thin(limit: PictureLimit): void {
    this.#picture?.send.limit(limit);
  }

  /** What each kind of media comes to, for people. */
  explain(nowMs: number): SessionMediaFacts[] {
    const { adaptations } = this.#deps;
    return this.#tracks.map((track) => {
      track.send.look();
      return playedFacts(track, { adapted: track.source.formOf(track.send.lane), adaptations, nowMs });
    });
  }

  /** Media can flow. */
  start(nowMs: number): void {
    this.#startedMs ??= nowMs;
    this.#choose(nowMs);
  }

  /** Brings up to date who has just joined, and sends reports. Call every 20 ms or so. */
  tick(nowMs: number): void {
    if (this.#startedMs === undefined || this.#closed) return;
    const unresolved = this.#tracks.some(({ send }) => send.lane === undefined);
    if (unresolved || nowMs - this.#chosenMs >= CHOICE_INTERVAL_MS) this.#choose(nowMs);
    this.#change?.tick(nowMs);
    for (const track of this.#tracks) {
      track.send.tick();
      const { waitsForStart } = track.send;
      if (track.media.kind === 'video' && (waitsForStart || track.send.wantsKeyFrame(nowMs)))
        this.#askForKeyFrame(track, nowMs);
      const report = this.#reports.due(track.send, nowMs);
      if (report !== undefined) this.#deps.sendRtcp(report);
    }
  }

  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void {
    for (const packet of packets) {
      switch (packet.kind) {
        case 'sr':
        case 'rr':
          for (const block of packet.reports) {
            const rttMs = this.#reports.onReport(block, nowMs);
            if (block.ssrc === this.#picture?.media.ssrc)
              this.#deps.bandwidth?.onReport({ lossFraction: block.fractionLost / 256, rttMs }, nowMs);
          }
          this.#countLoss(packet.reports);
          break;
        case 'nack': {
          const track = this.#tracks.find(({ media }) => media.ssrc === packet.mediaSsrc);
          if (track === undefined) break;
          track.asked.nacks += packet.lost.length;
          for (const sequence of packet.lost) track.send.resend(sequence, nowMs, this.#reports.newestRttMs);
          break;
        }
        case 'pli':
        case 'fir':
          for (const track of this.#tracks) {
            if (track.media.kind !== 'video') continue;
            if (packet.kind === 'pli') track.asked.plis++;
            else track.asked.firs++;
            track.source.origin?.requestKeyFrame();
          }
          break;
        case 'twcc':
          this.#deps.bandwidth?.onFeedback?.(packet, nowMs);
          this.#picture?.send.onEstimate(nowMs);
          break;
        case 'remb':
          this.#deps.bandwidth?.onRemb(packet.bitrateBps, nowMs);
          break;
        default:
      }
    }
  }

  /** What of the track with that SSRC was to be sent along a shared lane could not be sent in time. */
  onTrackDropped(ssrc: number): void {
    this.#tracks.find(({ media }) => media.ssrc === ssrc)?.send.onDropped();
  }

  /** Stops sending and gives back what it used. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.giveUpChange();
    for (const track of this.#tracks) {
      track.send.follow(undefined);
      track.source[Symbol.dispose]();
    }
    this.#shared?.[Symbol.dispose]();
    this.#source.addViewers(-1);
  }

  #begin(media: PlayedMedia, picture: PictureTarget | undefined): PlayedSource {
    const { packagers } = this.#deps;
    if (this.#shared !== undefined) return new TrackSource(this.#shared, media, { packagers, sharesLease: true });
    const isPicture = media.kind === 'video' && picture !== undefined;
    return this.#sourceOf(media, isPicture ? picture : { acceptance: this.#acceptance });
  }

  #sourceOf(media: PlayedMedia, target: PictureTarget): PlayedSource {
    if ('layer' in target)
      return new LayerSource(target.layer, { stream: this.#source, acceptance: this.#acceptance }, media);
    const lease = this.#lease(onlyOf(media.kind, target.acceptance));
    return new TrackSource(lease, media, this.#deps);
  }

  #lease(acceptance: Acceptance): SourceLease {
    const lease = new SourceLease(this.#source, acceptance, this.#deps.adaptations);
    lease.onChanged = () => {
      for (const { source } of this.#tracks)
        if (source instanceof TrackSource && source.lease === lease) source.releaseStale();
    };
    return lease;
  }

  /** The new source has a key frame: the picture goes on with that. */
  #takeOver(track: PlayedTrack, source: PlayedSource): void {
    const before = track.source;
    track.source = source;
    this.#follow(track, Number.POSITIVE_INFINITY);
    before[Symbol.dispose]();
  }

  #choose(nowMs: number): void {
    this.#chosenMs = nowMs;
    for (const track of this.#tracks) {
      const canAsk = track.source.origin?.canRequestKeyFrame === true;
      this.#follow(track, canAsk ? MAX_PAST_ON_REQUEST_US : Number.POSITIVE_INFINITY);
    }
  }

  #follow({ send, source }: PlayedTrack, maxPastUs: number): void {
    const lane = source.laneFor(send.lane);
    if (lane !== send.lane) send.follow(lane, { maxPastUs, liveUs: () => this.#source.lastDtsUs });
  }

  #askForKeyFrame(track: PlayedTrack, nowMs: number): void {
    if (nowMs - track.askedMs < KEY_FRAME_RETRY_MS) return;
    track.askedMs = nowMs;
    track.source.origin?.requestKeyFrame();
  }

  #countLoss(reports: readonly ReportBlock[]): void {
    for (const { ssrc, cumulativeLost, fractionLost, jitter } of reports) {
      const track = this.#tracks.find(({ media }) => media.ssrc === ssrc);
      if (track === undefined) continue;
      this.#packetsLost += Math.max(0, cumulativeLost) - track.asked.packetsLost;
      track.asked.packetsLost = Math.max(0, cumulativeLost);
      track.asked.lossFraction = fractionLost / 256;
      track.send.onLoss(fractionLost / 256);
      track.asked.jitterTicks = jitter;
    }
  }
}

/** What a player takes of one kind. */
function onlyOf(kind: Track['kind'], acceptance: Acceptance): Acceptance {
  const key = `${acceptance.key} ${kind} only`;
  return kind === 'video'
    ? { ...acceptance, key, audio: new Set(), audioTarget: undefined }
    : { ...acceptance, key, video: new Set(), videoTarget: undefined, videoOutput: undefined };
}
