import type { ReportBlock, RtcpPacket, Track } from '@sluice/media';
import type {
  Acceptance,
  Adaptations,
  AdaptedStream,
  RtpLane,
  RtpLaneFormat,
  SessionMediaFacts,
  Stream,
} from '../../../core/index.ts';
import type { LaneLease, LanePackagers } from '../../../rtp/index.ts';
import { StreamClock } from '../../../rtp/index.ts';
import { playedFacts } from '../explain/played-facts.ts';
import type { PlayedCodec, PlayedMedia } from './played-media.ts';
import { type RtpSink, type SendFormat, SendTrack } from './send-track.ts';
import { SenderReports } from './sender-reports.ts';

/** What is played, and in what form the player takes it. */
export interface PlaybackTarget {
  readonly stream: Stream;
  readonly acceptance: Acceptance;
  readonly media: readonly PlayedMedia[];
}

export interface PlaybackDeps {
  readonly adaptations: Adaptations;
  readonly packagers: LanePackagers;
  readonly sink: RtpSink;
  readonly cname: string;
  sendRtcp(packet: Uint8Array): void;
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
  /** The way to packetize that is used, when it is one of ours. */
  lease: { readonly stream: Stream; readonly mode: 0 | 1; readonly lane: LaneLease } | undefined;
  /** The stream that the lane is of: asked for key frames. */
  origin: Stream | undefined;
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
  #adapted: AdaptedStream;
  #startedMs: number | undefined;
  #chosenMs = 0;
  #packetsLost = 0;
  /** Losses by SSRC as last reported. */
  readonly #lostOf = new Map<number, number>();
  #closed = false;

  constructor({ stream, acceptance, media }: PlaybackTarget, deps: PlaybackDeps) {
    this.#source = stream;
    this.#acceptance = acceptance;
    this.#deps = deps;
    const clock = new StreamClock();
    this.#reports = new SenderReports(deps.cname, clock);
    this.#adapted = this.#lease();
    this.#tracks = media.map((media) => ({
      media,
      send: new SendTrack(deps.sink, {
        ssrc: media.ssrc,
        rtxSsrc: media.rtxSsrc,
        clock,
        orientationId: media.orientationId,
        formatFor: (format) => formatFor(media.codecs, format),
      }),
      lease: undefined,
      origin: undefined,
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

  /**
   * True when the stream has become something that the player does not take and that can't be converted for it: a new
   * offer may lead to something better.
   */
  get isUnplayable(): boolean {
    const { video, audio } = this.#deps.adaptations.needsConversion(this.#source, this.#acceptance);
    return video === 'impossible' || audio === 'impossible';
  }

  /** What each kind of media comes to, for people. */
  explain(nowMs: number): SessionMediaFacts[] {
    const asItIs = { stream: this.#source, source: this.#source, acceptance: this.#acceptance, leftOut: {} };
    return this.#tracks.map((track) => {
      const own = track.send.lane !== undefined && track.send.lane === this.#source.rtp[track.media.kind];
      const adapted = own || this.#streamFor(track.media.kind) === this.#source ? asItIs : this.#adapted;
      return playedFacts(track, { adapted, adaptations: this.#deps.adaptations, nowMs });
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
            this.#reports.onReport(block, nowMs);
          }
          this.#countLoss(packet.reports);
          break;
        case 'nack': {
          const track = this.#tracks.find(({ media }) => media.ssrc === packet.mediaSsrc);
          if (track === undefined) break;
          track.asked.nacks += packet.lost.length;
          for (const sequence of packet.lost) track.send.resend(sequence, nowMs);
          break;
        }
        case 'pli':
        case 'fir':
          for (const track of this.#tracks) {
            if (track.media.kind !== 'video') continue;
            if (packet.kind === 'pli') track.asked.plis++;
            else track.asked.firs++;
            track.origin?.requestKeyFrame();
          }
          break;
        default:
      }
    }
  }

  /** Stops sending and gives back what it used. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const track of this.#tracks) {
      track.send.follow(undefined);
      track.lease?.lane[Symbol.dispose]();
    }
    this.#adapted[Symbol.dispose]();
    this.#source.addViewers(-1);
  }

  /** The stream as it is while the player takes all of it; a derived one from the moment on when it no longer does. */
  #lease(): AdaptedStream {
    return this.#deps.adaptations.lease(this.#source, this.#acceptance, {
      onUnfit: () => {
        if (this.#closed) return;
        const before = this.#adapted;
        this.#adapted = this.#lease();
        before[Symbol.dispose]();
        for (const track of this.#tracks)
          if (track.lease !== undefined && track.lease.stream !== this.#streamFor(track.media.kind))
            this.#release(track);
      },
    });
  }

  #choose(nowMs: number): void {
    this.#chosenMs = nowMs;
    for (const track of this.#tracks) {
      const lane = this.#laneFor(track);
      if (lane === track.send.lane) continue;
      const canAsk = track.origin?.canRequestKeyFrame === true;
      track.send.follow(lane, {
        maxPastUs: canAsk ? MAX_PAST_ON_REQUEST_US : Number.POSITIVE_INFINITY,
        liveUs: () => this.#source.lastDtsUs,
      });
    }
  }

  /** The publisher's own packets where the player takes them; else packets made of frames, converted if need be. */
  #laneFor(track: PlayedTrack): RtpLane | undefined {
    const { kind, codecs } = track.media;
    const own = this.#source.rtp[kind];
    if (own.format !== undefined && formatFor(codecs, own.format) !== undefined) {
      this.#release(track);
      track.origin = this.#source;
      return own;
    }
    const stream = this.#streamFor(kind);
    const codec = stream.state[kind]?.codec;
    const played = codecs.find((candidate) => candidate.codec === codec);
    if (played === undefined) {
      // Until there is what can be played, nothing is better than what can't.
      if (track.lease === undefined || track.lease.stream === stream) return track.send.lane;
      this.#release(track);
      return undefined;
    }
    const mode = played.packetizationMode ?? 1;
    if (track.lease?.stream !== stream || track.lease.mode !== mode) {
      this.#release(track);
      track.lease = { stream, mode, lane: this.#deps.packagers.lease(stream, kind, mode) };
    }
    track.origin = stream;
    return track.lease.lane.lane;
  }

  /** Pictures that the player takes as they are do not wait for sound that is converted: they have the same times. */
  #streamFor(kind: Track['kind']): Stream {
    const { adaptations } = this.#deps;
    const asItIs = kind === 'video' && adaptations.needsConversion(this.#source, this.#acceptance).video === 'no';
    return asItIs ? this.#source : this.#adapted.stream;
  }

  #release(track: PlayedTrack): void {
    track.lease?.lane[Symbol.dispose]();
    track.lease = undefined;
  }

  #askForKeyFrame(track: PlayedTrack, nowMs: number): void {
    if (nowMs - track.askedMs < KEY_FRAME_RETRY_MS) return;
    track.askedMs = nowMs;
    track.origin?.requestKeyFrame();
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

/** How packets of a lane are sent to a player that takes those codecs; undefined when it does not take them. */
function formatFor(codecs: readonly PlayedCodec[], format: RtpLaneFormat): SendFormat | undefined {
  const { codec } = format.track;
  const mode = format.packetizationMode;
  // Who takes fragments and aggregates takes single units as well, but not the other way round.
  return (
    codecs.find((played) => played.codec === codec && (mode === undefined || played.packetizationMode === mode)) ??
    codecs.find((played) => played.codec === codec && (mode !== 1 || played.packetizationMode !== 0))
  );
}
