import type { ReportBlock, RtcpPacket, Track } from '@sluice/media';
import type { Acceptance, Adaptations, SessionMediaFacts, Stream } from '../../../core/index.ts';
import type { LanePackagers } from '../../../rtp/index.ts';
import { StreamClock } from '../../../rtp/index.ts';
import { playedFacts } from '../explain/played-facts.ts';
import { PictureChange } from './picture-change.ts';
import type { PlayedMedia } from './played-media.ts';
import { type RtpSink, SendTrack } from './send-track.ts';
import { SenderReports } from './sender-reports.ts';
import { formatFor, SourceLease, TrackSource } from './track-source.ts';
import type { ViewerBandwidth } from './viewer-bandwidth.ts';

/** What is played, and in what form the player takes it. */
export interface PlaybackTarget {
  readonly stream: Stream;
  readonly acceptance: Acceptance;
  readonly media: readonly PlayedMedia[];
  /**
   * What the picture begins with when it is to become another one by `changePicture`, while the sound stays as it is.
   * Absent: it stays.
   */
  readonly picture?: Acceptance | undefined;
}

export interface PlaybackDeps {
  readonly adaptations: Adaptations;
  readonly packagers: LanePackagers;
  readonly sink: RtpSink;
  readonly cname: string;
  sendRtcp(packet: Uint8Array): void;
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
  source: TrackSource;
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
  readonly #tracks: readonly PlayedTrack[];
  #change: PictureChange | undefined;
  #startedMs: number | undefined;
  #chosenMs = 0;
  #packetsLost = 0;
  /** Losses by SSRC as last reported. */
  readonly #lostOf = new Map<number, number>();
  #closed = false;

  constructor({ stream, acceptance, media, picture }: PlaybackTarget, deps: PlaybackDeps) {
    this.#source = stream;
    this.#acceptance = acceptance;
    this.#deps = deps;
    const clock = new StreamClock();
    this.#reports = new SenderReports(deps.cname, clock);
    const shared = picture === undefined ? this.#lease(acceptance) : undefined;
    const begin = { video: picture ?? acceptance, audio: acceptance };
    this.#tracks = media.map((media) => ({
      media,
      send: new SendTrack(deps.sink, {
        ssrc: media.ssrc,
        rtxSsrc: media.rtxSsrc,
        clock,
        orientationId: media.orientationId,
        sendTimeId: media.sendTimeId,
        formatFor: (format) => formatFor(media.codecs, format),
      }),
      source: new TrackSource(shared ?? this.#lease(onlyOf(media.kind, begin[media.kind])), media, deps.packagers),
      askedMs: Number.NEGATIVE_INFINITY,
      asked: { nacks: 0, plis: 0, firs: 0, packetsLost: 0, lossFraction: undefined, jitterTicks: 0 },
    }));
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

  /** Packets and bytes of payload sent, by kind. */
  sent(kind: Track['kind']): { readonly packets: number; readonly bytes: number; readonly resent: number } {
    const sum = { packets: 0, bytes: 0, resent: 0 };
    for (const { media, send } of this.#tracks) {
      if (media.kind !== kind) continue;
      sum.packets += send.packets;
      sum.bytes += send.bytes;
      sum.resent += send.resent;
    }
    return sum;
  }

  /** The stream that the picture is taken from: its size is what the player sees. */
  get pictureStream(): Stream {
    return this.#picture?.source.lease.streamFor('video') ?? this.#source;
  }

  /** Why the picture is missing that should be made; undefined when it is not. */
  get pictureLost(): string | undefined {
    return this.#picture?.source.lease.adapted.leftOut.video;
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
   * Has the picture made for that acceptance from the next key frame of it on; until then it goes on as it is. Only where
   * a `picture` to begin with was given. A change that is under way is given up for it. `onDone` tells how it ended: why the
   * picture stays as it is, or undefined.
   */
  changePicture(acceptance: Acceptance, onDone: (failure: string | undefined) => void): void {
    this.#change?.close();
    this.#change = undefined;
    const track = this.#picture;
    if (track === undefined || this.#closed) return;
    const source = new TrackSource(this.#lease(onlyOf('video', acceptance)), track.media, this.#deps.packagers);
    this.#change = new PictureChange(track.send, source, (failure) => {
      this.#change = undefined;
      if (failure === undefined) this.#takeOver(track, source);
      else disposeOf(source);
      onDone(failure);
    });
  }

  /** What each kind of media comes to, for people. */
  explain(nowMs: number): SessionMediaFacts[] {
    const { adaptations } = this.#deps;
    return this.#tracks.map((track) => {
      const { lease } = track.source;
      const { acceptance, source } = lease;
      const own = track.send.lane !== undefined && track.send.lane === source.rtp[track.media.kind];
      const asItIs = { stream: source, source, acceptance, leftOut: {} };
      const adapted = own || lease.streamFor(track.media.kind) === source ? asItIs : lease.adapted;
      return playedFacts(track, { adapted, adaptations, nowMs });
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
      if (track.media.kind === 'video' && track.send.waitsForStart) this.#askForKeyFrame(track, nowMs);
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
        case 'remb':
          this.#deps.bandwidth?.onRemb(packet.bitrateBps, nowMs);
          break;
        default:
      }
    }
  }

  /** Stops sending and gives back what it used. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#change?.close();
    for (const track of this.#tracks) {
      track.send.follow(undefined);
      disposeOf(track.source);
    }
    this.#source.addViewers(-1);
  }

  get #picture(): PlayedTrack | undefined {
    return this.#tracks.find(({ media }) => media.kind === 'video');
  }

  #lease(acceptance: Acceptance): SourceLease {
    const lease = new SourceLease(this.#source, acceptance, this.#deps.adaptations);
    lease.onChanged = () => {
      for (const { source } of this.#tracks) if (source.lease === lease) source.releaseStale();
    };
    return lease;
  }

  /** The new source has a key frame: the picture goes on with that. */
  #takeOver(track: PlayedTrack, source: TrackSource): void {
    const before = track.source;
    track.source = source;
    this.#follow(track, Number.POSITIVE_INFINITY);
    disposeOf(before);
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
      this.#packetsLost += Math.max(0, cumulativeLost) - (this.#lostOf.get(ssrc) ?? 0);
      this.#lostOf.set(ssrc, Math.max(0, cumulativeLost));
      track.asked.packetsLost = Math.max(0, cumulativeLost);
      track.asked.lossFraction = fractionLost / 256;
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

function disposeOf(source: TrackSource): void {
  source[Symbol.dispose]();
  source.lease[Symbol.dispose]();
}
