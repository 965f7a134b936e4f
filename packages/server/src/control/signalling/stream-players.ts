/** One who plays a stream. */
export interface Player {
  /** The publisher has left. */
  publisherGone(): void;
}

/** Web SDK players by the name of their stream, over all clients. */
export class StreamPlayers {
  readonly #players = new Map<string, Set<Player>>();

  /** Adds a player; dispose of the result when it is over. */
  add(streamName: string, player: Player): Disposable {
    const players = this.#players.get(streamName) ?? new Set();
    this.#players.set(streamName, players.add(player));
    return {
      [Symbol.dispose]: () => {
        players.delete(player);
        if (players.size === 0 && this.#players.get(streamName) === players) this.#players.delete(streamName);
      },
    };
  }

  /** Tells the players of a stream that their publisher has left. */
  publisherGone(streamName: string): void {
    for (const player of [...(this.#players.get(streamName) ?? [])]) player.publisherGone();
  }
}
