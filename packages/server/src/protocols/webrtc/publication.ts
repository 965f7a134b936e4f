import type { RtcpPacket, RtpPacket } from '@sluice/media';
import type {
  AgreedTrack,
  Counters,
  IceCredentials,
  PeerRequest,
  PeerStats,
  PublicationToRecord,
  Publisher,
  Stream,
  StreamRegistry,
} from '../../core/index.ts';
import { type NegotiatedTrack, PublisherMedia, type ReceiveOptions } from '../../rtp/index.ts';
import { BitrateMeter } from './bitrate-meter.ts';
import { publishedFacts } from './explain/published-facts.ts';
import type { Peer, PeerMedia } from './peer.ts';
import { BasePeerSession, type PeerSessionContext } from './peer-session.ts';

export interface PublicationParts {
  readonly streams: StreamRegistry;
  readonly counters: Counters;
  readonly tracks: readonly NegotiatedTrack[];
  readonly options: ReceiveOptions;
  /** Names us in reports. */
  readonly ssrc: number;
  readonly cname: string;
  /** Encodings that nobody has watched for so long are kept back; undefined: they never are. */
  readonly pauseLayersAfterMs: number | undefined;
}

/** One browser or encoder that publishes a stream. */
export class PublicationSession extends BasePeerSession implements PeerMedia, Publisher {
  readonly mediaType = 'publish';
  readonly #parts: PublicationParts;
  readonly #videoRate = new BitrateMeter();
  readonly #audioRate = new BitrateMeter();
  #stream: Stream | undefined;
  #media: PublisherMedia | undefined;

  constructor(request: PeerRequest, context: PeerSessionContext, parts: PublicationParts) {
    super(request, context);
    this.#parts = parts;
  }

  get sessionId(): string {
    return this.request.sessionId;
  }

  get agreedTracks(): readonly AgreedTrack[] {
    return this.#parts.tracks;
  }

  get recording(): PublicationToRecord {
    const { mediaSessionId, login = '', appKey, record = false, rotation, events } = this.request;
    return { mediaSessionId, login, appKey, wanted: record, rotation, onEvent: (event) => events.onRecording?.(event) };
  }

  /**
   * Takes the stream's name and listens for the peer. Gives our credentials for the answer.
   * @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID or STREAM_LIMIT
   */
  begin(peer: Peer): IceCredentials {
    const stream = this.#parts.streams.publish(this.request.streamName, this);
    this.#stream = stream;
    const { tracks, options, ssrc, cname, counters, pauseLayersAfterMs } = this.#parts;
    this.#media = new PublisherMedia({
      tracks,
      stream,
      options,
      localSsrc: ssrc,
      cname,
      pauseLayersAfterMs,
      maxBitrateBps: this.request.maxBitrateBps,
      minBitrateBps: this.request.minBitrateBps,
      onClockBreak: () => counters.count('source_clock_breaks'),
      sendRtcp: (packet) => peer.sendRtcp(packet),
      onFirstMedia: () => this.activate(),
      onActivityTimeout: (detail) => this.end('rtp_activity', detail),
    });
    return this.run(peer, this);
  }

  onConnected(): void {
    // It is a publication once there is something to play.
  }

  onRtp(packet: RtpPacket, nowMs: number): void {
    this.#media?.onRtp(packet, nowMs);
  }

  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void {
    this.#media?.onRtcp(packets, nowMs);
  }

  requestKeyFrame(): void {
    this.#media?.requestKeyFrame();
  }

  tick(nowMs: number): void {
    const media = this.#media;
    if (media === undefined) return;
    media.tick(nowMs);
    const { videoBytes, audioBytes } = media.stats();
    this.#videoRate.update(videoBytes, nowMs);
    this.#audioRate.update(audioBytes, nowMs);
  }

  stats(): PeerStats {
    const stats = this.#media?.stats();
    return {
      videoBitrateBps: this.#videoRate.bps,
      audioBitrateBps: this.#audioRate.bps,
      rttMs: stats?.rttMs,
      packetsLost: stats?.packetsLost ?? 0,
      packets: stats?.packets ?? 0,
      bytes: (stats?.videoBytes ?? 0) + (stats?.audioBytes ?? 0),
    };
  }

  protected mediaFacts(nowMs: number) {
    const stats = this.#media?.stats();
    const media = stats === undefined ? [] : publishedFacts(stats, { stream: this.#stream, nowMs });
    return { media, source: {}, roundTripMs: stats?.rttMs };
  }

  protected facts() {
    const stats = this.#media?.stats();
    return {
      packets: stats?.packets ?? 0,
      queuedBytes: stats?.queuedBytes ?? 0,
      drops: stats?.drops ?? {},
      lostPackets: stats?.packetsLost ?? 0,
    };
  }

  protected release(reason: string, deliberate: boolean): void {
    this.#media?.close();
    const stream = this.#stream;
    if (stream === undefined) return;
    const { streams } = this.#parts;
    // Who stops on purpose does not come back; viewers of one that was lost wait for it.
    if (deliberate && stream.publisher === this) streams.end(stream, reason);
    else streams.unpublish(stream, this, reason);
  }
}
