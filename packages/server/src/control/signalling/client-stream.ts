import { STREAM_INFO, type StreamRequest, type StreamStatus } from '@sluice/contract';
import {
  infoOfEnd,
  infoOfError,
  type PeerEndReason,
  type PeerEvents,
  type PeerGateway,
  type PeerRequest,
  type PeerSession,
  type StreamSignal,
} from '../../core/index.ts';
import type { ClientLink } from './client-link.ts';
import { customFields, numberOf } from './client-message.ts';
import type { Player, StreamPlayers } from './stream-players.ts';
import { streamStatus } from './stream-status.ts';

/** What a stream of a client needs from the one that owns it. */
export interface ClientStreamOwner {
  readonly link: ClientLink;
  readonly peers: PeerGateway;
  readonly playWaitMs: number;
  /** Where players wait to hear that their publisher, when it is a client too, has left. */
  readonly players: StreamPlayers;
  /** The publisher's words about the stream of a name, and whether its media is muted now. */
  signalsOf(streamName: string): PublisherSignals | undefined;
  /** The stream is over; its final status has been sent, unless the client is gone. */
  over(stream: ClientStream): void;
}

/** The part of StreamSignals that players need. */
export interface PublisherSignals {
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  readonly events: { on(event: 'signal', listener: (signal: StreamSignal) => void): Disposable };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * One publication or playback that a client asked for, from its request to its final status, which comes exactly once:
 * the client itself notices no failure (websdk-signalling.md §5.1).
 */
export class ClientStream implements PeerEvents, Player {
  readonly mediaSessionId: string;
  readonly name: string;
  readonly published: boolean;
  readonly request: Partial<StreamRequest>;
  readonly createDate = Date.now();
  readonly #owner: ClientStreamOwner;
  readonly #abort = new AbortController();
  #peer: PeerSession | undefined;
  /** Peers may report before their answer is here; the client gets the answer first. */
  #early: { end?: { reason: PeerEndReason; detail: string } } | undefined = {};
  #active = false;
  #over = false;
  #size: Size | undefined;
  #signals: PublisherSignals | undefined;
  #listening: Disposable | undefined;
  #waiting: Disposable | undefined;
  /** Video bits since the last message about them, and when they were counted last. */
  #videoBits = 0;
  #countedMs = 0;
  #rateSentMs = 0;

  constructor(mediaSessionId: string, request: Partial<StreamRequest>, published: boolean, owner: ClientStreamOwner) {
    this.mediaSessionId = mediaSessionId;
    this.name = request.name ?? '';
    this.published = published;
    this.request = request;
    this.#owner = owner;
  }

  /** `PUBLISHING` or `PLAYING` has been sent, and no final status yet. */
  get active(): boolean {
    return this.#active && !this.#over;
  }

  get peer(): PeerSession | undefined {
    return this.#peer;
  }

  /** Size of the picture that a player gets, once it is known. */
  get size(): Size | undefined {
    return this.#size;
  }

  get signals(): PublisherSignals | undefined {
    return this.#signals;
  }

  /** Has the offer answered; resolves when that is done or has failed. Never rejects. */
  async start(): Promise<void> {
    const { peers } = this.#owner;
    try {
      const peer = await (this.published ? peers.publish(this.#peerRequest()) : peers.play(this.#peerRequest()));
      this.#answered(peer);
    } catch (error) {
      const info = infoOfError(error);
      if (info === STREAM_INFO.error) this.#owner.link.fault(error, 'stream could not begin');
      this.#finish('FAILED', info);
    }
  }

  /** The client's own stop: told by `UNPUBLISHED` or `STOPPED`. */
  stop(): void {
    this.#finish(this.published ? 'UNPUBLISHED' : 'STOPPED', STREAM_INFO.stoppedByUser);
  }

  /** Ends it because its client is gone, or has been told already. */
  abandon(): void {
    this.#finish(undefined);
  }

  /** Tells the client that it can't begin at all. */
  refuse(info: string): void {
    this.#finish('FAILED', info);
  }

  onActive(): void {
    if (this.#over || this.#active) return;
    this.#active = true;
    if (this.#early === undefined) this.#begin();
  }

  onEnded(reason: PeerEndReason, detail: string): void {
    if (this.#early !== undefined) {
      this.#early = { end: { reason, detail } };
      return;
    }
    const info = infoOfEnd(reason, detail);
    if (reason !== 'peer_closed') return this.#finish('FAILED', info);
    this.#finish(this.published ? 'UNPUBLISHED' : 'STOPPED', info);
  }

  /**
   * Players are not left to wait whether their publisher comes back, as those of other protocols are: applications
   * begin anew when they are told (§5.6).
   */
  publisherGone(): void {
    this.onEnded('publisher_stopped', '');
  }

  onResize(width: number, height: number): void {
    this.#size = { width, height };
    if (this.active && this.#early === undefined) this.#sendSize();
  }

  /**
   * Tells the client how much video came from it or went to it (§8.1), when `intervalMs` has passed since it was told
   * last. Called about once a second.
   */
  tellVideoRate(nowMs: number, intervalMs: number): void {
    if (!this.active || this.#peer?.videoCodec === undefined) return;
    this.#videoBits += (this.#peer.stats().videoBitrateBps * (nowMs - this.#countedMs)) / 1000;
    this.#countedMs = nowMs;
    if (nowMs - this.#rateSentMs < intervalMs) return;
    const message = this.published ? 'inboundVideoRate' : 'outboundVideoRate';
    this.#owner.link.send(message, { mediaSessionId: this.mediaSessionId, videoRate: Math.round(this.#videoBits) });
    this.#videoBits = 0;
    this.#rateSentMs = nowMs;
  }

  #peerRequest(): PeerRequest {
    const { link, playWaitMs } = this.#owner;
    const { minBitrate, maxBitrate, custom, cvoExtension, sdp } = this.request;
    return {
      streamName: this.name,
      mediaSessionId: this.mediaSessionId,
      sessionId: link.sessionId,
      appKey: link.appKey,
      mediaProvider: 'WebRTC',
      remoteAddress: link.remoteAddress,
      localAddress: link.localAddress,
      offer: sdp ?? '',
      videoOrientation: cvoExtension === true,
      minBitrateBps: numberOf(minBitrate) * 1000,
      maxBitrateBps: numberOf(maxBitrate) * 1000,
      custom: customFields(custom),
      waitMs: this.published ? undefined : playWaitMs,
      signal: this.#abort.signal,
      events: this,
    };
  }

  #answered(peer: PeerSession): void {
    // Stopped, or left, while the answer was being made.
    if (this.#over) return peer.close();
    this.#peer = peer;
    this.#owner.link.send('setRemoteSDP', this.mediaSessionId, peer.answer, true);
    const early = this.#early?.end;
    this.#early = undefined;
    // Sending may find that the client is gone.
    if (this.#over) return;
    if (!this.published) this.#waiting = this.#owner.players.add(this.name, this);
    if (early !== undefined) return this.onEnded(early.reason, early.detail);
    if (this.#active) this.#begin();
  }

  #begin(): void {
    if (!this.published) {
      this.#signals = this.#owner.signalsOf(this.name);
      this.#listening = this.#signals?.events.on('signal', (signal) => this.#sendSignal(signal));
    }
    this.#countedMs = performance.now();
    this.#rateSentMs = this.#countedMs;
    this.#sendStatus(this.published ? 'PUBLISHING' : 'PLAYING');
    this.#sendSize();
  }

  #sendStatus(status: StreamStatus, info?: string): void {
    this.#owner.link.send('notifyStreamStatusEvent', streamStatus(this, this.#owner.link, { status, info }));
  }

  /** For players: a publisher knows what it sends. */
  #sendSize(): void {
    if (this.published || this.#size === undefined) return;
    const { width, height } = this.#size;
    this.#owner.link.send('notifyStreamEvent', {
      mediaSessionId: this.mediaSessionId,
      type: 'resize',
      payload: { streamerVideoWidth: width, streamerVideoHeight: height },
    });
  }

  /** Under the player's own id, and without a `payload` when the publisher gave none (§7.1). */
  #sendSignal(signal: StreamSignal): void {
    this.#owner.link.send('notifyStreamEvent', { mediaSessionId: this.mediaSessionId, ...signal });
  }

  #finish(status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED' | undefined, info?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#abort.abort();
    this.#listening?.[Symbol.dispose]();
    this.#waiting?.[Symbol.dispose]();
    this.#peer?.close();
    if (status !== undefined) this.#sendStatus(status, info);
    this.#owner.over(this);
    // One that was refused has not had the stream of that name.
    if (this.published && this.#peer !== undefined) this.#owner.players.publisherGone(this.name);
  }
}
