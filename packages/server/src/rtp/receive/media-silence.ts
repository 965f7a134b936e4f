export interface MediaSilenceOptions {
  /** 0 for never. */
  readonly timeoutMs: number;
  readonly watchesAudio: boolean;
  readonly watchesVideo: boolean;
}

/**
 * Tells when a publisher's media has stopped although its transport lives (`rtp_activity_*`, functions-2 §5.7). A kind
 * of media counts from its first packet on; a publisher that has sent none at all has stopped too.
 */
export class MediaSilence {
  readonly #options: MediaSilenceOptions;
  readonly #startMs: number;
  #audioMs = Number.NaN;
  #videoMs = Number.NaN;

  constructor(options: MediaSilenceOptions, nowMs: number) {
    this.#options = options;
    this.#startMs = nowMs;
  }

  /** Media has come. */
  heard(kind: 'video' | 'audio', nowMs: number): void {
    if (kind === 'video') this.#videoMs = nowMs;
    else this.#audioMs = nowMs;
  }

  /** @returns what has stopped, for people, or undefined */
  check(nowMs: number): string | undefined {
    const { timeoutMs, watchesAudio, watchesVideo } = this.#options;
    if (timeoutMs <= 0 || !(watchesAudio || watchesVideo)) return undefined;
    const nothing = Number.isNaN(this.#audioMs) && Number.isNaN(this.#videoMs);
    if (nothing && nowMs - this.#startMs > timeoutMs) return `no media for ${timeoutMs} ms`;
    if (watchesAudio && nowMs - this.#audioMs > timeoutMs) return `no audio for ${timeoutMs} ms`;
    if (watchesVideo && nowMs - this.#videoMs > timeoutMs) return `no video for ${timeoutMs} ms`;
    return undefined;
  }
}
