import type {
  Adaptations,
  Counters,
  PushAttempt,
  Reader,
  RelayEnd,
  RelayLink,
  RelayLinkFacts,
  StreamEntry,
} from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import { StreamClock } from '../../../rtp/index.ts';
import { RtspRedirect, TransportRefused } from './client-session.ts';
import { RtspFailure, relayEndOf } from './failure.ts';
import type { RtspRelayOptions } from './options.ts';
import { Outcome } from './outcome.ts';
import type { MediaWay } from './play-session.ts';
import { PushSource } from './push-source.ts';
import { RecordSession } from './record-session.ts';
import type { UdpPorts } from './udp-pair.ts';
import { parseRtspUrl, type RtspAddress, redirected } from './url.ts';

export interface PushDeps {
  readonly adaptations: Adaptations;
  readonly relay: RtspRelayOptions;
  readonly ports: UdpPorts;
  readonly ticker: Ticker;
  readonly counters: Counters;
}

const MAX_REDIRECTS = 5;

/** Pushes a stream to a server by RTSP: ANNOUNCE, SETUP, RECORD (RFC 2326). */
export class RtspPush implements RelayLink {
  readonly ended: Promise<RelayEnd>;
  readonly #attempt: PushAttempt;
  readonly #deps: PushDeps;
  readonly #source: PushSource;
  readonly #outcome = new Outcome();
  readonly #startedMs = performance.now();
  #session: RecordSession | undefined;
  #reader: Reader | undefined;
  #way: MediaWay = 'tcp';
  #connected = false;
  #sentAny = false;
  /** Frames are left out until a key frame, because the server is too slow. */
  #skipping = false;
  #dropped = 0;
  #progress = { sentBytes: 0, queuedBytes: 0, atMs: performance.now() };

  constructor(attempt: PushAttempt, deps: PushDeps) {
    this.#attempt = attempt;
    this.#deps = deps;
    this.#source = new PushSource(attempt, deps);
    const ticking = deps.ticker.on((nowMs) => this.#tick(nowMs));
    this.ended = this.#run().finally(() => ticking[Symbol.dispose]());
  }

  facts(): RelayLinkFacts {
    const session = this.#session;
    return {
      remoteAddress: session?.remoteAddress ?? '',
      transport: this.#way === 'udp' ? 'UDP' : 'TCP',
      bytesIn: session?.bytesIn ?? 0,
      bytesOut: session?.sentBytes ?? 0,
      packets: session?.packets ?? 0,
      queuedBytes: session?.queuedBytes ?? 0,
      drops: { slow_viewer: this.#dropped, broken: session?.broken ?? 0 },
      lostPackets: session?.lostPackets,
    };
  }

  close(reason: string): void {
    this.#finish(new RtspFailure('closed', reason));
  }

  #finish(why: RtspFailure): void {
    this.#outcome.finish(why);
    this.#session?.finish(why);
  }

  async #run(): Promise<RelayEnd> {
    const why = await this.#outcome.of(this.#push());
    this.#reader?.close();
    this.#source.close();
    await this.#sessionOver;
    return this.#endOf(why);
  }

  /** Resolved when the session of this moment has released all. */
  #sessionOver: Promise<unknown> = Promise.resolve();

  async #push(): Promise<void> {
    const { url } = this.#attempt;
    let address = parseRtspUrl(url);
    this.#way = address.scheme === 'rtspu' ? 'udp' : 'tcp';
    await this.#tracksKnown();
    for (let redirects = 0; this.#outcome.why === undefined; ) {
      const why = await this.#connect(address);
      if (why instanceof RtspRedirect) {
        if (++redirects > MAX_REDIRECTS)
          throw new RtspFailure('invalid', `it redirects more than ${MAX_REDIRECTS} times`);
        address = redirected(address, why.location);
      } else if (why instanceof TransportRefused && this.#way === 'udp') {
        this.#attempt.events.onNote(`media over the connection (TCP): ${why.message}`);
        this.#way = 'tcp';
      } else throw why;
    }
  }

  #tracksKnown(): Promise<void> {
    return new Promise((resolve) => {
      const listener = this.#deps.ticker.on((nowMs) => {
        if (this.#outcome.why === undefined && this.#source.tracks(nowMs) === undefined) return;
        listener[Symbol.dispose]();
        resolve();
      });
    });
  }

  async #connect(address: RtspAddress): Promise<unknown> {
    const { relay, ports } = this.#deps;
    const { outbound, connectTimeoutMs, streamName, mediaSessionId, events } = this.#attempt;
    const tracks = this.#source.tracks(performance.now()) ?? [];
    for (const note of this.#source.notes()) events.onNote(note);
    if (tracks.length === 0) return new RtspFailure('invalid', 'the stream has nothing that can be sent by RTSP');
    const session = new RecordSession({
      address,
      way: this.#way,
      relay,
      outbound,
      ports,
      requestTimeoutMs: connectTimeoutMs,
      tracks,
      name: streamName,
      cname: mediaSessionId,
      clock: new StreamClock(),
      onAgreed: () => this.#begin(session),
    });
    this.#session = session;
    const over = session.run();
    this.#sessionOver = over;
    return over;
  }

  #begin(session: RecordSession): void {
    if (this.#outcome.why !== undefined) return;
    this.#connected = true;
    this.#progress = { sentBytes: session.sentBytes, queuedBytes: session.queuedBytes, atMs: performance.now() };
    this.#attempt.events.onConnected();
    this.#reader = this.#source.stream.attach({
      // A burst of what is kept would be lost on the way by UDP.
      startAt: this.#way === 'udp' ? 'live' : 'gop',
      onReadable: () => this.#drain(session),
      onEnd: (reason) => this.#finish(new RtspFailure('closed', reason)),
    });
    this.#drain(session);
  }

  // Hot path: once per packet of the stream.
  #drain(session: RecordSession): void {
    const reader = this.#reader;
    if (reader === undefined || this.#outcome.why !== undefined) return;
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) {
      if (!this.#take(session, entry)) return;
    }
  }

  /** @returns false when the session is over by that */
  #take(session: RecordSession, { packet, startPoint }: StreamEntry): boolean {
    const { track } = packet;
    if (!this.#source.takes(track)) return true;
    const out = session.track(track.kind);
    if (out === undefined || !out.sender.goesOn(track)) {
      this.#finish(new RtspFailure('ended', `the ${track.kind} is another one now and has to be announced anew`));
      return false;
    }
    if (this.#isTooSlow(session, startPoint)) {
      this.#dropped++;
      this.#deps.counters.count('relay_dropped_packets');
      return true;
    }
    const packets = out.sender.packetsOf(packet);
    session.together(() => {
      for (const bytes of packets) out.send(false, bytes);
    });
    if (!this.#sentAny && packets.length > 0) {
      this.#sentAny = true;
      this.#attempt.events.onMedia();
    }
    return true;
  }

  /** With too much unsent, nothing goes until half of it is out and a key frame comes. */
  #isTooSlow(session: RecordSession, startPoint: boolean): boolean {
    const { pushQueueBytes } = this.#deps.relay;
    const { queuedBytes } = session;
    if (!this.#skipping) this.#skipping = queuedBytes > pushQueueBytes;
    else if (startPoint && queuedBytes < pushQueueBytes / 2) this.#skipping = false;
    return this.#skipping;
  }

  #tick(nowMs: number): void {
    const session = this.#session;
    const { connectTimeoutMs } = this.#attempt;
    session?.tick(nowMs);
    if (!this.#connected) {
      if (nowMs - this.#startedMs <= connectTimeoutMs) return;
      if (session === undefined)
        return this.#finish(new RtspFailure('stalled', `the stream sent nothing within ${connectTimeoutMs} ms`));
      return this.#finish(new RtspFailure('unreachable', `it ${session.stage} within ${connectTimeoutMs} ms`));
    }
    if (session !== undefined) this.#checkProgress(session, nowMs);
  }

  #checkProgress({ sentBytes, queuedBytes }: RecordSession, nowMs: number): void {
    const { stallTimeoutMs } = this.#attempt;
    const before = this.#progress;
    const moves = queuedBytes === 0 || sentBytes > before.sentBytes || queuedBytes < before.queuedBytes;
    if (moves) this.#progress = { sentBytes, queuedBytes, atMs: nowMs };
    else if (nowMs - before.atMs > stallTimeoutMs)
      this.#finish(new RtspFailure('stalled', `it took nothing for ${stallTimeoutMs} ms`));
  }

  #endOf(why: unknown): RelayEnd {
    const end = relayEndOf(why);
    if (end !== undefined) return end;
    this.#attempt.log.error({ err: why }, 'a push by RTSP ended by an error of the server');
    return { code: 'invalid', message: 'an error of this server; its log has more' };
  }
}
