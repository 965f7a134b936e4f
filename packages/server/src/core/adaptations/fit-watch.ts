import type { Reader } from '../reader.ts';
import type { Stream, StreamState } from '../stream.ts';
import { type Acceptance, hasUnfit } from './acceptance.ts';

/** Looks at each packet of a source, once for all viewers that take the same, until there is one that they can't take. */
export class FitWatch {
  readonly #stream: Stream;
  readonly #acceptance: Acceptance;
  readonly #onOver: () => void;
  readonly #reader: Reader;
  readonly #listeners = new Set<{ readonly onUnfit: () => void }>();
  #state: StreamState;
  #reorders: boolean;

  /** `onOver` is called when the last listener has left or all have been told. */
  constructor(stream: Stream, acceptance: Acceptance, onOver: () => void) {
    this.#stream = stream;
    this.#acceptance = acceptance;
    this.#onOver = onOver;
    this.#state = stream.state;
    this.#reorders = stream.reordersVideo;
    this.#reader = stream.attach({
      startAt: 'live',
      withoutPicture: true,
      onReadable: () => this.#look(),
      onEnd: () => this.close(),
    });
  }

  /** Has `onUnfit` called once, when it no longer fits; dispose of the result to forget it. */
  add(onUnfit: () => void): Disposable {
    const listener = { onUnfit };
    this.#listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.close();
      },
    };
  }

  close(): void {
    this.#listeners.clear();
    this.#reader.close();
    this.#onOver();
  }

  // Hot path: once per packet.
  #look(): void {
    const { state, reordersVideo } = this.#stream;
    if (state === this.#state && reordersVideo === this.#reorders) return;
    this.#state = state;
    this.#reorders = reordersVideo;
    if (!hasUnfit(this.#stream, this.#acceptance)) return;
    const told = [...this.#listeners];
    this.close();
    for (const { onUnfit } of told) onUnfit();
  }
}
