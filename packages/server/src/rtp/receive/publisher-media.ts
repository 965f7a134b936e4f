import { type RtcpPacket, type RtpPacket, transportSequence } from '@sluice/media';
import type { Stream } from '../../core/index.ts';
import { BitrateRequest, bitrateLimits } from './bitrate-request.ts';
import { FeedbackWriter, roundTripOf } from './feedback-writer.ts';
import { type LayerTrack, layerTracks } from './layers/layer-tracks.ts';
import { Simulcast } from './layers/simulcast.ts';
import { MediaSilence } from './media-silence.ts';
import type { NegotiatedTrack, ReceiveOptions } from './options.ts';
import { PublicationClock } from './publication-clock.ts';
import { RedAudio } from './red-audio.ts';
import { RoundTrip } from './round-trip.ts';
import { Sources } from './sources.ts';
import { type PublisherMediaStats, receivedTrackStats, totalsOf } from './stats.ts';
import { streamOutput, type TrackOutput } from './track-output.ts';
import { TrackReceiver } from './track-receiver.ts';
import { TransportFeedback } from './transport-feedback.ts';

const REPORT_INTERVAL_MS = 1000;
/** The first report goes early, so that the sender knows the round trip soon. */
const FIRST_REPORT_MS = 100;
const SILENCE_CHECK_MS = 500;
/** Sound is played without the picture that was announced, when that does not come within this time. */
const VIDEO_WAIT_MS = 3000;
/** A source of which nothing has come for longer stands still. */
const STILL_AFTER_MS = 100;
const VIDEO_CLOCK_RATE = 90_000;
const AUDIO_CLOCK_RATE = 48_000;

export interface PublisherMediaOptions {
  readonly tracks: readonly NegotiatedTrack[];
  readonly stream: Stream;
  readonly options: ReceiveOptions;
  /** Names us in RTCP. */
  readonly localSsrc: number;
  readonly cname: string;
  /** RTCP of reduced size was negotiated (RFC 5506); true by default, as every browser takes it. */
  readonly reducedSizeRtcp?: boolean | undefined;
  /**
   * Packets go into the stream's RTP lanes, for viewers by WebRTC; true by default. With false everybody else packetizes
   * anew, and RTCP is that of RFC 3550 alone: as it must be with cameras, whose packets are too large for WebRTC.
   */
  readonly forward?: boolean | undefined;
  /** Most that the client wants to send, bits a second; 0 or absent for no wish. */
  readonly maxBitrateBps?: number | undefined;
  /** Least that it wants to be asked for; 0 or absent for no wish. */
  readonly minBitrateBps?: number | undefined;
  /** Encodings of a picture that nobody has watched for so long are kept back; absent: they never are. */
  readonly pauseLayersAfterMs?: number | undefined;
  /** Takes a whole RTCP datagram, unprotected. */
  sendRtcp(bytes: Uint8Array): void;
  /** There is something to play: a key frame, or sound where there is no video. Once. */
  onFirstMedia(): void;
  /** Media has stopped; `detail` is for people. Once. */
  onActivityTimeout(detail: string): void;
  /** The source's clock has jumped. */
  onClockBreak?(): void;
}

/**
 * Turns the RTP of one WebRTC publisher into its stream: packets into the RTP lanes, frames into the log, on one
 * timeline; and tells the publisher by RTCP what it needs to know. Does no I/O and has no timer: times are
 * `performance.now()` of the caller, and `tick` is to be called about every 20 ms.
 */
export class PublisherMedia {
  readonly #o: PublisherMediaOptions;
  readonly #sources: Sources;
  readonly #receivers: readonly TrackReceiver[];
  readonly #simulcast: Simulcast | undefined;
  readonly #clock: PublicationClock;
  readonly #writer: FeedbackWriter;
  readonly #arrivals: TransportFeedback;
  readonly #bitrate: BitrateRequest;
  readonly #red: RedAudio | undefined;
  readonly #roundTrip = new RoundTrip();
  #silence: MediaSilence | undefined;
  #notCarried = 0;
  #clockBreaks = 0;
  /** What was asked for last by a cap on the bitrate; undefined for none. */
  #capBps: number | undefined;
  #nowMs = 0;
  /** Of the newest packet. */
  #arrivedMs = Number.NEGATIVE_INFINITY;
  #reportMs = Number.POSITIVE_INFINITY;
  #silenceCheckMs = 0;
  #firstSoundMs = Number.NaN;
  #layersReceived = 0;
  #active = false;
  #closed = false;

  constructor(o: PublisherMediaOptions) {
    const { stream, forward = true } = o;
    this.#o = o;
    const tracks = layerTracks(o.tracks);
    this.#sources = new Sources(tracks);
    this.#red = RedAudio.of(tracks);
    this.#writer = new FeedbackWriter({
      localSsrc: o.localSsrc,
      cname: o.cname,
      reducedSize: o.reducedSizeRtcp ?? true,
      asksRoundTrip: forward,
      send: (bytes) => o.sendRtcp(bytes),
    });
    this.#arrivals = new TransportFeedback(this.#writer, () => this.#anySsrc());
    this.#bitrate = new BitrateRequest(bitrateLimits(o.options, o), (o.maxBitrateBps ?? 0) > 0);
    const rateOf = (kind: 'video' | 'audio') => tracks.find((track) => track.kind === kind)?.clockRate;
    this.#clock = new PublicationClock(
      { video: rateOf('video') ?? VIDEO_CLOCK_RATE, audio: rateOf('audio') ?? AUDIO_CLOCK_RATE },
      { baseUs: () => stream.lastDtsUs, onBreak: () => this.#countBreak() },
    );
    this.#simulcast = this.#simulcastOf(tracks.filter(({ rid }) => rid !== undefined));
    this.#receivers = tracks.map((track) => this.#receive(track));
  }

  #simulcastOf(tracks: readonly LayerTrack[]): Simulcast | undefined {
    if (tracks.length === 0) return undefined;
    return new Simulcast({
      stream: this.#o.stream,
      tracks,
      pauseAfterMs: this.#o.pauseLayersAfterMs,
      nowMs: () => this.#nowMs,
      audioBps: () => this.#receivedBps((track) => track.kind === 'audio'),
      onPublished: () => this.#published('video'),
    });
  }

  #receive(track: LayerTrack): TrackReceiver {
    const { stream, options, forward = true } = this.#o;
    const { video, audio } = this.#clock;
    const simulcast = track.rid === undefined ? undefined : this.#simulcast;
    const isFurtherLayer = simulcast !== undefined && this.#layersReceived++ > 0;
    const usual = track.kind === 'video' ? video : audio;
    const receiver = new TrackReceiver({
      track,
      stream,
      clock: this.#clock,
      trackClock: isFurtherLayer ? this.#clock.addVideo(track.clockRate) : usual,
      options,
      forward,
      output: simulcast?.outputOf(track) ?? this.#streamOutput(track.kind),
      framesNeeded: simulcast?.framesNeededOf(track),
    });
    simulcast?.setReceiver(receiver);
    return receiver;
  }

  #streamOutput(kind: 'video' | 'audio'): TrackOutput {
    const { stream } = this.#o;
    return streamOutput(stream, stream.rtp[kind], () => this.#published(kind));
  }

  /** Declares the tracks that decoders could begin with already, so that viewers need not wait for their packets. */
  declareTracks(): void {
    for (const receiver of this.#receivers) receiver.declare();
  }

  /**
   * Takes a packet, decrypted. What is kept of it is copied. Hot path.
   * @param track Position of its track where the way that it came tells it, as in RTSP; else source and payload type do
   */
  onRtp(received: RtpPacket, arrivalMs: number, track?: number): void {
    if (this.#closed) return;
    const packet = this.#red?.plain(received) ?? received;
    this.#nowMs = arrivalMs;
    this.#arrivedMs = arrivalMs;
    const known = track === undefined ? undefined : this.#o.tracks[track];
    const source = known
      ? this.#sources.findOf(known, packet, arrivalMs)
      : track === undefined
        ? this.#sources.find(packet, arrivalMs)
        : undefined;
    if (source === undefined) {
      // Its number must be known all the same: congestion control is about all that is sent.
      this.#recordArrival(packet, this.#receivers[0]?.track, arrivalMs);
      this.#notCarried++;
      return;
    }
    this.#recordArrival(packet, source.track, arrivalMs);
    const receiver = this.#receiverOf(source.track);
    if (receiver === undefined) return;
    if (source.rtx) {
      const rttMs = receiver.retransmission(packet, arrivalMs);
      if (rttMs !== undefined) this.#roundTrip.guess(rttMs);
    } else {
      if (source.changed) receiver.changeSource(packet, arrivalMs);
      receiver.media(packet, arrivalMs);
      this.#red?.repair(packet, receiver, arrivalMs);
      if (packet.payload.length > 0) this.#heard(source.track.kind, arrivalMs);
    }
    this.#askForPackets(receiver, arrivalMs);
    this.#askForKeyFrame(receiver, arrivalMs);
  }

  /**
   * Takes the packets of an RTCP compound.
   * @param at Position of the track that it came with, as `onRtp` has it: cameras report for other sources than they send
   */
  onRtcp(packets: readonly RtcpPacket[], arrivalMs: number, at?: number): void {
    if (this.#closed) return;
    this.#nowMs = arrivalMs;
    for (const packet of packets) {
      if (packet.kind === 'sr') {
        const track = at === undefined ? this.#sources.trackOf(packet.ssrc) : this.#o.tracks[at];
        const receiver = track && this.#receiverOf(track);
        if (receiver === undefined) continue;
        receiver.statistics.senderReport(packet, arrivalMs);
        this.#clock.senderReport(receiver.clock, packet);
      } else if (packet.kind === 'bye') for (const ssrc of packet.ssrcs) this.#sources.bye(ssrc);
      else if (packet.kind === 'xr') {
        for (const answer of packet.dlrr)
          if (answer.ssrc === this.#o.localSsrc) this.#sampleRoundTrip(answer, arrivalMs);
      }
    }
  }

  /** Asks the publisher for a key frame, at once or as soon as its throttle allows. */
  requestKeyFrame(): void {
    if (this.#closed) return;
    if (this.#simulcast !== undefined) this.#simulcast.requestKeyFrame();
    for (const receiver of this.#receivers) {
      if (receiver.track.kind !== 'video') continue;
      if (this.#simulcast === undefined) receiver.keyFrames.want();
      this.#askForKeyFrame(receiver, this.#nowMs);
    }
  }

  /** Does what is due. Called about every 20 ms. */
  tick(nowMs: number): void {
    if (this.#closed) return;
    this.#nowMs = nowMs;
    this.#listen(nowMs);
    this.#simulcast?.tick(nowMs);
    for (const receiver of this.#receivers) {
      receiver.tick(nowMs, this.#roundTrip.ms, this.#isStill(nowMs));
      this.#askForPackets(receiver, nowMs);
      this.#askForKeyFrame(receiver, nowMs);
    }
    if (this.#simulcast?.capBps !== this.#capBps) this.#limitBitrate(0, nowMs);
    this.#arrivals.tick(nowMs);
    if (nowMs >= this.#reportMs) this.#report(nowMs);
    if (nowMs >= this.#silenceCheckMs) this.#checkSilence(nowMs);
    if (nowMs - this.#firstSoundMs >= VIDEO_WAIT_MS) this.#activate();
  }

  stats(): PublisherMediaStats {
    const tracks = this.#receivers.map((receiver) =>
      receivedTrackStats(receiver, {
        ssrc: this.#sources.ssrcOf(receiver.track),
        layer: this.#simulcast?.layerOf(receiver.track),
        nowMs: this.#nowMs,
      }),
    );
    return {
      tracks,
      ...totalsOf(tracks),
      rttMs: this.#roundTrip.ms,
      queuedBytes: this.#receivers.reduce((total, receiver) => total + receiver.queuedBytes, 0),
      drops: {
        broken: tracks.reduce((sum, track) => sum + track.brokenFrames + track.withheldFrames, 0),
        not_carried: this.#notCarried,
      },
      clockBreaks: this.#clockBreaks,
      ignoredReports: this.#clock.ignoredReports,
      rtcp: { ...this.#writer.counts },
    };
  }

  /** Takes and sends nothing from now on. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#simulcast?.close();
  }

  #receiverOf(track: LayerTrack): TrackReceiver | undefined {
    const receivers = this.#receivers;
    for (let i = 0; i < receivers.length; i++) if (receivers[i]?.track === track) return receivers[i];
    return undefined;
  }

  #heard(kind: 'video' | 'audio', nowMs: number): void {
    this.#listen(nowMs).heard(kind, nowMs);
    if (this.#reportMs === Number.POSITIVE_INFINITY) this.#reportMs = nowMs + FIRST_REPORT_MS;
  }

  #listen(nowMs: number): MediaSilence {
    if (this.#silence !== undefined) return this.#silence;
    const { activityTimeoutMs, watchesAudio, watchesVideo } = this.#o.options;
    this.#silence = new MediaSilence({ timeoutMs: activityTimeoutMs, watchesAudio, watchesVideo }, nowMs);
    return this.#silence;
  }

  #published(kind: 'video' | 'audio'): void {
    if (this.#active) return;
    const awaitsVideo = kind === 'audio' && this.#o.tracks.some((track) => track.kind === 'video');
    if (!awaitsVideo) this.#activate();
    else if (Number.isNaN(this.#firstSoundMs)) this.#firstSoundMs = this.#nowMs;
  }

  #activate(): void {
    if (this.#active) return;
    this.#active = true;
    this.#o.onFirstMedia();
  }

  #countBreak(): void {
    this.#clockBreaks++;
    this.#o.onClockBreak?.();
  }

  #recordArrival(packet: RtpPacket, track: NegotiatedTrack | undefined, arrivalMs: number): void {
    const id = track?.extensions.transportSequence;
    if (id === undefined || !this.#o.options.transportCc || track?.feedback.transportCc !== true) return;
    const sequence = transportSequence(packet, id);
    if (sequence !== undefined) this.#arrivals.record(sequence, arrivalMs);
  }

  #anySsrc(): number | undefined {
    for (const { track } of this.#receivers) {
      const ssrc = this.#sources.ssrcOf(track);
      if (ssrc !== undefined) return ssrc;
    }
    return undefined;
  }

  #isStill(nowMs: number): boolean {
    return nowMs - this.#arrivedMs > STILL_AFTER_MS;
  }

  #askForPackets(receiver: TrackReceiver, nowMs: number): void {
    const missing = receiver.missing(nowMs, this.#roundTrip.ms, this.#isStill(nowMs));
    if (missing.length === 0) return;
    const ssrc = this.#sources.ssrcOf(receiver.track);
    if (ssrc === undefined) return;
    receiver.counts.nacks += missing.length;
    this.#writer.nack(ssrc, missing);
  }

  #askForKeyFrame({ track, keyFrames }: TrackReceiver, nowMs: number): void {
    if (track.kind !== 'video' || !keyFrames.isDue(nowMs)) return;
    // A layer that does not come begins with a key frame by itself; others would all send one for it.
    if (this.#simulcast?.layerOf(track)?.active === false) return;
    const ssrc = this.#sources.ssrcOf(track);
    if (ssrc === undefined) return;
    keyFrames.asked(nowMs);
    const { pli, fir } = track.feedback;
    if (pli) this.#writer.pictureLoss(ssrc);
    else if (fir) this.#writer.fullIntra(ssrc);
  }

  #sampleRoundTrip(answer: Parameters<typeof roundTripOf>[0], nowMs: number): void {
    const rttMs = roundTripOf(answer, nowMs);
    if (rttMs !== undefined) this.#roundTrip.sample(rttMs);
  }

  #checkSilence(nowMs: number): void {
    this.#silenceCheckMs = nowMs + SILENCE_CHECK_MS;
    const silence = this.#silence?.check(nowMs);
    if (silence === undefined) return;
    this.#silenceCheckMs = Number.POSITIVE_INFINITY;
    this.#o.onActivityTimeout(silence);
  }

  /** Once a second: what was received, and how much may be sent. */
  #report(nowMs: number): void {
    this.#reportMs = nowMs + REPORT_INTERVAL_MS;
    const blocks = this.#receivers.flatMap((receiver) => {
      const ssrc = this.#sources.ssrcOf(receiver.track);
      return (ssrc === undefined ? undefined : receiver.statistics.report(ssrc, nowMs)) ?? [];
    });
    this.#writer.report(blocks, nowMs);
    this.#limitBitrate(Math.max(0, ...blocks.map((block) => block.fractionLost / 256)), nowMs);
  }

  #receivedBps(isOf: (track: LayerTrack) => boolean): number {
    let sum = 0;
    for (const { track, rate } of this.#receivers) if (isOf(track)) sum += rate.bitsPerSecond(this.#nowMs);
    return sum;
  }

  #limitBitrate(lossFraction: number, nowMs: number): void {
    this.#capBps = this.#simulcast?.capBps;
    const { minBps } = bitrateLimits(this.#o.options, this.#o);
    const capBps = Math.max(minBps, this.#capBps ?? Number.POSITIVE_INFINITY);
    // Senders take REMB as a limit beside transport-wide feedback, though they can't be offered both.
    const receivers = this.#receivers.filter(({ track }) => track.feedback.remb || track.rid !== undefined);
    const ssrcs = receivers.flatMap(({ track }) => this.#sources.ssrcOf(track) ?? []);
    if (ssrcs.length === 0) return;
    const bitsPerSecond = this.#receivers.reduce((sum, receiver) => sum + receiver.rate.bitsPerSecond(nowMs), 0);
    if (this.#o.options.transportCc && receivers.some(({ track }) => track.feedback.transportCc)) {
      const limitBps = this.#bitrate.limit(bitsPerSecond, this.#simulcast !== undefined);
      if (limitBps !== undefined) this.#writer.maximumBitrate(Math.min(limitBps, capBps), ssrcs);
      return;
    }
    const jitterMs = Math.max(...receivers.map((receiver) => receiver.statistics.jitterMs));
    const nextBps = this.#bitrate.next({ bitsPerSecond, lossFraction, jitterMs });
    this.#writer.maximumBitrate(Math.min(nextBps, capBps), ssrcs);
  }
}
