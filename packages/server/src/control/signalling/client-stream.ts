import { STREAM_INFO, type StreamRequest, type StreamStatus } from '@sluice/contract';
import {
  type ClientAccess,
  type Fields,
  infoOfEnd,
  infoOfError,
  type MediaSession,
  type MediaSocketGateway,
  type MediaSocketSession,
  type PeerEndReason,
  type PeerEvents,
  type PeerGateway,
  type PeerSession,
  type Recorder,
  type RecordingEvent,
  type Relays,
  type SocketProvider,
  type StreamAccess,
  type StreamSignal,
} from '../../core/index.ts';
import type { ClientLink } from './client-link.ts';
import { type KnownStream, peerRequest, socketProvider, socketRequest } from './media-request.ts';
import type { MediaTransport } from './media-transport.ts';
import type { MediaTransports, TransportPlayer } from './media-transports.ts';
import { Republishing } from './republishing.ts';
import type { RoomVisitor } from './rooms/room-visitor.ts';
import type { Player, StreamPlayers } from './stream-players.ts';
import { factsOf, rewritten } from './stream-request.ts';
import { streamStatus } from './stream-status.ts';

/** What a stream of a client needs from the one that owns it. */
export interface ClientStreamOwner {
  readonly link: ClientLink;
  readonly access: ClientAccess;
  readonly peers: PeerGateway;
  /** Plays by WebSocket; `lacks` says so when there is none. */
  readonly mediaSockets: MediaSocketGateway | undefined;
  readonly transports: MediaTransports;
  readonly playWaitMs: number;
  /** Where players wait to hear that their publisher, when it is a client too, has left. */
  readonly players: StreamPlayers;
  /** Knows the files of recordings. */
  readonly recorder: Pick<Recorder, 'settled'> | undefined;
  /** Sends streams on to the `rtmpUrl` of their publisher. */
  readonly relays: Pick<Relays, 'push' | 'end'> | undefined;
  /** What the client does in rooms, if its application has them. */
  readonly rooms: Pick<RoomVisitor, 'tie' | 'published' | 'unpublished'> | undefined;
  /** The publisher's words about the stream of a name, and whether its media is muted now. */
  signalsOf(streamName: string): PublisherSignals | undefined;
  mediaSession(mediaSessionId: string): MediaSession | undefined;
  /** Why the server can't do what is asked, after all that the back end has changed; undefined when it can. */
  lacks(request: Partial<StreamRequest>, published: boolean): string | undefined;
  /** The stream is over; its final status has been sent, unless the client is gone. */
  over(stream: ClientStream): void;
}

/** The part of StreamSignals that players need. */
export interface PublisherSignals {
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  readonly events: { on(event: 'signal', listener: (signal: StreamSignal) => void): Disposable };
}

/** What carries the media of a stream: a WebRTC peer, or a player by WebSocket. */
export type StreamMedia = Pick<PeerSession, 'answer' | 'videoCodec' | 'audioCodec' | 'transport' | 'stats' | 'close'>;

/** Clients are told no more often that their way is too thin. */
const THIN_INTERVAL_MS = 1000;

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Ending {
  readonly status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED';
  readonly info: string;
  /** The client itself has asked for it. */
  readonly wished?: boolean;
  /** The client is gone: it is not told. */
  readonly silent?: boolean;
}

/**
 * One publication or playback that a client asked for, from its request to its final status, which comes exactly once:
 * the client itself notices no failure (websdk-signalling.md §5.1). The access control is asked first, and told the same
 * as the client.
 */
export class ClientStream implements PeerEvents, Player, TransportPlayer {
  readonly mediaSessionId: string;
  /** As the client calls it, whatever its name in the hub: the back end may have put a name there that is no client's. */
  readonly name: string;
  readonly published: boolean;
  readonly createDate = Date.now();
  readonly #owner: ClientStreamOwner;
  readonly #abort = new AbortController();
  #peer: StreamMedia | undefined;
  #socketMedia: MediaSocketSession | undefined;
  /** Peers may report before their answer is here; the client gets the answer first. */
  #early: { end?: { reason: PeerEndReason; detail: string } } | undefined = {};
  #request: Partial<StreamRequest>;
  #access: StreamAccess | undefined;
  #active = false;
  #ending: Ending | undefined;
  #size: Size | undefined;
  /** The room that it is published for. */
  #tie: { readonly record: boolean } | undefined;
  #signals: PublisherSignals | undefined;
  #listening: Disposable | undefined;
  #waiting: Disposable | undefined;
  #republishing: Disposable | undefined;
  /** Video bits since the last message about them, and when they were counted last. */
  #videoBits = 0;
  #countedMs = 0;
  #rateSentMs = 0;
  /** When the client was last told that its way is too thin. */
  #thinSaidMs = Number.NEGATIVE_INFINITY;

  constructor(mediaSessionId: string, request: Partial<StreamRequest>, published: boolean, owner: ClientStreamOwner) {
    this.mediaSessionId = mediaSessionId;
    this.name = request.name ?? '';
    this.published = published;
    this.#request = request;
    this.#owner = owner;
  }

  /** What was asked for, as the back end left it. */
  get request(): Partial<StreamRequest> {
    return this.#request;
  }

  /** Its name in the hub: the client's own, or that of the back end. */
  get streamName(): string {
    return this.#access?.name ?? this.name;
  }

  /** Of a player by WebSocket; MSE for others, where nobody asks. */
  get provider(): SocketProvider {
    return socketProvider(this.#request) ?? 'MSE';
  }

  /** `PUBLISHING` or `PLAYING` has been sent, and no final status yet. */
  get active(): boolean {
    return this.#active && this.#ending === undefined;
  }

  get peer(): StreamMedia | undefined {
    return this.#peer;
  }

  /** Size of the picture that a player gets, once it is known. */
  get size(): Size | undefined {
    return this.#size;
  }

  get signals(): PublisherSignals | undefined {
    return this.#signals;
  }

  /**
   * Has the access control asked and the offer answered; resolves when that is done or has failed. Never rejects.
   */
  async start(): Promise<void> {
    const { access } = this.#owner;
    try {
      const facts = factsOf(this.#request, this.published);
      const admitted = await (this.published ? access.publish(facts) : access.play(facts));
      if (!this.#admit(admitted)) return;
      await this.#carry();
    } catch (error) {
      const info = infoOfError(error);
      if (info === STREAM_INFO.error) this.#owner.link.fault(error, 'stream could not begin');
      this.#finish({ status: 'FAILED', info });
    }
  }

  /** The client's own stop: told by `UNPUBLISHED` or `STOPPED`. */
  stop(): void {
    this.#finish({ status: this.#stopped, info: STREAM_INFO.stoppedByUser, wished: true });
  }

  /** Ends it because its client is gone. */
  abandon(): void {
    this.#finish({ status: this.#stopped, info: STREAM_INFO.sessionDisconnect, silent: true });
  }

  /** Tells the client that it can't begin at all. */
  refuse(info: string): void {
    this.#finish({ status: 'FAILED', info });
  }

  onActive(): void {
    if (this.#ending !== undefined || this.#active) return;
    this.#active = true;
    if (this.#early === undefined) this.#begin();
  }

  onEnded(reason: PeerEndReason, detail: string): void {
    if (this.#early !== undefined) {
      this.#early = { end: { reason, detail } };
      return;
    }
    const info = infoOfEnd(reason, detail);
    // A page that stops closes its media as well as saying so, and either may come first.
    const wished = reason === 'peer_closed';
    const ordinary = wished || reason === 'file_finished';
    this.#finish({ status: ordinary ? this.#stopped : 'FAILED', info, wished });
  }

  attach(transport: MediaTransport): void {
    this.#socketMedia?.attach(transport);
  }

  transportMissing(): void {
    this.onEnded('ice_timeout', 'no media transport came in time');
  }

  transportTaken(): void {
    this.onEnded('peer_closed', 'another stream of the page plays now');
  }

  /**
   * Players are not left to wait whether their publisher comes back, as those of other protocols are: applications
   * begin anew when they are told (§5.6).
   */
  publisherGone(): void {
    this.onEnded('publisher_stopped', '');
  }

  onRecording(event: RecordingEvent): void {
    this.#access?.recorded(event);
  }

  onResize(width: number, height: number): void {
    this.#size = { width, height };
    if (this.active && this.#early === undefined) this.#sendSize();
  }

  /** Said in the way of today and in that of older clients, which leaves the stream's status as it is (§7.2). */
  onNotEnoughBandwidth(streamBps: number, availableBps: number): void {
    const nowMs = performance.now();
    if (!this.active || this.#early !== undefined || nowMs - this.#thinSaidMs < THIN_INTERVAL_MS) return;
    this.#thinSaidMs = nowMs;
    const { mediaSessionId } = this;
    const info = `${Math.round(streamBps)}/${Math.round(availableBps)}`;
    this.#owner.link.send('notifyStreamEvent', { mediaSessionId, type: 'notEnoughBandwidth', payload: { info } });
    this.#owner.link.send('notifyStreamStatusEvent', { mediaSessionId, status: 'NOT_ENOUGH_BANDWIDTH', info });
  }

  /**
   * Tells the client how much video came from it or went to it (§8.1), when `intervalMs` has passed since it was told
   * last. Called about once a second.
   */
  tellVideoRate(nowMs: number, intervalMs: number): void {
    // For players by WebSocket the SDK would throw.
    if (!this.active || this.#socketMedia !== undefined || this.#peer?.videoCodec === undefined) return;
    this.#videoBits += (this.#peer.stats().videoBitrateBps * (nowMs - this.#countedMs)) / 1000;
    this.#countedMs = nowMs;
    if (nowMs - this.#rateSentMs < intervalMs) return;
    const message = this.published ? 'inboundVideoRate' : 'outboundVideoRate';
    this.#owner.link.send(message, { mediaSessionId: this.mediaSessionId, videoRate: Math.round(this.#videoBits) });
    this.#videoBits = 0;
    this.#rateSentMs = nowMs;
  }

  get #stopped(): 'UNPUBLISHED' | 'STOPPED' {
    return this.published ? 'UNPUBLISHED' : 'STOPPED';
  }

  /** False when it is over all the same. */
  #admit(access: StreamAccess): boolean {
    this.#access = access;
    this.#request = rewritten(this.#request, access.fields);
    if (this.published) {
      this.#tie = this.#owner.rooms?.tie(this.#request);
      if (this.#tie?.record === true) this.#request = { ...this.#request, record: true };
    }
    if (this.#ending !== undefined) {
      // Stopped, or left, before the answer came: nobody has been told that yet.
      this.#tellEnd(this.#ending);
      return false;
    }
    const lack = this.#owner.lacks(this.#request, this.published);
    if (lack !== undefined) this.refuse(lack);
    return lack === undefined;
  }

  /** Has the offer answered by whoever is to carry the media. */
  async #carry(): Promise<void> {
    const { peers, mediaSockets, link, access, playWaitMs, transports } = this.#owner;
    const { streamName, mediaSessionId, published } = this;
    const about = { streamName, mediaSessionId, published, request: this.#request, link, playWaitMs };
    const inRoom = this.#tie !== undefined;
    const known: KnownStream = { ...about, inRoom, login: access.login, signal: this.#abort.signal, events: this };
    const provider = socketProvider(this.#request);
    if (provider === undefined || mediaSockets === undefined) {
      const peer = await (published ? peers.publish(peerRequest(known)) : peers.play(peerRequest(known)));
      if (this.#carriedBy(peer)) this.#answer(peer);
      return;
    }
    const media = await mediaSockets.play(socketRequest(known, provider));
    if (!this.#carriedBy(media)) return;
    this.#socketMedia = media;
    transports.begin(this, () => this.#answer(media));
  }

  /** False when it was stopped, or its client left, while the answer was being made. */
  #carriedBy(media: StreamMedia): boolean {
    if (this.#ending === undefined) this.#peer = media;
    else media.close();
    return this.#ending === undefined;
  }

  #answer({ answer }: StreamMedia): void {
    this.#owner.link.send('setRemoteSDP', this.mediaSessionId, answer, true);
    const early = this.#early?.end;
    this.#early = undefined;
    // Sending may find that the client is gone.
    if (this.#ending !== undefined) return;
    if (!this.published) this.#waiting = this.#owner.players.add(this.streamName, this);
    if (early !== undefined) return this.onEnded(early.reason, early.detail);
    if (this.#active) this.#begin();
  }

  #begin(): void {
    if (!this.published) {
      this.#signals = this.#owner.signalsOf(this.streamName);
      this.#listening = this.#signals?.events.on('signal', (signal) => this.#sendSignal(signal));
    }
    this.#countedMs = performance.now();
    this.#rateSentMs = this.#countedMs;
    const session = this.#owner.mediaSession(this.mediaSessionId);
    if (session !== undefined) this.#access?.active(session);
    this.#sendStatus(this.published ? 'PUBLISHING' : 'PLAYING');
    this.#sendSize();
    // Sending may find that the client is gone.
    if (!this.published || this.#ending !== undefined) return;
    const { relays, link, rooms } = this.#owner;
    const { rtmpUrl: url = '' } = this.#request;
    if (url !== '' && relays !== undefined)
      this.#republishing = new Republishing(relays, { streamName: this.streamName, url, link });
    rooms?.published(this);
  }

  /** Without what the back end keeps from the client, but for the two fields that the SDK can't do without. */
  #sendStatus(status: StreamStatus, told: { readonly info?: string; readonly recordName?: string } = {}): void {
    const { link, access } = this.#owner;
    const object: Fields = streamStatus(this, link, { status, ...told });
    const visible = access.forClient(this.published ? 'publishStream' : 'playStream', object);
    const { mediaSessionId } = this;
    const body = { ...access.forClient('StreamStatusEvent', visible), mediaSessionId, status };
    link.send('notifyStreamStatusEvent', body);
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

  #finish(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#abort.abort();
    this.#listening?.[Symbol.dispose]();
    this.#waiting?.[Symbol.dispose]();
    this.#republishing?.[Symbol.dispose]();
    this.#peer?.close();
    if (this.#socketMedia !== undefined) this.#owner.transports.leave(this);
    // Before the client is told: that may find that the client is gone, and then all else ends at once.
    this.#tellEnd(ending);
    // One that was refused has not had the stream of that name.
    if (this.published && this.#peer !== undefined) this.#owner.players.publisherGone(this.streamName);
    if (this.published) this.#owner.rooms?.unpublished(this, ending.status === 'FAILED' ? 'FAILED' : 'UNPUBLISHED');
    const recorded = this.published ? this.#owner.recorder?.settled(this.mediaSessionId) : undefined;
    if (recorded === undefined) return this.#conclude(ending, undefined);
    // The client may then fetch the file at once (functions-1 §2.6).
    const concluded = (recordName?: string): void => this.#conclude(ending, recordName);
    recorded.then(concluded, () => concluded());
  }

  #conclude({ status, info, silent }: Ending, recordName: string | undefined): void {
    if (silent !== true) this.#sendStatus(status, { info, ...(recordName === undefined ? {} : { recordName }) });
    this.#owner.over(this);
  }

  #tellEnd({ status, info, wished }: Ending): void {
    if (wished === true) this.#access?.stopping();
    this.#access?.ended(status, info);
  }
}
