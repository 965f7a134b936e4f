import type { SocketProvider } from '../../core/index.ts';
import type { MediaTransport } from './media-transport.ts';

/** A player whose media goes by a transport. */
export interface TransportPlayer {
  readonly provider: SocketProvider;
  /** Its transport is there. */
  attach(transport: MediaTransport): void;
  /** None came in time. */
  transportMissing(): void;
  /** Another player of the page has taken the transport over. */
  transportTaken(): void;
}

interface Awaited {
  readonly player: TransportPlayer;
  sinceMs: number;
}

interface Queued {
  readonly player: TransportPlayer;
  sendAnswer(): void;
}

/**
 * Which transport of a client belongs to which of its players. A transport names only the session. One of MSE comes after
 * its player's answer, so that answers are sent one at a time: the next one when the transport of the one before has come
 * (websdk-signalling.md §9.1). One of WSPlayer may come before any player, and serves the newest one of its page (§10.1).
 */
export class MediaTransports {
  readonly #waitMs: number;
  readonly #takesPages: boolean;
  #awaited: Awaited | undefined;
  readonly #queue: Queued[] = [];
  readonly #transports = new Map<TransportPlayer, MediaTransport>();
  /** Of WSPlayer. */
  #page: MediaTransport | undefined;
  #pagePlayer: Awaited | undefined;

  /** `takesPages`: transports of WSPlayer are taken. */
  constructor(waitMs: number, takesPages: boolean) {
    this.#waitMs = waitMs;
    this.#takesPages = takesPages;
  }

  /** Begins to wait for a player's transport; its answer is sent when it is its turn, maybe at once. */
  begin(player: TransportPlayer, sendAnswer: () => void): void {
    if (player.provider === 'WSPlayer') this.#beginPage(player, sendAnswer);
    else {
      this.#queue.push({ player, sendAnswer });
      this.#next();
    }
  }

  /** A transport has come. False when nobody waits for it: it is to be closed then. */
  take(transport: MediaTransport): boolean {
    const awaited = this.#awaited;
    if (awaited !== undefined) {
      const { player } = awaited;
      this.#awaited = undefined;
      this.#transports.set(player, transport);
      transport.onOver(() => this.#transports.delete(player));
      player.attach(transport);
      this.#next();
      return true;
    }
    if (!this.#takesPages || this.#page !== undefined) return false;
    this.#page = transport;
    transport.onOver(() => {
      this.#page = undefined;
    });
    this.#pagePlayer?.player.attach(transport);
    return true;
  }

  /** A player is over. Its transport too, but for that of WSPlayer, which its page keeps. Idempotent. */
  leave(player: TransportPlayer): void {
    if (this.#pagePlayer?.player === player) this.#pagePlayer = undefined;
    const queued = this.#queue.findIndex((entry) => entry.player === player);
    if (queued >= 0) this.#queue.splice(queued, 1);
    this.#transports.get(player)?.end('player is over');
    if (this.#awaited?.player !== player) return;
    this.#awaited = undefined;
    this.#next();
  }

  /** Called a few times a second. */
  check(nowMs: number): void {
    const page = this.#page === undefined ? this.#pagePlayer : undefined;
    for (const waiting of [this.#awaited, page])
      if (waiting !== undefined && nowMs - waiting.sinceMs >= this.#waitMs) waiting.player.transportMissing();
  }

  /** Ends all transports: pages would wait for ever for media by a token that is no more. Idempotent. */
  close(): void {
    this.#queue.length = 0;
    this.#awaited = undefined;
    for (const transport of [...this.#transports.values()]) transport.end('session is over');
    this.#page?.end('session is over');
  }

  #beginPage(player: TransportPlayer, sendAnswer: () => void): void {
    const before = this.#pagePlayer?.player;
    this.#pagePlayer = { player, sinceMs: performance.now() };
    before?.transportTaken();
    sendAnswer();
    if (this.#page !== undefined && this.#pagePlayer?.player === player) player.attach(this.#page);
  }

  #next(): void {
    if (this.#awaited !== undefined) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#awaited = { player: next.player, sinceMs: performance.now() };
    next.sendAnswer();
  }
}
