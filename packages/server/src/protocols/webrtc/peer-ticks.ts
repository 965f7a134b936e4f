/** Who has to be looked after now and then. */
export interface Ticked {
  tick(nowMs: number): void;
  /** Until then it need not be called, `performance.now()`; 0: as ever. */
  readonly restsUntilMs: number;
  readonly isClosed: boolean;
}

const SLOT_MS = 20;
/** Who rests for longer than all of them together is called a little too often. */
const SLOTS = 16;

/**
 * Calls peers when they are due: those who need care on every tick, those who rest when that is over. Most viewers rest
 * most of the time, so that a tick costs next to nothing for them.
 */
export class PeerTicks<T extends Ticked> {
  readonly #awake = new Set<T>();
  /** By the time at which they are due. */
  readonly #resting: readonly Set<T>[] = Array.from({ length: SLOTS }, () => new Set<T>());
  readonly #onError: (peer: T, error: unknown) => void;
  #slot = 0;

  constructor(onError: (peer: T, error: unknown) => void) {
    this.#onError = onError;
  }

  /** It is called from now on, until it is closed. Also ends its rest. */
  wake(peer: T): void {
    this.#awake.add(peer);
  }

  /** True when it knows of no peer: one that rests is known until it was found closed. */
  get isEmpty(): boolean {
    return this.#awake.size === 0 && this.#resting.every((slot) => slot.size === 0);
  }

  /** Calls those who are due. Hot path: once every 20 ms, whoever rests. */
  tick(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    // After a long pause each slot is looked at once.
    for (let at = Math.max(this.#slot, slot - SLOTS + 1); at <= slot; at++) this.#open(at);
    this.#slot = slot;
    for (const peer of this.#awake) this.#call(peer, nowMs);
  }

  /** Whoever rests for longer, or anew, finds its next slot when it is called. */
  #open(slot: number): void {
    const resting = this.#resting[slot % SLOTS];
    if (resting === undefined || resting.size === 0) return;
    for (const peer of resting) this.#awake.add(peer);
    resting.clear();
  }

  #call(peer: T, nowMs: number): void {
    if (peer.isClosed) return void this.#awake.delete(peer);
    try {
      peer.tick(nowMs);
    } catch (error) {
      this.#onError(peer, error);
    }
    const untilMs = Math.min(peer.restsUntilMs, nowMs + SLOT_MS * (SLOTS - 1));
    if (untilMs <= nowMs) return;
    this.#awake.delete(peer);
    this.#resting[Math.ceil(untilMs / SLOT_MS) % SLOTS]?.add(peer);
  }
}
