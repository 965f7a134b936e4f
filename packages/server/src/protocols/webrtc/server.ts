import { randomInt } from 'node:crypto';
import { type IceCandidate, parseIceCandidate } from '@sluice/media';
import {
  type Acceptance,
  findStream,
  type Log,
  MediaServerError,
  type PastSessions,
  type PeerGateway,
  type PeerRequest,
  type PeerSession,
  type ProtocolDeps,
  type Renditions,
  type Stream,
} from '../../core/index.ts';
import { BusyTicks, RateLimiter, type Ticker } from '../../io/index.ts';
import { LanePackagers } from '../../rtp/index.ts';
import { refusedSession } from './explain/session-facts.ts';
import { negotiatePlay, negotiatePublish, playedMedia, receivedTracks, resendsAsIs } from './negotiation.ts';
import type { WebRtcOptions } from './options.ts';
import { Peer } from './peer.ts';
import type { BasePeerSession, PeerSessionContext } from './peer-session.ts';
import { PeerTicks } from './peer-ticks.ts';
import { PlayerSession } from './player.ts';
import { PublicationSession } from './publication.ts';
import { PacingTimer } from './send/bandwidth/pacing-timer.ts';
import { newCname, newSources, newSsrc } from './send/local-sources.ts';
import { SharedLanes } from './send/shared-lane.ts';
import { SharedRenditions } from './send/shared-renditions.ts';
import { WatchedStreams } from './send/watched-streams.ts';
import { SendBuffer } from './send-buffer.ts';
import { tracksKnown } from './tracks-known.ts';
import { type DatagramPort, MediaTransport, type TransportPeer } from './transport/index.ts';
import { TransportMetrics } from './transport-metrics.ts';
import { type LocalSources, type NegotiatedMedia, writeAnswer } from './wire/offer-answer/index.ts';
import type { Endpoint } from './wire/stun/index.ts';

export interface WebRtcDeps extends ProtocolDeps {
  readonly ticker: Ticker;
  /** Qualities of streams, and whether there is room for one more form of a picture. Default: none, and always. */
  readonly renditions?: Renditions | undefined;
}

const FAULT_LINES_PER_SECOND = 5;
const METRICS_INTERVAL_MS = 1000;
const ANY_ADDRESS = '::';

/** WebRTC for publishers and players: one port for all, and the gateway that signalling of any kind uses. */
export class WebRtcServer implements PeerGateway, PeerSessionContext {
  readonly log: Log;
  readonly codecs: Pick<WebRtcOptions, 'videoCodecs' | 'audioCodecs'>;
  readonly past: PastSessions;
  readonly #deps: WebRtcDeps;
  readonly #options: WebRtcOptions;
  readonly #transport: MediaTransport;
  readonly #metrics: TransportMetrics;
  readonly #buffer = new SendBuffer();
  readonly #pacing = new PacingTimer();
  readonly #packagers: LanePackagers;
  readonly #renditions: SharedRenditions | undefined;
  readonly #faults = new RateLimiter(FAULT_LINES_PER_SECOND);
  readonly #watched = new WatchedStreams();
  readonly #sharedLanes = new SharedLanes();
  readonly #sessions = new Map<string, { readonly session: BasePeerSession; readonly registration: Disposable }>();
  /** Sessions whose offer is being answered, by media session id. */
  readonly #pending = new Set<string>();
  readonly #peers = new Map<BasePeerSession, Peer>();
  readonly #ticks = new PeerTicks<Peer>((peer, error) => this.#onPeerError(peer, error));
  readonly #wake = (peer: Peer): void => this.#ticks.wake(peer);
  readonly #ticking: BusyTicks;
  #tick: Disposable | undefined;
  #closed = false;

  constructor(deps: WebRtcDeps, options: WebRtcOptions) {
    this.log = deps.log;
    this.#deps = deps;
    this.#options = options;
    this.codecs = options;
    this.past = deps.sessions.past;
    this.#metrics = new TransportMetrics(deps.counters);
    this.#ticking = new BusyTicks(deps.ticker, (nowMs) => this.#onTick(nowMs));
    this.#renditions = deps.renditions && new SharedRenditions(deps.renditions);
    this.#packagers = new LanePackagers(options.maxPayloadBytes);
    this.#transport = new MediaTransport({
      port: options.port,
      bindAddress: options.host === ANY_ADDRESS ? undefined : options.host,
      advertisedAddresses: options.addresses,
      receiveBufferBytes: options.receiveBufferBytes,
      sendBufferBytes: options.sendBufferBytes,
      consentTimeoutMs: options.consentTimeoutMs,
      tcp: options.tcp,
      onPeerError: (peer, error) => this.#onPeerError(peer, error),
    });
  }

  /** Publishers and players of this moment, with those whose offer is being answered. */
  get peerCount(): number {
    return this.#sessions.size + this.#pending.size;
  }

  /** How much is held for peers, for tests and metrics. */
  get sizes() {
    return {
      ...this.#transport.sizes,
      packagers: this.#packagers.size,
      watched: this.#watched.size,
      lanes: this.#sharedLanes.size,
    };
  }

  /** UDP port of all media; 0 before `start`. */
  get port(): number {
    return this.#transport.port;
  }

  /** What relays of this server hand datagrams to. Of use after `start`. */
  get mediaPort(): DatagramPort {
    return this.#transport;
  }

  /** Asks a STUN server how the media port looks from outside; undefined when it does not answer in time. */
  askOutside(server: Endpoint, timeoutMs: number): Promise<Endpoint | undefined> {
    return this.#transport.askOutside(server, timeoutMs);
  }

  /** @throws MediaServerError PORT_IN_USE */
  async start(): Promise<void> {
    await this.#transport.start();
    const { implementation, reason } = this.#transport.implementation;
    this.log.info(
      { implementation, reason },
      `WebRTC media go by ${implementation === 'native' ? 'the addon' : 'TypeScript'}`,
    );
    this.#tick = this.#deps.ticker.on((nowMs) => this.#check(nowMs), METRICS_INTERVAL_MS);
  }

  publish(request: PeerRequest): Promise<PeerSession> {
    return this.#admit('publish', request, async () => {
      const negotiated = negotiatePublish(request, this.#options);
      const session = new PublicationSession(request, this, {
        streams: this.#deps.streams,
        counters: this.#deps.counters,
        tracks: receivedTracks(negotiated),
        options: this.#options.receiveOptionsFor(request.streamName),
        ssrc: newSsrc(),
        cname: newCname(),
        pauseLayersAfterMs: this.#options.pauseLayersAfterMs,
      });
      this.#run(session, { request, negotiated, sending: undefined });
      return session;
    });
  }

  play(request: PeerRequest): Promise<PeerSession> {
    return this.#admit('play', request, async () => {
      const signal = request.signal ?? new AbortController().signal;
      const { streamName, startUs, waitMs = 0 } = request;
      const stream = await findStream(this.#deps, streamName, { waitMs, signal, startUs });
      if (stream === undefined) throw notFound(request.streamName);
      await tracksKnown(stream, this.#deps.ticker);
      if (stream.ended || this.#closed) throw notFound(request.streamName);
      const { negotiated, acceptance, asked } = negotiatePlay(
        request,
        {
          stream,
          adaptations: this.#deps.adaptations,
          changesQuality: this.#deps.renditions?.enabled('webrtc') === true,
        },
        this.#options,
      );
      const renditions = this.#renditionsFor(acceptance, negotiated);
      this.#admitPicture(stream, acceptance, renditions);
      const sources = newSources({ video: negotiated.video !== undefined, audio: negotiated.audio !== undefined });
      const session = new PlayerSession(request, this, {
        stream,
        acceptance,
        adaptations: this.#deps.adaptations,
        media: playedMedia(negotiated, sources),
        packagers: this.#packagers,
        sharedLanes: this.#sharedLanes,
        watched: this.#watched,
        cname: sources.cname,
        renditions,
        asked,
        qualityPolicy: this.#options.qualityPolicy,
        newBandwidth: this.#options.newBandwidth,
        sending: this.#options.sending,
        pacing: this.#pacing,
        counters: this.#deps.counters,
      });
      this.#run(session, { request, negotiated, sending: sources });
      return session;
    });
  }

  /**
   * A picture that must be made needs room on the machine, unless it is made for others already. Who is moved between
   * qualities begins with the best that there is room for.
   * @throws MediaServerError TRANSCODING_LIMIT, TRANSCODING_DISABLED
   */
  #admitPicture(stream: Stream, acceptance: Acceptance, qualities: Renditions | undefined): void {
    const { renditions, adaptations } = this.#deps;
    if (adaptations.needsConversion(stream, acceptance).video !== 'yes') return;
    if (qualities?.ladder(stream, 'webrtc') !== undefined) return;
    const running = adaptations.conversionFor(stream, 'video', acceptance);
    if (running === undefined || running.failure !== undefined) renditions?.admit(stream, acceptance.videoOutput ?? {});
  }

  /** Qualities are H.264; one who asks for a picture in a form gets that and no other. */
  #renditionsFor({ videoOutput }: Acceptance, { video }: NegotiatedMedia): Renditions | undefined {
    const renditions = this.#renditions;
    const canChange = videoOutput === undefined && (video?.codec === 'h264' || video?.also?.codec === 'h264');
    const isMade = renditions?.enabled('webrtc') === true || renditions?.enabled('thin') === true;
    return canChange && isMade ? renditions : undefined;
  }

  /** Ends all peers; resolves when the port is free. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { session } of [...this.#sessions.values()]) session.end('server_stops', 'the server stops');
    this.#tick?.[Symbol.dispose]();
    this.#ticking.close();
    this.#pacing.close();
    await this.#transport.close();
  }

  sessionGone(session: BasePeerSession): void {
    const entry = this.#sessions.get(session.mediaSessionId);
    if (entry?.session !== session) return;
    this.#sessions.delete(session.mediaSessionId);
    this.#peers.delete(session);
    entry.registration[Symbol.dispose]();
  }

  async #admit(
    mediaType: 'publish' | 'play',
    request: PeerRequest,
    make: () => Promise<BasePeerSession>,
  ): Promise<PeerSession> {
    const { mediaSessionId } = request;
    const { maxPeers } = this.#options;
    if (this.#closed) throw new MediaServerError('PEER_LIMIT', 'the server stops');
    if (this.peerCount >= maxPeers)
      throw new MediaServerError('PEER_LIMIT', `the limit of ${maxPeers} WebRTC peers is reached (webrtc_max_peers)`);
    if (this.#pending.has(mediaSessionId) || this.#deps.sessions.get(mediaSessionId) !== undefined)
      throw new MediaServerError('MEDIA_SESSION_BUSY', `media session "${mediaSessionId}" is already in use`);
    this.#pending.add(mediaSessionId);
    try {
      if (request.transport === 'tcp' && this.#options.tcp === undefined) throw noTcp();
      return await make();
    } catch (error) {
      this.#deps.counters.count('webrtc_refused');
      this.#rememberRefusal(mediaType, request, error);
      throw error;
    } finally {
      this.#pending.delete(mediaSessionId);
    }
  }

  #rememberRefusal(mediaType: 'publish' | 'play', request: PeerRequest, error: unknown): void {
    const { video, audio } = this.#deps.streams.get(request.streamName)?.state ?? {};
    const source = mediaType === 'play' ? { video: video?.codec, audio: audio?.codec } : {};
    this.past.add(refusedSession({ mediaType, request, error, codecs: this.codecs, source }));
  }

  /** Gives a session its peer and its answer. */
  #run(
    session: PublicationSession | PlayerSession,
    from: {
      readonly request: PeerRequest;
      readonly negotiated: NegotiatedMedia;
      readonly sending: LocalSources | undefined;
    },
  ): void {
    const { negotiated, request, sending } = from;
    const { certificate, iceTimeoutMs, dtlsTimeoutMs } = this.#options;
    const peer = new Peer(
      {
        remote: negotiated.remoteIce,
        certificate,
        remoteFingerprints: negotiated.fingerprints,
        dtlsRole: negotiated.setup === 'passive' ? 'server' : 'client',
        resendsAsIs: resendsAsIs(negotiated),
        iceTimeoutMs,
        dtlsTimeoutMs,
      },
      {
        transport: this.#transport,
        buffer: this.#buffer,
        counters: this.#deps.counters,
        onEnded: (reason, detail) => session.end(reason, detail),
        onWoken: this.#wake,
      },
    );
    const ice = session.begin(peer);
    session.videoCodec = negotiated.video?.encodingName;
    session.audioCodec = negotiated.audio?.encodingName;
    session.negotiated = negotiated;
    try {
      const answer = writeAnswer(negotiated, {
        sessionId: String(randomInt(2 ** 47)),
        ice,
        fingerprint: { algorithm: 'sha-256', value: certificate.fingerprint },
        candidates: this.#candidatesFor(request),
        sending,
      });
      // In one piece: it is kept, and its parts would take twice as much.
      session.answer = Buffer.from(answer).toString();
    } catch (error) {
      // What has begun must not outlive an answer that was never given.
      session.close();
      throw error;
    }
    const registration = this.#deps.sessions.add(session);
    this.#sessions.set(session.mediaSessionId, { session, registration });
    this.#peers.set(session, peer);
    this.#ticks.wake(peer);
    this.#ticking.begin();
    this.#deps.counters.count(session.mediaType === 'publish' ? 'webrtc_publishers' : 'webrtc_players');
  }

  #candidatesFor({ localAddress, transport }: PeerRequest): IceCandidate[] {
    const { tcp, prefersTcp } = this.#options;
    const wanted = transport ?? (prefersTcp && tcp !== undefined ? 'tcp' : undefined);
    return this.#transport.candidates(localAddress, wanted).flatMap((line) => parseIceCandidate(line) ?? []);
  }

  /** What a peer's own packets must never lead to; it is a mistake here, so that peer is given up and it is told. */
  #onPeerError(peer: TransportPeer, error: unknown): void {
    const suppressed = this.#faults.take();
    if (suppressed >= 0) this.log.error({ err: error, suppressed }, 'WebRTC peer failed');
    for (const [session, candidate] of this.#peers)
      if (candidate === peer) session.end('internal_error', 'an error of the server');
  }

  #check(nowMs: number): void {
    this.#metrics.update(this.#transport.counters);
    this.#transport.tick(nowMs);
  }

  #onTick(nowMs: number): boolean {
    this.#ticks.tick(nowMs);
    return this.#peers.size > 0 || !this.#ticks.isEmpty;
  }
}

function noTcp(): MediaServerError {
  const message = 'the client asks for media by TCP, which is turned off here (ice_tcp_enabled=false): ask for UDP';
  return new MediaServerError('TRANSPORT_DISABLED', message);
}

function notFound(name: string): MediaServerError {
  return new MediaServerError('STREAM_NOT_FOUND', `there is no stream "${name.slice(0, 256)}"`);
}
