import { STREAM_INFO, type StreamRequest } from '@sluice/contract';
import type {
  ClientAccess,
  MediaSession,
  MediaSocketGateway,
  PeerGateway,
  Recorder,
  Relays,
  SessionRegistry,
  StreamRegistry,
  StreamSignal,
} from '../../core/index.ts';
import type { ClientLink } from './client-link.ts';
import { ClientStream, type ClientStreamOwner, type PublisherSignals } from './client-stream.ts';
import { socketProvider } from './media-request.ts';
import { MediaTransports } from './media-transports.ts';
import type { SignallingOptions } from './options.ts';
import type { RoomVisitor } from './rooms/room-visitor.ts';
import type { StreamPlayers } from './stream-players.ts';

export interface ClientStreamsDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly access: ClientAccess;
  readonly peers: PeerGateway;
  readonly mediaSockets?: MediaSocketGateway | undefined;
  readonly players: StreamPlayers;
  readonly link: ClientLink;
  readonly recorder?: Pick<Recorder, 'settled'> | undefined;
  readonly relays?: Pick<Relays, 'push' | 'end'> | undefined;
  readonly rooms?: RoomVisitor | undefined;
  readonly options: Pick<
    SignallingOptions,
    'maxStreams' | 'playWaitMs' | 'mediaSocketWaitMs' | 'inboundVideoRateIntervalMs' | 'outboundVideoRateIntervalMs'
  >;
}

/** The publications and playbacks of one client, by the ids that it gave them. */
export class ClientStreams implements ClientStreamOwner {
  readonly link: ClientLink;
  readonly access: ClientAccess;
  readonly peers: PeerGateway;
  readonly mediaSockets: MediaSocketGateway | undefined;
  readonly transports: MediaTransports;
  readonly players: StreamPlayers;
  readonly playWaitMs: number;
  readonly recorder: Pick<Recorder, 'settled'> | undefined;
  readonly relays: Pick<Relays, 'push' | 'end'> | undefined;
  readonly rooms: RoomVisitor | undefined;
  readonly #streams: StreamRegistry;
  readonly #sessions: SessionRegistry;
  readonly #options: ClientStreamsDeps['options'];
  readonly #open = new Map<string, ClientStream>();
  /** Streams that are not answered yet, those included that were stopped meanwhile. */
  readonly #starting = new Set<Promise<void>>();

  constructor(deps: ClientStreamsDeps) {
    const { streams, sessions, access, peers, mediaSockets, players, link, recorder, relays, options } = deps;
    this.link = link;
    this.access = access;
    this.peers = peers;
    this.mediaSockets = mediaSockets;
    this.transports = new MediaTransports(options.mediaSocketWaitMs, mediaSockets?.offers('WSPlayer') === true);
    this.players = players;
    this.recorder = recorder;
    this.relays = relays;
    this.rooms = deps.rooms;
    this.playWaitMs = options.playWaitMs;
    this.#streams = streams;
    this.#sessions = sessions;
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Begins a publication or playback. Whatever happens, a status message follows. */
  start(request: Partial<StreamRequest>, published: boolean): void {
    const { mediaSessionId } = request;
    const stream = new ClientStream(mediaSessionId ?? '', request, published, this);
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) return stream.refuse(refusal);
    this.#open.set(stream.mediaSessionId, stream);
    const starting = stream.start().finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
  }

  /** Ends one as its client asks. The client waits for an answer even when there is nothing of that id (§5.5). */
  stop(request: Partial<StreamRequest>, published: boolean): void {
    const { mediaSessionId } = request;
    const stream = mediaSessionId === undefined ? undefined : this.#open.get(mediaSessionId);
    if (stream !== undefined) return stream.stop();
    if (mediaSessionId !== undefined) new ClientStream(mediaSessionId, request, published, this).stop();
  }

  /** Passes a publisher's words on to the players; false when that id is not publishing here. */
  signal(mediaSessionId: string, signal: StreamSignal): boolean {
    const own = this.#open.get(mediaSessionId);
    if (own === undefined || !own.published || !own.active) return false;
    const stream = this.#streams.get(own.streamName);
    if (stream?.live !== true) return false;
    stream.signals.send(signal);
    return true;
  }

  /** See ClientStream.tellVideoRate. */
  tellVideoRates(nowMs: number): void {
    const { inboundVideoRateIntervalMs, outboundVideoRateIntervalMs } = this.#options;
    for (const stream of this.#open.values()) {
      const intervalMs = stream.published ? inboundVideoRateIntervalMs : outboundVideoRateIntervalMs;
      if (intervalMs > 0) stream.tellVideoRate(nowMs, intervalMs);
    }
  }

  /**
   * Ends all at once without a word, because the client is gone. `onTold` is called when the access control has been
   * told of each of them, which has to wait for those that it has not answered yet.
   */
  close(onTold: () => void): void {
    for (const stream of [...this.#open.values()]) stream.abandon();
    this.transports.close();
    if (this.#starting.size === 0) return onTold();
    void Promise.all([...this.#starting]).then(onTold);
  }

  signalsOf(streamName: string): PublisherSignals | undefined {
    return this.#streams.get(streamName)?.signals;
  }

  mediaSession(mediaSessionId: string): MediaSession | undefined {
    return this.#sessions.get(mediaSessionId);
  }

  lacks(request: Partial<StreamRequest>, published: boolean): string | undefined {
    const { mediaProvider = 'WebRTC', name = '' } = request;
    if (mediaProvider === 'WebRTC') return published ? this.rooms?.refusal(request, name) : undefined;
    const provider = socketProvider(request);
    if (!published && provider !== undefined && this.mediaSockets?.offers(provider) === true) return undefined;
    return `Media provider ${mediaProvider} is not available`;
  }

  over(stream: ClientStream): void {
    if (this.#open.get(stream.mediaSessionId) === stream) this.#open.delete(stream.mediaSessionId);
  }

  /** Why it can't even be asked for. */
  #refusalOf({ mediaSessionId }: Partial<StreamRequest>): string | undefined {
    if (mediaSessionId === undefined) return STREAM_INFO.idMissing;
    if (this.#open.has(mediaSessionId)) return STREAM_INFO.idInUse;
    // Those that were stopped while they were asked for count too, or their number would have no bound.
    const count = Math.max(this.#open.size, this.#starting.size);
    return count >= this.#options.maxStreams ? STREAM_INFO.notAdded : undefined;
  }
}
