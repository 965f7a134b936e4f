import { type DescribedTrack, readMediaTracks } from '@sluice/media';
import type { Counters, OutboundAddresses } from '../../../core/index.ts';
import type { RtspRequest } from '../wire/reader.ts';
import type { NumberPair, RtspTransport } from '../wire/transport.ts';
import type { CameraMedia } from './camera-media.ts';
import { ChannelRoutes, type Route } from './channel-routes.ts';
import { ClientSession, RtspRedirect, TransportRefused } from './client-session.ts';
import { controlUrl } from './control-url.ts';
import { Dialogue } from './dialogue.ts';
import { RtspFailure } from './failure.ts';
import type { RtspRelayOptions } from './options.ts';
import { Outcome } from './outcome.ts';
import type { UdpPair, UdpPorts } from './udp-pair.ts';
import { UdpRoute } from './udp-route.ts';
import type { RtspAddress } from './url.ts';
import { usableTracks } from './usable-tracks.ts';

/** How media comes: over the connection, or by ports of its own. */
export type MediaWay = 'tcp' | 'udp';

/** Nothing came by UDP. */
export class UdpSilent extends RtspFailure {}

export interface PlaySessionOptions {
  readonly address: RtspAddress;
  readonly way: MediaWay;
  /** The other way may be used where the server refuses this one. */
  readonly mayChangeWay: boolean;
  readonly relay: RtspRelayOptions;
  readonly outbound: OutboundAddresses;
  readonly ports: UdpPorts;
  readonly counters: Counters;
  readonly requestTimeoutMs: number;
  readonly udpPatienceMs: number;
  /** Makes what receives the media of these tracks; called once, before PLAY. */
  makeMedia(tracks: readonly DescribedTrack[], sdp: string, sendRtcp: (bytes: Uint8Array) => void): CameraMedia;
  /** The server plays. Once, before the first packet is given to the media. */
  onAgreed(): void;
  /** The server wants media the other way. */
  onWayChanged(way: MediaWay): void;
  onNote(text: string): void;
}

interface UdpTrack {
  readonly pair: UdpPair;
  route: UdpRoute | undefined;
}

/** RTCP that waits for a camera that does not read is worth nothing. */
const MAX_QUEUE_BYTES = 256 * 1024;
const TEARDOWN_MS = 500;
const PUNCH_INTERVAL_MS = 500;
/** A source that said goodbye and sends nothing for this long is at its end. */
const GOODBYE_MS = 1000;

/** One connection to a server from which a stream is played: from connecting to its end. */
export class PlaySession {
  readonly #o: PlaySessionOptions;
  readonly #outcome = new Outcome();
  readonly #routes = new ChannelRoutes();
  readonly #udp: UdpTrack[] = [];
  #way: MediaWay;
  #dialogue: Dialogue | undefined;
  #session: ClientSession | undefined;
  #media: CameraMedia | undefined;
  #stage = 'did not answer';
  #agreed = false;
  #playingMs = Number.NaN;
  #punchMs = 0;
  #sdp = '';

  constructor(options: PlaySessionOptions) {
    this.#o = options;
    this.#way = options.way;
  }

  /** What has not happened yet, for people. */
  get stage(): string {
    return this.#stage;
  }

  get remoteAddress(): string {
    return this.#dialogue?.remote.address ?? '';
  }

  get bytesIn(): number {
    return (this.#dialogue?.bytesIn ?? 0) + this.#udp.reduce((sum, { pair }) => sum + pair.bytesIn, 0);
  }

  get bytesOut(): number {
    return (this.#dialogue?.sentBytes ?? 0) + this.#udp.reduce((sum, { pair }) => sum + pair.bytesOut, 0);
  }

  /** Plays; resolves with why it is over, when all is released. Never rejects. */
  async run(): Promise<unknown> {
    const why = await this.#outcome.of(this.#start());
    await this.#release();
    return why;
  }

  /** Ends it for a reason. Idempotent. */
  finish(why: unknown): void {
    this.#outcome.finish(why);
  }

  /** Does what is due. Called about every 20 ms. */
  tick(nowMs: number): void {
    if (this.#outcome.why !== undefined) return;
    this.#dialogue?.tick(nowMs);
    this.#session?.tick(nowMs)?.catch((error: unknown) => this.finish(error));
    if (!this.#agreed) return;
    const media = this.#media;
    media?.tick(nowMs);
    if (media !== undefined && nowMs - media.goodbyeMs > GOODBYE_MS)
      return this.finish(new RtspFailure('ended', 'the stream is at its end'));
    if (this.#udp.length > 0) this.#tickUdp(nowMs);
  }

  #tickUdp(nowMs: number): void {
    if (this.#udp.some(({ route }) => route?.heard === true)) return;
    if (nowMs - this.#playingMs > this.#o.udpPatienceMs)
      return this.finish(new UdpSilent('stalled', 'no media came by UDP'));
    if (nowMs < this.#punchMs) return;
    this.#punchMs = nowMs + PUNCH_INTERVAL_MS;
    for (const { route } of this.#udp) route?.punch();
  }

  async #start(): Promise<void> {
    const { address, relay, outbound, requestTimeoutMs } = this.#o;
    const options = { relay, outbound, requestTimeoutMs, maxQueueBytes: MAX_QUEUE_BYTES, signal: this.#outcome.signal };
    const dialogue = await Dialogue.open(address, options, {
      onFrame: (channel, payload) => this.#frame(channel, payload),
      onRequest: (request) => this.#request(request),
      onClosed: (error) => this.finish(error),
    });
    this.#dialogue = dialogue;
    this.#stage = 'was connected, but did not answer';
    const session = new ClientSession(dialogue.requests, address.requestUrl, relay.keepAliveIntervalMs);
    this.#session = session;
    await session.options();
    const { sdp, base } = await session.describe();
    this.#sdp = sdp;
    const described = readMediaTracks(sdp);
    session.setAggregateUrl(controlUrl(base, described.control));
    const { tracks, notes } = usableTracks(described, relay);
    for (const note of notes) this.#o.onNote(note);
    if (tracks.length === 0)
      throw new RtspFailure('invalid', `it describes nothing that can be used${notes.map((n) => `; ${n}`).join('')}`);
    const ready = await this.#setUp(session, tracks, base);
    this.#media = this.#o.makeMedia(ready, sdp, (bytes) => this.#sendRtcp(ready.length, bytes));
    this.#stage = 'agreed to play, but sent no media';
    await session.play();
    this.#agree();
  }

  /** Sets up what can be; what the server refuses is left out where something else is left. */
  async #setUp(
    session: ClientSession,
    tracks: readonly DescribedTrack[],
    base: string,
  ): Promise<readonly DescribedTrack[]> {
    const ready: DescribedTrack[] = [];
    let refusal: RtspFailure | undefined;
    for (const track of tracks) {
      const place = { index: ready.length, uri: controlUrl(base, track.control) };
      try {
        await this.#setUpEitherWay(session, track, place);
        ready.push(track);
      } catch (error) {
        const left = error instanceof RtspFailure && (error.code === 'invalid' || error.code === 'not_found');
        if (!left) throw error;
        refusal = error;
        this.#o.onNote(`${track.kind} "${track.codec}" is left out: ${error.message}`);
      }
    }
    if (ready.length === 0 && refusal !== undefined) throw refusal;
    return ready;
  }

  /** The first track decides how media comes. */
  async #setUpEitherWay(
    session: ClientSession,
    track: DescribedTrack,
    place: { readonly index: number; readonly uri: string },
  ): Promise<void> {
    try {
      await this.#setUpTrack(session, track, place);
    } catch (error) {
      if (!(error instanceof TransportRefused && place.index === 0 && this.#o.mayChangeWay)) throw error;
      for (const { pair } of this.#udp.splice(0)) pair.close();
      this.#way = this.#o.way === 'tcp' ? 'udp' : 'tcp';
      this.#o.onWayChanged(this.#way);
      await this.#setUpTrack(session, track, place);
    }
  }

  async #setUpTrack(
    session: ClientSession,
    track: DescribedTrack,
    { index, uri }: { readonly index: number; readonly uri: string },
  ): Promise<void> {
    if (this.#way === 'tcp') {
      const { channels } = this.#o.relay;
      const interleaved = channels[track.kind] ?? ([index * 2, index * 2 + 1] as const);
      const agreed = await session.setup(uri, { ...UNICAST, lower: 'TCP', interleaved });
      this.#routes.add(index, track.payloadType, agreed.interleaved ?? interleaved);
      return;
    }
    const { remote } = this.#dialogue ?? { remote: { address: '', family: 4 as const } };
    const pair = await this.#o.ports.take(remote.family, {
      onDatagram: (rtcp, bytes, from) => this.#datagram({ track: index, rtcp }, bytes, from),
    });
    const udp: UdpTrack = { pair, route: undefined };
    this.#udp[index]?.pair.close();
    this.#udp[index] = udp;
    if (this.#outcome.why !== undefined) return pair.close();
    const agreed = await session.setup(uri, { ...UNICAST, lower: 'UDP', clientPort: pair.ports });
    udp.route = new UdpRoute({
      pair,
      remoteAddress: remote.address,
      source: agreed.source,
      serverPorts: usablePorts(agreed),
    });
    udp.route.punch();
  }

  /** Packets may come before the answer to PLAY: who sends has agreed. */
  #agree(): void {
    if (this.#agreed || this.#outcome.why !== undefined) return;
    this.#agreed = true;
    this.#playingMs = performance.now();
    this.#o.onAgreed();
  }

  // Hot path: once per packet by TCP.
  #frame(channel: number, payload: Uint8Array): void {
    const route = this.#routes.find(channel, payload);
    if (route === undefined) this.#media?.countStray();
    else this.#packet(route, payload);
  }

  // Hot path: once per packet by UDP.
  #datagram(
    { track, rtcp }: { readonly track: number; readonly rtcp: boolean },
    bytes: Uint8Array,
    from: { readonly address: string; readonly port: number },
  ): void {
    const route = this.#udp[track]?.route;
    if (route?.accept(rtcp, bytes, from, performance.now()) === true) return this.#packet({ track, rtcp }, bytes);
    this.#o.counters.count('rtsp_malformed_datagrams');
  }

  #packet(route: Route, bytes: Uint8Array): void {
    const media = this.#media;
    if (media === undefined || this.#outcome.why !== undefined) return;
    if (route.rtcp) return media.rtcp(route.track, bytes, performance.now());
    this.#agree();
    media.rtp(route.track, bytes, performance.now());
  }

  /** Reports are about all tracks; servers read them where the track's own RTCP goes. */
  #sendRtcp(tracks: number, bytes: Uint8Array): void {
    for (let track = 0; track < tracks; track++) {
      const channel = this.#routes.rtcpChannel(track);
      if (channel !== undefined) this.#dialogue?.writeRtcp(channel, bytes);
      else this.#udp[track]?.route?.sendRtcp(bytes);
    }
  }

  #request(request: RtspRequest): void {
    switch (request.method) {
      case 'TEARDOWN':
        return this.finish(new RtspFailure('ended', 'it has ended the session'));
      case 'REDIRECT': {
        const location = request.headers.get('Location');
        return this.finish(
          location === undefined ? new RtspFailure('ended', 'it wants us to leave') : new RtspRedirect(location),
        );
      }
      case 'ANNOUNCE':
        if (request.body.length > 0 && Buffer.from(request.body).toString('utf8') !== this.#sdp)
          this.finish(new RtspFailure('ended', 'it describes the stream anew'));
        return;
      default:
    }
  }

  async #release(): Promise<void> {
    this.#media?.close();
    if (this.#dialogue?.requests.session !== undefined && this.#session !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise((resolve) => {
        timer = setTimeout(resolve, TEARDOWN_MS);
      });
      await Promise.race([this.#session.teardown(), patience]);
      clearTimeout(timer);
    }
    this.#dialogue?.close();
    for (const udp of this.#udp) udp.pair.close();
  }
}

const UNICAST: Pick<RtspTransport, 'profile' | 'delivery'> = { profile: 'RTP/AVP', delivery: 'unicast' };

/** Cameras tell 0, or the same port twice, when they do not know. */
function usablePorts({ serverPort }: RtspTransport): NumberPair | undefined {
  return serverPort !== undefined && serverPort[0] > 0 && serverPort[1] > 0 ? serverPort : undefined;
}
