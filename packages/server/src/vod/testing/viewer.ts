import type { MediaPacket } from '@sluice/media';
import type { Reader, Stream } from '../../core/index.ts';

/** One who watches a stream from its first packet on and keeps what comes. */
export class Viewer {
  readonly packets: MediaPacket[] = [];
  /** Why the stream ended; undefined while it goes on. */
  ended: string | undefined;
  readonly #stream: Stream;
  readonly #reader: Reader;
  readonly #waiters = new Set<() => void>();
  #left = false;

  constructor(stream: Stream | undefined) {
    if (stream === undefined) throw new Error('there is no stream');
    this.#stream = stream;
    stream.addViewers(1);
    this.#reader = stream.attach({
      startAt: 'oldest',
      onReadable: () => this.#drain(),
      onEnd: (reason) => {
        this.ended = reason;
        this.#wake();
      },
    });
    this.#drain();
    stream.viewerReady();
  }

  /** Decoding times of one kind, milliseconds. */
  times(kind: 'video' | 'audio'): number[] {
    return this.packets.filter(({ track }) => track.kind === kind).map(({ dtsUs }) => dtsUs / 1000);
  }

  /** Resolves as soon as it has so many packets of that kind. @throws Error when the stream ends before */
  async has(count: number, kind: 'video' | 'audio' = 'video'): Promise<void> {
    while (this.times(kind).length < count) {
      if (this.ended !== undefined) throw new Error(`the stream ended: ${this.ended}`);
      await this.#next();
    }
  }

  /** Resolves with the reason of the stream's end. */
  async end(): Promise<string> {
    while (this.ended === undefined) await this.#next();
    return this.ended;
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#reader.close();
    this.#stream.addViewers(-1);
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve));
  }

  #drain(): void {
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read())
      this.packets.push(entry.packet);
    this.#wake();
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}
