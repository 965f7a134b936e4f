import { ProtocolError, parseRtcp, streamPayloadType, type Track, writeStreamSdp } from '@sluice/media';
import type { OutboundAddresses } from '../../../core/index.ts';
import type { StreamClock } from '../../../rtp/index.ts';
import type { RtspRequest } from '../wire/reader.ts';
import type { NumberPair } from '../wire/transport.ts';
import { ClientSession } from './client-session.ts';
import { controlUrl } from './control-url.ts';
import { Dialogue } from './dialogue.ts';
import { RtspFailure } from './failure.ts';
import type { RtspRelayOptions } from './options.ts';
import { Outcome } from './outcome.ts';
import type { MediaWay } from './play-session.ts';
import { TrackSender } from './track-sender.ts';
import type { UdpPair, UdpPorts } from './udp-pair.ts';
import type { RtspAddress } from './url.ts';

export interface RecordSessionOptions {
  readonly address: RtspAddress;
  readonly way: MediaWay;
  readonly relay: RtspRelayOptions;
  readonly outbound: OutboundAddresses;
  readonly ports: UdpPorts;
  readonly requestTimeoutMs: number;
  readonly tracks: readonly Track[];
  readonly name: string;
  readonly cname: string;
  readonly clock: StreamClock;
  /** The server takes what is sent from now on. */
  onAgreed(): void;
}

/** One track and how it goes. */
export interface OutTrack {
  readonly sender: TrackSender;
  readonly send: (rtcp: boolean, packet: Uint8Array) => void;
}

const MAX_QUEUE_BYTES = 256 * 1024;
const TEARDOWN_MS = 500;
const REPORT_INTERVAL_MS = 1000;

/** One connection to a server that a stream is sent to (RFC 2326 §10.3, §10.11). */
export class RecordSession {
  readonly #o: RecordSessionOptions;
  readonly #outcome = new Outcome();
  readonly #tracks: OutTrack[] = [];
  readonly #pairs: UdpPair[] = [];
  #dialogue: Dialogue | undefined;
  #session: ClientSession | undefined;
  #reportMs = 0;
  #stage = 'did not answer';
  /** By SSRC: what the server says it has not got. */
  readonly #lost = new Map<number, number>();

  constructor(options: RecordSessionOptions) {
    this.#o = options;
  }

  /** What has not happened yet, for people. */
  get stage(): string {
    return this.#stage;
  }

  get remoteAddress(): string {
    return this.#dialogue?.remote.address ?? '';
  }

  get bytesIn(): number {
    return (this.#dialogue?.bytesIn ?? 0) + this.#pairs.reduce((sum, pair) => sum + pair.bytesIn, 0);
  }

  /** Bytes that have left. */
  get sentBytes(): number {
    return (this.#dialogue?.sentBytes ?? 0) + this.#pairs.reduce((sum, pair) => sum + pair.bytesOut, 0);
  }

  get queuedBytes(): number {
    return this.#dialogue?.queuedBytes ?? 0;
  }

  get packets(): number {
    return this.#tracks.reduce((sum, { sender }) => sum + sender.packets, 0);
  }

  /** Frames that could not be put into packets. */
  get broken(): number {
    return this.#tracks.reduce((sum, { sender }) => sum + sender.broken, 0);
  }

  get lostPackets(): number | undefined {
    let sum: number | undefined;
    for (const lost of this.#lost.values()) sum = (sum ?? 0) + lost;
    return sum;
  }

  /** How that kind of media goes; undefined for what was not announced. */
  track(kind: Track['kind']): OutTrack | undefined {
    return this.#tracks.find(({ sender }) => sender.track.kind === kind);
  }

  /** Sends several packets in one piece. */
  together(write: () => void): void {
    if (this.#dialogue === undefined) write();
    else this.#dialogue.together(write);
  }

  /** Announces and begins; resolves with why it is over, when all is released. Never rejects. */
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
    if (nowMs < this.#reportMs) return;
    this.#reportMs = nowMs + REPORT_INTERVAL_MS;
    for (const { sender, send } of this.#tracks) {
      const report = sender.report();
      if (report !== undefined) send(true, report);
    }
  }

  async #start(): Promise<void> {
    const { address, relay, outbound, requestTimeoutMs, tracks, name } = this.#o;
    const options = { relay, outbound, requestTimeoutMs, maxQueueBytes: MAX_QUEUE_BYTES, signal: this.#outcome.signal };
    const dialogue = await Dialogue.open(address, options, {
      onFrame: (_channel, payload) => this.#reported(payload),
      onRequest: (request) => this.#request(request),
      onClosed: (error) => this.finish(error),
    });
    this.#dialogue = dialogue;
    this.#stage = 'was connected, but did not answer';
    const session = new ClientSession(dialogue.requests, address.requestUrl, relay.keepAliveIntervalMs);
    this.#session = session;
    await session.options();
    if (session.methods.size > 0 && !session.methods.has('ANNOUNCE'))
      throw new RtspFailure('invalid', 'it takes no streams: it does not know ANNOUNCE');
    await session.announce(writeStreamSdp(tracks, { name, address: anyAddress(dialogue.remote.family) }));
    for (const [index, track] of tracks.entries()) this.#tracks.push(await this.#setUp(session, track, index));
    await session.record();
    if (this.#outcome.why === undefined) this.#o.onAgreed();
  }

  async #setUp(session: ClientSession, track: Track, index: number): Promise<OutTrack> {
    const { address, way, cname, clock, ports } = this.#o;
    const sender = new TrackSender(track, { payloadType: streamPayloadType(track) ?? 0, cname, clock });
    const uri = controlUrl(address.requestUrl, `trackID=${index}`);
    const wanted = { profile: 'RTP/AVP', delivery: 'unicast', mode: 'record' } as const;
    if (way === 'tcp') {
      const interleaved: NumberPair = [index * 2, index * 2 + 1];
      const agreed = await session.setup(uri, { ...wanted, lower: 'TCP', interleaved });
      const [rtp, rtcp] = agreed.interleaved ?? interleaved;
      return { sender, send: (isRtcp, packet) => this.#dialogue?.writeFrame(isRtcp ? rtcp : rtp, packet) };
    }
    const { family, address: remote } = this.#dialogue?.remote ?? { family: 4, address: '' };
    const pair = await ports.take(family, {
      onDatagram: (_rtcp, bytes, from) => {
        if (from.address === remote) this.#reported(bytes);
      },
    });
    this.#pairs.push(pair);
    if (this.#outcome.why !== undefined) pair.close();
    const { serverPort } = await session.setup(uri, { ...wanted, lower: 'UDP', clientPort: pair.ports });
    // To port 0 nothing can be sent: the system refuses it by an error.
    if (serverPort === undefined || serverPort.includes(0))
      throw new RtspFailure('invalid', 'it does not tell which ports media is to go to');
    return {
      sender,
      send: (isRtcp, packet) => pair.send(isRtcp, packet, { address: remote, port: serverPort[isRtcp ? 1 : 0] }),
    };
  }

  /** Reports about what has arrived there. What can't be read is none. */
  #reported(bytes: Uint8Array): void {
    try {
      for (const packet of parseRtcp(bytes)) {
        if (packet.kind !== 'rr' && packet.kind !== 'sr') continue;
        for (const { ssrc, cumulativeLost } of packet.reports) {
          if (this.#tracks.some(({ sender }) => sender.ssrc === ssrc))
            this.#lost.set(ssrc, Math.max(0, cumulativeLost));
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  #request(request: RtspRequest): void {
    if (request.method === 'TEARDOWN') this.finish(new RtspFailure('ended', 'it has ended the session'));
    else if (request.method === 'REDIRECT') this.finish(new RtspFailure('ended', 'it wants us to leave'));
  }

  async #release(): Promise<void> {
    if (this.#dialogue?.requests.session !== undefined && this.#session !== undefined) {
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise((resolve) => {
        timer = setTimeout(resolve, TEARDOWN_MS);
      });
      await Promise.race([this.#session.teardown(), patience]);
      clearTimeout(timer);
    }
    this.#dialogue?.close();
    for (const pair of this.#pairs) pair.close();
  }
}

function anyAddress(family: 4 | 6): string {
  return family === 4 ? '0.0.0.0' : '::';
}
