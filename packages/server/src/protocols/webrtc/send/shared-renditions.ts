import type { Ladder, LadderUse, Rendition, Renditions, Stream, VideoForm } from '../../../core/index.ts';

/** What can be made of a stream is the same for all of its viewers, who each ask about once a second. */
const KEPT_MS = 250;

/** An answer, or what was thrown instead. */
interface Answer<T> {
  readonly atMs: number;
  readonly value?: T;
  readonly error?: unknown;
}

/** Qualities of streams as they were a moment ago: what they cost is worked out anew for streams, not for viewers. */
export class SharedRenditions implements Renditions {
  readonly #renditions: Renditions;
  readonly #nowMs: () => number;
  readonly #ladders: Readonly<Record<LadderUse, WeakMap<Stream, Answer<Ladder | undefined>>>> = {
    hls: new WeakMap(),
    webrtc: new WeakMap(),
  };
  readonly #thinner = new WeakMap<Stream, Answer<readonly Rendition[]>>();

  constructor(renditions: Renditions, nowMs: () => number = () => performance.now()) {
    this.#renditions = renditions;
    this.#nowMs = nowMs;
  }

  enabled(use: LadderUse | 'thin'): boolean {
    return this.#renditions.enabled(use);
  }

  ladder(stream: Stream, use: LadderUse): Ladder | undefined {
    return this.#ask(this.#ladders[use], stream, () => this.#renditions.ladder(stream, use));
  }

  thinner(stream: Stream): readonly Rendition[] {
    return this.#ask(this.#thinner, stream, () => this.#renditions.thinner(stream));
  }

  /** Never of a moment ago. */
  admit(stream: Stream, form: VideoForm): void {
    this.#renditions.admit(stream, form);
  }

  #ask<T>(answers: WeakMap<Stream, Answer<T>>, stream: Stream, read: () => T): T {
    const atMs = this.#nowMs();
    const known = answers.get(stream);
    if (known !== undefined && atMs - known.atMs < KEPT_MS) {
      if ('error' in known) throw known.error;
      return known.value as T;
    }
    try {
      const value = read();
      answers.set(stream, { atMs, value });
      return value;
    } catch (error) {
      answers.set(stream, { atMs, error });
      throw error;
    }
  }
}
