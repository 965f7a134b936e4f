import type { Figures } from './figures/figures.ts';

/**
 * What becomes of one member, told to its group once: it joins, fails or, when it had joined, is thrown out.
 */
export class Admission {
  readonly #figures: Figures;
  readonly #timeoutMs: number;
  #state: 'new' | 'joining' | 'joined' | 'over' = 'new';
  #startedMs = 0;
  /** What was still missing, for people. */
  waitingFor = 'answer';

  constructor(figures: Figures, timeoutMs: number) {
    this.#figures = figures;
    this.#timeoutMs = timeoutMs;
  }

  /** It may still send and receive. */
  get open(): boolean {
    return this.#state !== 'over';
  }

  get joined(): boolean {
    return this.#state === 'joined';
  }

  start(nowMs: number): void {
    this.#state = 'joining';
    this.#startedMs = nowMs;
    this.#figures.started(nowMs);
  }

  /** A viewer has a whole picture, or a publisher was accepted. Later calls change nothing. */
  join(nowMs: number): void {
    if (this.#state !== 'joining') return;
    this.#state = 'joined';
    this.#figures.joined(nowMs);
    this.#figures.firstPictureMs.add(nowMs - this.#startedMs);
  }

  /** It is over, and was not to be. True the first time. */
  lose(reason: string): boolean {
    if (this.#state === 'over') return false;
    if (this.#state === 'joined') this.#figures.ended(reason);
    else this.#figures.failed(reason);
    this.#state = 'over';
    return true;
  }

  /** True when it has waited for too long; it is lost then. */
  overdue(nowMs: number): boolean {
    if (this.#state !== 'joining' || nowMs - this.#startedMs <= this.#timeoutMs) return false;
    return this.lose(`no ${this.waitingFor} within ${this.#timeoutMs} ms`);
  }

  /** It leaves on purpose. One that was still joining counts as failed: it did not get what it asked for. */
  leave(): void {
    if (this.#state === 'joining') this.lose(`no ${this.waitingFor} before the end`);
    this.#state = 'over';
  }
}
