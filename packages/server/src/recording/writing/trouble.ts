import type { PartWriter } from './part-writer.ts';

export interface TroubleOptions {
  readonly maxErrors: number;
  readonly errorIntervalMs: number;
  readonly retryIntervalMs: number;
}

/** Remembers that nothing can be written, when to try again, and how often it has come to that. */
export class Trouble {
  readonly #options: TroubleOptions;
  #errorsMs: number[] = [];
  #retryMs = 0;
  #reason: string | undefined;
  #part: PartWriter | undefined;

  constructor(options: TroubleOptions) {
    this.#options = options;
  }

  get isThere(): boolean {
    return this.#reason !== undefined;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  /** The file that failed. */
  get part(): PartWriter | undefined {
    return this.#part;
  }

  /** It begins, or has changed to another file; true when that was once too often. */
  begin(reason: string, part: PartWriter): boolean {
    const nowMs = performance.now();
    this.goesOn(reason);
    this.#part = part;
    this.#errorsMs = this.#errorsMs.filter((errorMs) => nowMs - errorMs < this.#options.errorIntervalMs);
    this.#errorsMs.push(nowMs);
    return this.#errorsMs.length > this.#options.maxErrors;
  }

  /** A try to go on has failed. */
  goesOn(reason: string): void {
    this.#reason = reason;
    this.#retryMs = performance.now() + this.#options.retryIntervalMs;
  }

  end(): void {
    this.#reason = undefined;
    this.#part = undefined;
  }

  mayRetry(nowMs: number): boolean {
    return this.isThere && nowMs >= this.#retryMs;
  }
}
