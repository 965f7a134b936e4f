import { randomInt } from 'node:crypto';
import type { DescribedTrack } from '@sluice/media';
import type { Counters, PullAttempt, RelayEnd, RelayEndCode, RelayLink, RelayLinkFacts } from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import { CameraMedia } from './camera-media.ts';
import { RtspRedirect } from './client-session.ts';
import { RtspFailure, relayEndOf } from './failure.ts';
import type { RtspRelayOptions } from './options.ts';
import { type MediaWay, PlaySession, UdpSilent } from './play-session.ts';
import type { PullHints } from './pull-hints.ts';
import type { UdpPorts } from './udp-pair.ts';
import { parseRtspUrl, type RtspAddress, redirected } from './url.ts';

export interface PullDeps {
  readonly relay: RtspRelayOptions;
  readonly ports: UdpPorts;
  readonly hints: PullHints;
  readonly ticker: Ticker;
  readonly counters: Counters;
}

const MAX_REDIRECTS = 5;
/** Media without a key frame may come to one within so many times the time for connecting. */
const KEY_FRAME_PATIENCE = 1.9;

/** Pulls the stream of a camera or server by RTSP (RFC 2326): one attempt, over as many connections as it takes. */
export class RtspPull implements RelayLink {
  readonly ended: Promise<RelayEnd>;
  readonly #attempt: PullAttempt;
  readonly #deps: PullDeps;
  readonly #startedMs = performance.now();
  #session: PlaySession | undefined;
  #media: CameraMedia | undefined;
  #way: MediaWay = 'tcp';
  #udpFailed = false;
  #closing: RtspFailure | undefined;
  #connected = false;
  #playable = false;
  #before = { bytesIn: 0, bytesOut: 0 };

  constructor(attempt: PullAttempt, deps: PullDeps) {
    this.#attempt = attempt;
    this.#deps = deps;
    const ticking = deps.ticker.on((nowMs) => this.#tick(nowMs));
    this.ended = this.#run().finally(() => ticking[Symbol.dispose]());
  }

  /** There while the camera has a means for it. */
  get requestKeyFrame(): (() => void) | undefined {
    return this.#media?.requestKeyFrame;
  }

  facts(): RelayLinkFacts {
    const stats = this.#media?.stats();
    return {
      remoteAddress: this.#session?.remoteAddress ?? '',
      transport: this.#way === 'udp' ? 'UDP' : 'TCP',
      bytesIn: this.#before.bytesIn + (this.#session?.bytesIn ?? 0),
      bytesOut: this.#before.bytesOut + (this.#session?.bytesOut ?? 0),
      packets: stats?.packets ?? 0,
      queuedBytes: stats?.queuedBytes ?? 0,
      drops: { ...stats?.drops, broken: (stats?.drops.broken ?? 0) + (stats?.malformed ?? 0) },
      // Those that RTCP reports count duplicates against the lost ones.
      lostPackets: stats?.tracks.reduce((sum, { missed }) => sum + missed, 0),
    };
  }

  close(reason: string): void {
    this.#closing ??= new RtspFailure('closed', reason);
    this.#session?.finish(this.#closing);
  }

  get #udpPatienceMs(): number {
    return Math.min(this.#deps.relay.udpPatienceMs, this.#attempt.connectTimeoutMs / 2);
  }

  async #run(): Promise<RelayEnd> {
    try {
      return this.#endOf(await this.#play());
    } catch (error) {
      return this.#endOf(error);
    }
  }

  /** Follows redirections and falls back from one transport to the other; gives why it is over. */
  async #play(): Promise<unknown> {
    const { hints } = this.#deps;
    const { url } = this.#attempt;
    let address = parseRtspUrl(url);
    const moved = hints.takeLocation(url);
    if (moved !== undefined) address = redirected(address, moved);
    this.#way = this.#firstWay(address);
    for (let redirects = 0; this.#closing === undefined; ) {
      const why = await this.#connect(address);
      if (why instanceof RtspRedirect) {
        if (this.#connected) {
          hints.setLocation(url, why.location);
          return new RtspFailure('ended', 'it wants us to go on elsewhere');
        }
        if (++redirects > MAX_REDIRECTS)
          return new RtspFailure('invalid', `it redirects more than ${MAX_REDIRECTS} times`);
        address = redirected(address, why.location);
      } else if (!this.#changesWay(why)) return why;
    }
    return this.#closing;
  }

  /** Media by UDP is for the settings and `rtspu`, unless it did not work the last time. A tunnel is for all media. */
  #firstWay(address: RtspAddress): MediaWay {
    if (address.scheme === 'rtsph' || this.#deps.hints.needsTcp(this.#attempt.url)) return 'tcp';
    return address.scheme === 'rtspu' || !this.#deps.relay.interleaved ? 'udp' : 'tcp';
  }

  /** Without a packet by UDP, a new session is made with media over the connection. */
  #changesWay(why: unknown): boolean {
    if (!(why instanceof UdpSilent) || this.#closing !== undefined) return false;
    this.#udpFailed = true;
    this.#setWay('tcp', why.message);
    return true;
  }

  #setWay(way: MediaWay, why: string): void {
    this.#way = way;
    if (way === 'tcp') this.#deps.hints.setNeedsTcp(this.#attempt.url);
    const name = way === 'tcp' ? 'over the connection (TCP)' : 'by UDP';
    this.#attempt.events.onNote(`media comes ${name}: ${why}`);
  }

  async #connect(address: RtspAddress): Promise<unknown> {
    const { relay, ports, counters } = this.#deps;
    const { outbound, connectTimeoutMs, events } = this.#attempt;
    const session = new PlaySession({
      address,
      way: this.#way,
      mayChangeWay: address.scheme !== 'rtsph' && !this.#udpFailed,
      onWayChanged: (way) => this.#setWay(way, 'the other way was refused'),
      relay,
      outbound,
      ports,
      counters,
      requestTimeoutMs: connectTimeoutMs,
      udpPatienceMs: this.#udpPatienceMs,
      makeMedia: (tracks, sdp, sendRtcp) => this.#makeMedia(tracks, sdp, sendRtcp),
      onAgreed: () => this.#agreed(),
      onNote: (text) => events.onNote(text),
    });
    this.#session = session;
    const why = await session.run();
    this.#before.bytesIn += session.bytesIn;
    this.#before.bytesOut += session.bytesOut;
    return why;
  }

  #makeMedia(tracks: readonly DescribedTrack[], sdp: string, sendRtcp: (bytes: Uint8Array) => void): CameraMedia {
    const { stream, stallTimeoutMs, mediaSessionId, events } = this.#attempt;
    this.#media = new CameraMedia({
      tracks,
      stream,
      sdp,
      // By UDP the other way is tried first.
      silenceMs: Math.max(stallTimeoutMs, this.#way === 'udp' ? this.#udpPatienceMs + 1000 : 0),
      localSsrc: randomInt(1, 0xffff_ffff),
      cname: mediaSessionId,
      sendRtcp,
      onFirstMedia: () => {
        this.#playable = true;
        events.onMedia();
      },
      onSilence: (detail) => this.#session?.finish(new RtspFailure('stalled', detail)),
      onClockBreak: () => this.#deps.counters.count('source_clock_breaks'),
    });
    return this.#media;
  }

  #agreed(): void {
    if (!this.#connected) {
      this.#connected = true;
      this.#attempt.events.onConnected();
    }
    this.#media?.declareTracks();
  }

  #tick(nowMs: number): void {
    const session = this.#session;
    if (session === undefined) return;
    session.tick(nowMs);
    const { connectTimeoutMs, stallTimeoutMs } = this.#attempt;
    const heardMs = this.#media?.heardMs ?? Number.NaN;
    const sinceStartMs = nowMs - this.#startedMs;
    if (Number.isNaN(heardMs)) {
      if (sinceStartMs <= connectTimeoutMs) return;
      const code: RelayEndCode = this.#connected ? 'stalled' : 'unreachable';
      session.finish(new RtspFailure(code, `it ${session.stage} within ${connectTimeoutMs} ms`));
    } else if (nowMs - heardMs > stallTimeoutMs)
      session.finish(new RtspFailure('stalled', `no media for ${stallTimeoutMs} ms`));
    else if (!this.#playable && sinceStartMs > connectTimeoutMs * KEY_FRAME_PATIENCE)
      session.finish(new RtspFailure('invalid', 'its packets make up nothing that can be played: no key frame came'));
  }

  #endOf(why: unknown): RelayEnd {
    const end = relayEndOf(this.#closing ?? why);
    if (end !== undefined) return end;
    this.#attempt.log.error({ err: why }, 'a pull by RTSP ended by an error of the server');
    return { code: 'invalid', message: 'an error of this server; its log has more' };
  }
}
