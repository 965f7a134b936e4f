/** Levels at and above which somebody speaks, and below which nobody does, dBov (RFC 6464 §3: 0 is the loudest, -127 silence). */
const SPEECH_DBOV = -50;
const SILENCE_DBOV = -60;
const SILENT_DBOV = -127;
/** Weight of a new level against those before: louder counts at once, quieter slowly. */
const RISE = 0.5;
const FALL = 0.05;
/** Pauses between words do not end a speech. */
const HOLD_MS = 1000;
/** A level is no news any more after this. */
const STALE_MS = 2000;

/** How loud a publisher's sound is, as it says with each packet (RFC 6464). Costs no decoding. */
export class Loudness {
  #dbov = SILENT_DBOV;
  #toldMs = Number.NEGATIVE_INFINITY;
  #loudMs = Number.NEGATIVE_INFINITY;
  #speaking = false;

  /** Takes the level of a packet, dBov from -127 to 0. Hot path. */
  tell(dbov: number, nowMs: number): void {
    this.#dbov += (dbov - this.#dbov) * (dbov > this.#dbov ? RISE : FALL);
    this.#toldMs = nowMs;
    if (this.#dbov >= SPEECH_DBOV || (this.#speaking && this.#dbov >= SILENCE_DBOV)) {
      this.#speaking = true;
      this.#loudMs = nowMs;
    } else if (nowMs - this.#loudMs > HOLD_MS) this.#speaking = false;
  }

  /** The smoothed level, dBov; undefined when the publisher tells none. */
  level(nowMs: number): number | undefined {
    return nowMs - this.#toldMs > STALE_MS ? undefined : this.#dbov;
  }

  /** True while somebody speaks there. */
  speaking(nowMs: number): boolean {
    return this.#speaking && nowMs - this.#loudMs <= HOLD_MS;
  }

  /** Another publisher begins. */
  reset(): void {
    this.#dbov = SILENT_DBOV;
    this.#toldMs = Number.NEGATIVE_INFINITY;
    this.#speaking = false;
  }
}
