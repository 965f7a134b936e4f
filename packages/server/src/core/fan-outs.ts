import { FanOut, type FanOutFormat, type FanOutOptions } from './fan-out.ts';
import type { Stream } from './stream.ts';

/**
 * The fan-outs of one protocol: one per stream and variant that somebody watches. A variant is a way to write the
 * stream, by a key: viewers of the same one share everything.
 */
export class FanOuts {
  readonly #options: FanOutOptions;
  readonly #fanOuts = new Map<Stream, Map<string, FanOut>>();

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** The fan-out of a variant; made, with `makeFormat`, when nobody watches it yet. */
  get(stream: Stream, variant: string, makeFormat: () => FanOutFormat): FanOut {
    const variants = this.#fanOuts.get(stream) ?? new Map<string, FanOut>();
    this.#fanOuts.set(stream, variants);
    let fanOut = variants.get(variant);
    if (fanOut === undefined) {
      fanOut = new FanOut(stream, makeFormat(), { ...this.#options, onEnd: () => this.#forget(stream, variant) });
      variants.set(variant, fanOut);
    }
    return fanOut;
  }

  /** A viewer has left; the last one's fan-out ends. */
  viewerLeft(fanOut: FanOut): void {
    if (fanOut.viewerCount > 0) return;
    fanOut.close();
    for (const [variant, kept] of this.#fanOuts.get(fanOut.stream) ?? [])
      if (kept === fanOut) this.#forget(fanOut.stream, variant);
  }

  /** Ends all. */
  close(): void {
    for (const variants of this.#fanOuts.values()) for (const fanOut of variants.values()) fanOut.close();
    this.#fanOuts.clear();
  }

  #forget(stream: Stream, variant: string): void {
    const variants = this.#fanOuts.get(stream);
    variants?.delete(variant);
    if (variants?.size === 0) this.#fanOuts.delete(stream);
  }
}
