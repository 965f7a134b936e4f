import type { RtcpPacket } from '@sluice/media';
import type { SentPackets } from '@sluice/native';
import {
  type Acceptance,
  type Adaptations,
  type Counters,
  END_OF_FILE,
  type IceCredentials,
  type PeerRequest,
  type PeerStats,
  type Renditions,
  type Stream,
  type StreamLayer,
  type VideoForm,
} from '../../core/index.ts';
import type { LanePackagers } from '../../rtp/index.ts';
import { BitrateMeter } from './bitrate-meter.ts';
import type { SendingOptions } from './options.ts';
import type { Peer, PeerMedia } from './peer.ts';
import { BasePeerSession, type PeerSessionContext } from './peer-session.ts';
import type { PacingTimer } from './send/bandwidth/pacing-timer.ts';
import { openPath, type SendPath } from './send/bandwidth/send-path.ts';
import { Playback } from './send/playback.ts';
import type { PlayedMedia } from './send/played-media.ts';
import { QualityControl } from './send/quality-control.ts';
import type { QualityPolicyOptions } from './send/quality-policy.ts';
import type { SharedLanes } from './send/shared-lane.ts';
import type { ViewerBandwidth } from './send/viewer-bandwidth.ts';
import type { PictureSize, StreamWatcher, WatchedStreams } from './send/watched-streams.ts';

export interface PlayerParts {
  readonly stream: Stream;
  readonly acceptance: Acceptance;
  readonly adaptations: Adaptations;
  readonly media: readonly PlayedMedia[];
  readonly packagers: LanePackagers;
  readonly sharedLanes: SharedLanes;
  readonly watched: WatchedStreams;
  readonly cname: string;
  /** Qualities that the player is moved between by its bandwidth; undefined when it is not. */
  readonly renditions: Renditions | undefined;
  /** What the player asks for of the picture, where that is chosen among the encodings of the publisher. */
  readonly asked: VideoForm | undefined;
  readonly qualityPolicy: QualityPolicyOptions;
  readonly newBandwidth: () => ViewerBandwidth;
  readonly sending: SendingOptions;
  readonly pacing: PacingTimer;
  readonly counters: Counters;
}

/** How often it is looked at whether what is played has become something else. */
const LOOK_INTERVAL_MS = 500;
/** What is sent along shared lanes needs no more care than this; it is looked at with each feedback besides. */
const STEADY_TICK_MS = 190;

/** One browser that plays a stream. */
export class PlayerSession extends BasePeerSession implements PeerMedia, StreamWatcher {
  readonly mediaType = 'play';
  readonly #parts: PlayerParts;
  readonly #videoRate = new BitrateMeter();
  readonly #audioRate = new BitrateMeter();
  #peer: Peer | undefined;
  #playback: Playback | undefined;
  #path: SendPath | undefined;
  #quality: QualityControl | undefined;
  #lookedMs = 0;
  #watch: Disposable | undefined;
  /** The stream whose size the player sees, when it is another one than the source. */
  #sized: { readonly stream: Stream; readonly watch: Disposable } | undefined;

  /** Size of the publisher's encoding that the player gets, as it was told. */
  #layerSize: PictureSize | undefined;

  constructor(request: PeerRequest, context: PeerSessionContext, parts: PlayerParts) {
    super(request, context);
    this.#parts = parts;
  }

  begin(peer: Peer): IceCredentials {
    const { stream, acceptance, media, adaptations, packagers, cname } = this.#parts;
    const { bandwidth, path } = openPath(media, this.#parts);
    this.#peer = peer;
    this.#path = path;
    this.#quality = this.#qualityControl(bandwidth);
    this.#playback = new Playback(
      { stream, acceptance, media, picture: this.#quality?.begin() },
      {
        adaptations,
        packagers,
        sink: peer,
        cname,
        bandwidth,
        path,
        sharing: { lanes: this.#parts.sharedLanes, peer: () => peer.shared },
        sendRtcp: (packet) => peer.sendRtcp(packet),
      },
    );
    this.#watch = this.#parts.watched.watch(stream, this);
    this.#watchSize();
    return this.run(peer, this);
  }

  onConnected(nowMs: number): void {
    this.#askWhatIsSent();
    this.#playback?.start(nowMs);
    this.activate();
    this.#parts.stream.viewerReady();
  }

  onRtp(): void {
    // A player has nothing to send.
  }

  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void {
    this.#playback?.onRtcp(packets, nowMs);
  }

  onSent(packets: SentPackets, at: number): void {
    this.#path?.bandwidth?.takeSent(packets, at);
  }

  onTrackDropped(ssrc: number): void {
    this.#playback?.onTrackDropped(ssrc);
  }

  get restMs(): number {
    return this.#playback?.isSteady === true ? STEADY_TICK_MS : 0;
  }

  tick(nowMs: number): void {
    const playback = this.#playback;
    if (playback === undefined) return;
    if (nowMs - this.#lookedMs >= LOOK_INTERVAL_MS) {
      this.#lookedMs = nowMs;
      const failure = this.#whyUnplayable(playback);
      if (failure !== undefined) return this.end('not_playable', failure);
    }
    this.#quality?.tick(playback, nowMs);
    playback.tick(nowMs);
    this.#watchSize();
    if (this.#videoRate.isDue(nowMs)) {
      this.#videoRate.update(playback.sent('video').bytes, nowMs);
      this.#audioRate.update(playback.sent('audio').bytes, nowMs);
    }
  }

  /** Of the source. */
  onSize(size: PictureSize): void {
    if (this.#sized === undefined && this.#playback?.layer === undefined) this.#tellSize(size);
  }

  onStreamEnd(reason: string): void {
    this.end(reason === END_OF_FILE ? 'file_finished' : 'publisher_stopped', reason);
  }

  stats(): PeerStats {
    const playback = this.#playback;
    const video = playback?.sent('video');
    const audio = playback?.sent('audio');
    return {
      videoBitrateBps: this.#videoRate.bps,
      audioBitrateBps: this.#audioRate.bps,
      rttMs: playback?.rttMs,
      packetsLost: playback?.packetsLost ?? 0,
      packets: (video?.packets ?? 0) + (audio?.packets ?? 0),
      bytes: (video?.bytes ?? 0) + (audio?.bytes ?? 0),
    };
  }

  protected mediaFacts(nowMs: number) {
    const { stream } = this.#parts;
    const { video, audio } = stream.state;
    const rates = { video: this.#videoRate, audio: this.#audioRate };
    const media = this.#playback?.explain(nowMs) ?? [];
    const quality = this.#quality?.facts(nowMs);
    return {
      media: media.map((facts) => ({
        ...facts,
        bitrateBps: Math.round(rates[facts.kind].bps),
        ...(facts.kind === 'video' && quality),
      })),
      source: { video: video?.codec, audio: audio?.codec },
      roundTripMs: this.#playback?.rttMs,
    };
  }

  protected facts() {
    const { packets, packetsLost } = this.stats();
    return { packets, queuedBytes: 0, drops: {}, lostPackets: packetsLost };
  }

  protected release(): void {
    this.#watch?.[Symbol.dispose]();
    this.#sized?.watch[Symbol.dispose]();
    this.#playback?.close();
    this.#path?.close();
  }

  #whyUnplayable(playback: Playback): string | undefined {
    if (playback.isUnplayable) return 'the stream has other codecs by now than the player';
    return this.#parts.acceptance.videoOutput === undefined ? undefined : playback.pictureLost;
  }

  /** Packets are numbered where they are encrypted. */
  #askWhatIsSent(): void {
    const shared = this.#peer?.shared;
    if (shared === undefined) return;
    this.#path?.bandwidth?.askOthers((number, out) => shared.egress.sentSince(shared.id, number, out));
  }

  /** Undefined for who plays sound alone. */
  #qualityControl(bandwidth: ViewerBandwidth): QualityControl | undefined {
    const { media, asked, qualityPolicy: policy, stream, acceptance, renditions, sending, counters } = this.#parts;
    const video = media.find(({ kind }) => kind === 'video');
    if (video === undefined) return undefined;
    const limits = [this.request.maxBitrateBps, asked?.bitrateBps].filter((bps) => bps !== undefined && bps > 0);
    const maxBitrateBps = limits.length > 0 ? Math.min(...limits.map(Number)) : undefined;
    // Written out: an object that is spread into another one has a shape of its own, of some hundred bytes for each viewer.
    return new QualityControl({
      stream,
      acceptance,
      codecs: video.codecs,
      renditions,
      asked,
      maxBitrateBps,
      bandwidth,
      policy,
      sending,
      counters,
      log: this.log,
      onNotEnoughBandwidth: (streamBps, availableBps) => {
        if (!this.over) this.request.events.onNotEnoughBandwidth?.(streamBps, availableBps);
      },
    });
  }

  /** The player is told the size of what it gets, which is not always that of the source. */
  #watchSize(): void {
    const { stream: source, watched } = this.#parts;
    const layer = this.#playback?.layer;
    if (layer !== undefined) return this.#watchLayer(layer);
    if (this.#layerSize !== undefined) this.#watchSource();
    const stream = this.#playback?.pictureStream ?? source;
    if (stream === (this.#sized?.stream ?? source)) return;
    this.#sized?.watch[Symbol.dispose]();
    // The end of the source is what counts: what is made of it ends with it.
    const watcher: StreamWatcher = { onSize: (size) => this.#tellSize(size), onStreamEnd: () => {} };
    this.#sized = { stream, watch: watched.watch(stream, watcher) };
  }

  /** From now on it is the source whose size counts, which is known already. */
  #watchSource(): void {
    const { stream, watched } = this.#parts;
    this.#layerSize = undefined;
    this.#watch?.[Symbol.dispose]();
    this.#watch = watched.watch(stream, this);
  }

  #watchLayer({ width, height }: StreamLayer): void {
    this.#sized?.watch[Symbol.dispose]();
    this.#sized = undefined;
    if (width === undefined || height === undefined) return;
    if (width === this.#layerSize?.width && height === this.#layerSize.height) return;
    this.#layerSize = { width, height };
    this.#tellSize(this.#layerSize);
  }

  #tellSize({ width, height }: PictureSize): void {
    if (!this.over) this.request.events.onResize?.(width, height);
  }
}
