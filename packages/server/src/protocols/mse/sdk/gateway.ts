import {
  type Acceptance,
  type FanOutFormat,
  FanOuts,
  findStream,
  MediaServerError,
  type MediaSocketGateway,
  type MediaSocketRequest,
  type MediaSocketSession,
  type SocketProvider,
  type Stream,
  tracksSettled,
  type VideoForm,
} from '../../../core/index.ts';
import { sendToAll } from '../../../io/index.ts';
import type { MseOptions } from '../options.ts';
import type { MseDeps, MsePlace } from '../server.ts';
import { type PlayedKinds, sdkAcceptance } from './acceptance.ts';
import { readSocketOffer, type SocketOffer, writeSocketAnswer } from './answer.ts';
import { SdkMseFormat } from './mse-format.ts';
import { SdkPlayer } from './player.ts';
import { WsPlayerFormat } from './wsplayer-format.ts';

/** Plays streams to the Web SDK's providers MSE and WSPlayer: one packaging for all who take the same. */
export class SdkGateway implements MediaSocketGateway {
  readonly #deps: MseDeps;
  readonly #options: MseOptions;
  readonly #hasRoom: () => boolean;
  /** Of players with a picture, who begin with one, and of those without. */
  readonly #fanOuts: { readonly pictures: FanOuts; readonly sounds: FanOuts };
  readonly #players = new Map<string, SdkPlayer>();
  /** Ids of players whose offer is being answered. */
  readonly #pending = new Set<string>();
  #closed = false;

  /** `hasRoom` says whether another viewer may come. */
  constructor(deps: MseDeps, options: MseOptions, hasRoom: () => boolean) {
    this.#deps = deps;
    this.#options = options;
    this.#hasRoom = hasRoom;
    const { flushIntervalMs } = options;
    this.#fanOuts = {
      pictures: new FanOuts({ flushIntervalMs, videoFirst: true, sendToAll: sendToAll() }),
      sounds: new FanOuts({ flushIntervalMs, sendToAll: sendToAll() }),
    };
  }

  /** Players of this moment, with those whose offer is being answered. */
  get playerCount(): number {
    return this.#players.size + this.#pending.size;
  }

  offers(provider: SocketProvider): boolean {
    return provider === 'MSE' ? this.#options.enabled : this.#options.wsPlayer;
  }

  async play(request: MediaSocketRequest): Promise<MediaSocketSession> {
    try {
      this.#checkRoom(request.mediaSessionId);
      this.#pending.add(request.mediaSessionId);
      const player = await this.#answer(request).finally(() => this.#pending.delete(request.mediaSessionId));
      this.#deps.counters.count('mse_players');
      return player;
    } catch (error) {
      this.#deps.counters.count('mse_refused');
      throw error;
    }
  }

  /** Called about once a second. */
  check(nowMs: number): void {
    for (const player of this.#players.values()) player.check(nowMs);
  }

  /** Ends all players. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const player of [...this.#players.values()]) player.end('server_stops', 'server stops');
    this.#fanOuts.pictures.close();
    this.#fanOuts.sounds.close();
  }

  /** @throws MediaServerError MEDIA_SESSION_BUSY or PEER_LIMIT */
  #checkRoom(mediaSessionId: string): void {
    if (this.#deps.sessions.get(mediaSessionId) !== undefined || this.#pending.has(mediaSessionId))
      throw new MediaServerError('MEDIA_SESSION_BUSY', `media session id ${mediaSessionId} is in use`);
    if (!this.#closed && this.#hasRoom()) return;
    const message = `the limit of ${this.#options.maxViewers} viewers is reached (mse_max_viewers)`;
    throw new MediaServerError('PEER_LIMIT', message);
  }

  async #answer(request: MediaSocketRequest): Promise<SdkPlayer> {
    const { provider, picture } = request;
    if (!this.offers(provider)) throw new MediaServerError('NO_COMMON_CODECS', `${provider} is turned off`);
    const offer = readSocketOffer(request.offer);
    const stream = await this.#findStream(request);
    if (picture !== undefined && offer.kinds.video && stream.state.video !== undefined) this.#admit(stream, picture);
    const { kinds, acceptance } = this.#choose(stream, offer, request);
    const lease = this.#deps.adaptations.lease(stream, acceptance, { steady: true });
    const player = new SdkPlayer(request, this.#deps, {
      lease,
      kinds,
      answer: writeSocketAnswer(offer, kinds),
      options: this.#options,
      place: () => ({
        fanOut: this.#fanOutsOf(kinds).get(lease.stream, acceptance.key, () => formatOf(provider, kinds)),
        lease,
      }),
      onOver: (place) => this.#over(player, kinds, place),
    });
    this.#players.set(player.mediaSessionId, player);
    return player;
  }

  /** @throws MediaServerError STREAM_NOT_FOUND */
  async #findStream({
    streamName,
    waitMs = 0,
    signal = new AbortController().signal,
  }: MediaSocketRequest): Promise<Stream> {
    const stream = await findStream(this.#deps, streamName, { waitMs, signal });
    if (stream !== undefined) await this.#tracksKnown(stream);
    // What was true before the wait need not be any more.
    if (stream === undefined || stream.ended || signal.aborted || this.#closed)
      throw new MediaServerError('STREAM_NOT_FOUND', `no stream "${streamName}" is live`);
    return stream;
  }

  /**
   * What is sent is said once, in the answer: a player waits for all of it before it shows anything.
   * @throws MediaServerError TRANSCODING_DISABLED, NO_COMMON_CODECS
   */
  #choose(
    stream: Stream,
    { kinds: asked }: SocketOffer,
    { provider, picture }: MediaSocketRequest,
  ): { kinds: PlayedKinds; acceptance: Acceptance } {
    const { adaptations } = this.#deps;
    const needs = adaptations.needsConversion(stream, sdkAcceptance(provider, asked, picture));
    const isSent = (kind: 'video' | 'audio'): boolean => needs[kind] === 'no' || needs[kind] === 'yes';
    const kinds = { video: isSent('video'), audio: isSent('audio') };
    if (kinds.video || kinds.audio) return { kinds, acceptance: sdkAcceptance(provider, kinds, picture) };
    const why = `stream "${stream.name}" has nothing that ${provider} can play`;
    throw new MediaServerError(adaptations.enabled ? 'NO_COMMON_CODECS' : 'TRANSCODING_DISABLED', why);
  }

  /** @throws MediaServerError TRANSCODING_LIMIT, TRANSCODING_DISABLED */
  #admit(stream: Stream, picture: VideoForm): void {
    if (!this.#deps.adaptations.enabled)
      throw new MediaServerError('TRANSCODING_DISABLED', 'pictures in another form are turned off');
    this.#deps.renditions?.admit(stream, picture);
  }

  #tracksKnown(stream: Stream): Promise<void> {
    const beganMs = performance.now();
    if (tracksSettled(stream, 0)) return Promise.resolve();
    return new Promise((resolve) => {
      const listener = this.#deps.ticker.on((nowMs) => {
        if (!tracksSettled(stream, nowMs - beganMs)) return;
        listener[Symbol.dispose]();
        resolve();
      });
    });
  }

  #fanOutsOf({ video }: PlayedKinds): FanOuts {
    return video ? this.#fanOuts.pictures : this.#fanOuts.sounds;
  }

  #over(player: SdkPlayer, kinds: PlayedKinds, place: MsePlace | undefined): void {
    this.#players.delete(player.mediaSessionId);
    if (place !== undefined) this.#fanOutsOf(kinds).viewerLeft(place.fanOut);
  }
}

function formatOf(provider: SocketProvider, kinds: PlayedKinds): FanOutFormat {
  return provider === 'MSE' ? new SdkMseFormat(kinds) : new WsPlayerFormat(kinds);
}
