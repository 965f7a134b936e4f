import { randomUUID } from 'node:crypto';
import { ProtocolError, parseRtcp, type RtcpPacket, type Track, writeStreamSdp } from '@sluice/media';
import {
  type FanOutSink,
  FanOutViewer,
  type MediaSession,
  playerEnd,
  type SessionDescription,
  type SessionFacts,
  viewerFacts,
  withoutCredentials,
} from '../../../core/index.ts';
import { writeRtpInfo } from '../wire/playback-headers.ts';
import type { NumberPair, RtspTransport } from '../wire/transport.ts';
import { chooseTransport, type MediaPath } from './choose-transport.ts';
import type { RtspContext } from './context.ts';
import { startOf } from './fan-out-start.ts';
import type { SentTrack } from './format.ts';
import type { RtspPeer } from './peer.ts';
import type { FoundStream, RtspPlace } from './places.ts';
import { type RtspTarget, trackUrl } from './target.ts';
import { UdpSink } from './udp-sink.ts';

/** Goodbyes go to another port than media, and must not overtake it: clients stop at once when they hear it. */
const UDP_GOODBYE_DELAY_MS = 200;

/** Channel of RTP that a kind has in what viewers share, unless a client wants another one. */
const USUAL_CHANNELS: Readonly<Record<Track['kind'], number>> = { video: 0, audio: 2 };

interface SetUp {
  readonly track: Track;
  readonly url: string;
  readonly path: MediaPath;
  readonly claim: Disposable | undefined;
}

interface Running {
  readonly place: RtspPlace;
  readonly viewer: FanOutViewer;
  readonly sent: readonly SentTrack[];
  readonly udp: UdpSink | undefined;
  readonly leftOutBefore: number;
  readonly registrations: readonly Disposable[];
}

/** What one RTSP client plays: the stream that was found for it, the tracks that it has set up, its place in it. */
export class RtspPlayback implements MediaSession {
  readonly mediaSessionId: string;
  readonly target: RtspTarget;
  readonly #peer: RtspPeer;
  readonly #appKey: string;
  readonly #context: RtspContext;
  readonly #createdAt = Date.now();
  readonly #setUp = new Map<number, SetUp>();
  readonly #lost = new Map<number, number>();
  #found: FoundStream | undefined;
  #running: Running | undefined;
  #paused = false;
  /** The stream is over, and the client is told a little later. */
  #closing: { readonly info: string; readonly atMs: number } | undefined;
  #ended = false;

  constructor(peer: RtspPeer, target: RtspTarget, context: RtspContext) {
    this.#peer = peer;
    this.target = target;
    this.#appKey = target.appKey ?? context.options.defaultAppKey;
    this.#context = context;
    this.mediaSessionId = `${randomUUID()}-${target.streamName}-RTSP`;
  }

  get appKey(): string {
    return this.#appKey;
  }

  /** True once a track is set up: then there is a session (RFC 2326 §3.2). */
  get isSetUp(): boolean {
    return this.#setUp.size > 0;
  }

  get started(): boolean {
    return this.#running !== undefined;
  }

  /** What can be played; empty before `found`. */
  get tracks(): readonly Track[] {
    return this.#found?.tracks ?? [];
  }

  /** The stream that the target names; given back with `end`. */
  found(found: FoundStream): void {
    if (this.#ended) found.lease[Symbol.dispose]();
    else this.#found = found;
  }

  /** The answer to DESCRIBE. */
  description(): string {
    return writeStreamSdp(this.tracks, { name: withoutCredentials(this.target.streamName) });
  }

  /** Prepares a track; undefined when the client offers no transport that can be used (461). */
  setUp(index: number, header: string): RtspTransport | undefined {
    const track = this.tracks[index];
    if (track === undefined) return undefined;
    const others = [...this.#setUp].filter(([other]) => other !== index).map(([, { path }]) => path);
    const path = chooseTransport(header, {
      mode: 'play',
      kind: others[0]?.kind,
      udpEnabled: this.#context.udp !== undefined && !this.#peer.tunnelled,
      usedChannels: others.flatMap((other) => (other.kind === 'tcp' ? [other.channels] : [])),
      usualChannel: USUAL_CHANNELS[track.kind],
    });
    if (path === undefined) return undefined;
    this.#setUp.get(index)?.claim?.[Symbol.dispose]();
    this.#setUp.delete(index);
    const claim = path.kind === 'udp' ? this.#claim(path.clientPorts) : undefined;
    if (path.kind === 'udp' && claim === undefined) return undefined;
    this.#setUp.set(index, { track, path, claim, url: trackUrl(this.target.url, index) });
    return this.#confirmed(track, path);
  }

  /** Begins, or goes on: with media once `begin` is called, which is to be done at once after the answer is written. */
  play(): { readonly rtpInfo: string; begin(): void } {
    const running = this.#running;
    if (running === undefined) {
      const begun = this.#start();
      this.#running = begun;
      return { rtpInfo: this.#rtpInfo(begun), begin: () => this.#begin(begun) };
    }
    const goOn = (): void => {
      if (this.#paused) running.viewer.setPaused(false);
      this.#paused = false;
    };
    return { rtpInfo: this.#rtpInfo(running), begin: goOn };
  }

  pause(): void {
    this.#paused = true;
    this.#running?.viewer.setPaused(true);
  }

  /** RTCP of the client, by whichever way: it is there, and tells what the network has lost. */
  rtcp(bytes: Uint8Array): void {
    for (const packet of readRtcp(bytes, () => this.#context.counters.count('rtsp_malformed_datagrams'))) {
      this.#peer.alive();
      if (packet.kind !== 'rr' && packet.kind !== 'sr') continue;
      for (const { ssrc, cumulativeLost } of packet.reports)
        if (this.#lost.has(ssrc)) this.#lost.set(ssrc, Math.max(0, cumulativeLost));
    }
  }

  /** Called about once a second; tells why the playback should end, or undefined. */
  check(nowMs: number): string | undefined {
    const running = this.#running;
    if (running === undefined) return undefined;
    if (running.viewer.isStalled(nowMs)) {
      this.#context.counters.count('rtsp_slow_viewers');
      return `viewer has not read for ${this.#context.options.viewerStallTimeoutMs} ms`;
    }
    return running.place.format.unfit;
  }

  /** What the client has taken of its media so far, bytes; those by UDP leave without a sign of being taken. */
  get takenBytes(): number {
    const running = this.#running;
    if (running === undefined || running.udp !== undefined) return 0;
    return Math.max(0, running.viewer.bytesSent - this.#peer.output.writableLength);
  }

  describe(): SessionDescription {
    const running = this.#running;
    const viewer = running?.viewer;
    const status = this.#ended ? 'STOPPED' : running === undefined ? 'PENDING' : 'PLAYING';
    return {
      sessionId: this.#peer.sessionId,
      mediaSessionId: this.mediaSessionId,
      appKey: this.#appKey,
      protocol: 'rtsp',
      mediaProvider: 'RTSP',
      mediaType: 'play',
      streamName: this.target.streamName,
      status,
      createDate: this.#createdAt,
      transport: this.#isUdp ? 'UDP' : 'TCP',
      remoteAddress: this.#peer.remoteAddress,
      bytesIn: 0,
      bytesOut: viewer?.bytesSent ?? 0,
      packets: viewer?.packetsSent ?? 0,
      queuedBytes: this.#queuedBytes,
      drops: {
        slow_viewer: viewer?.dropped ?? 0,
        not_carried: running === undefined ? 0 : running.place.fanOut.leftOut - running.leftOutBefore,
      },
      lostPackets: [...this.#lost.values()].reduce((sum, lost) => sum + lost, 0),
      custom: this.target.custom,
    };
  }

  explain(): SessionFacts {
    const { secure, agent } = this.#peer;
    const running = this.#running;
    if (running === undefined) return { tcp: { queuedBytes: this.#queuedBytes, secure, agent }, media: [] };
    const { place, viewer } = running;
    const kinds = new Set([...this.#setUp.values()].map(({ track }) => track.kind));
    const wants = { video: kinds.has('video'), audio: kinds.has('audio') };
    return viewerFacts({ ...place, viewer, wants, queuedBytes: this.#queuedBytes, secure }, this.#context.adaptations);
  }

  /** Somebody else than the client wants the playback gone. */
  close(reason: string): void {
    this.#sayGoodbye();
    this.#peer.finish(reason);
  }

  /** Gives everything back. Idempotent. */
  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { claim } of this.#setUp.values()) claim?.[Symbol.dispose]();
    const running = this.#running;
    if (running !== undefined) {
      const { viewer, place, udp, registrations } = running;
      this.#context.counters.count('rtsp_dropped_packets', viewer.dropped);
      viewer.close();
      udp?.destroy();
      place.fanOut.stream.addViewers(-1);
      this.#context.places.leave(place);
      for (const registration of registrations) registration[Symbol.dispose]();
      this.#context.log.info({ session: this.#peer.sessionId, reason, bytesOut: viewer.bytesSent }, 'play ended');
    }
    this.#found?.lease[Symbol.dispose]();
    this.#found = undefined;
  }

  #begin({ viewer }: Running): void {
    if (this.#ended) return;
    viewer.pump();
    this.#found?.lease.source.viewerReady();
  }

  get #isUdp(): boolean {
    for (const { path } of this.#setUp.values()) return path.kind === 'udp';
    return false;
  }

  get #queuedBytes(): number {
    return this.#running?.udp?.writableLength ?? this.#peer.output.writableLength;
  }

  #claim(clientPorts: NumberPair): Disposable | undefined {
    const peer = { rtp: () => this.#peer.alive(), rtcp: (bytes: Uint8Array) => this.rtcp(bytes) };
    return this.#context.udp?.claim(this.#peer.remoteAddress, clientPorts, peer);
  }

  #confirmed(track: Track, path: MediaPath): RtspTransport {
    const ssrc = this.#found === undefined ? 0 : this.#context.places.ssrcOf(this.#found, track.kind);
    const common = { profile: 'RTP/AVP', delivery: 'unicast', ssrc, mode: 'play' } as const;
    if (path.kind === 'tcp') return { ...common, lower: 'TCP', interleaved: path.channels };
    return { ...common, lower: 'UDP', clientPort: path.clientPorts, serverPort: this.#context.udp?.ports ?? [0, 0] };
  }

  #start(): Running {
    const found = this.#found;
    if (found === undefined) throw new Error('nothing was found to play');
    const tracks = [...this.#setUp.values()];
    const sent = tracks.map(({ track, path }) => ({
      track,
      channel: path.kind === 'tcp' ? path.channels[0] : USUAL_CHANNELS[track.kind],
    }));
    const { options, places, sessions, log } = this.#context;
    const place = places.enter(found, sent);
    for (const { track } of sent) this.#lost.set(places.ssrcOf(found, track.kind), 0);
    const udp = this.#isUdp ? this.#udpSink(tracks) : undefined;
    const sink: FanOutSink = udp ?? this.#peer.output;
    const viewer = new FanOutViewer(sink, place.fanOut, {
      maxWriteBytes: options.viewerWriteBytes,
      stallTimeoutMs: options.viewerStallTimeoutMs,
      onEnded: (reason) => this.#streamEnded(reason),
    });
    place.fanOut.stream.addViewers(1);
    const registrations = [sessions.add(this)];
    if (udp !== undefined) registrations.push(this.#context.everyTick((nowMs) => this.#tickUdp(udp, nowMs)));
    const { sessionId } = this.#peer;
    log.info(
      { session: sessionId, stream: withoutCredentials(this.target.streamName), udp: this.#isUdp },
      'play started',
    );
    return { place, viewer, sent, udp, leftOutBefore: place.fanOut.leftOut, registrations };
  }

  #udpSink(tracks: readonly SetUp[]): UdpSink | undefined {
    const { udp, options } = this.#context;
    if (udp === undefined) return undefined;
    const clientPorts = new Map(
      tracks.flatMap(({ track, path }) =>
        path.kind === 'udp' ? [[USUAL_CHANNELS[track.kind], path.clientPorts] as const] : [],
      ),
    );
    const { udpBytesPerSecond } = options;
    return new UdpSink({
      ports: udp,
      address: this.#peer.remoteAddress,
      clientPorts,
      bytesPerSecond: udpBytesPerSecond,
    });
  }

  #rtpInfo({ place, sent }: Running): string {
    const start = startOf(place.fanOut, sent);
    const urls = new Map([...this.#setUp.values()].map(({ track, url }) => [track, url]));
    return writeRtpInfo(
      sent.map(({ track }) => ({
        url: urls.get(track) ?? '',
        // Before the first picture nobody knows which one it will be.
        sequence: start && (start.sequences.get(track.kind) ?? place.format.nextSequence(track.kind)),
        rtpTime: start && place.source.timestamp(track, start.atUs),
      })),
    );
  }

  #streamEnded(reason: string): void {
    const { info } = playerEnd(reason);
    if (this.#running?.udp === undefined) return this.close(info);
    this.#closing = { info, atMs: performance.now() + UDP_GOODBYE_DELAY_MS };
  }

  #tickUdp(udp: UdpSink, nowMs: number): void {
    udp.tick(nowMs);
    const closing = this.#closing;
    if (closing !== undefined && nowMs >= closing.atMs && !udp.writableNeedDrain) this.close(closing.info);
  }

  #sayGoodbye(): void {
    const running = this.#running;
    if (running === undefined || this.#ended) return;
    const goodbye = running.place.format.goodbye();
    if (running.udp !== undefined) running.udp.write(goodbye);
    else if (!this.#peer.output.writableNeedDrain) this.#peer.send(goodbye);
  }
}

function readRtcp(bytes: Uint8Array, onBroken: () => void): readonly RtcpPacket[] {
  try {
    return parseRtcp(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    onBroken();
    return [];
  }
}
