/** While pictures come that nobody can begin with, their source is asked for a key frame this often. */
const RETRY_MS = 500;

/** Asks a stream for a key frame now and then, for one who can't go on without: call it as often as you like. */
export class KeyFrameRetry {
  #askedMs = Number.NEGATIVE_INFINITY;

  ask(stream: { requestKeyFrame(): void }): void {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < RETRY_MS) return;
    this.#askedMs = nowMs;
    stream.requestKeyFrame();
  }
}
