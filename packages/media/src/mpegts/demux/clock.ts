const MODULUS = 2 ** 33;

/** Times of an access unit in integer microseconds on the source's clock, without its wrapping at 33 bits. */
export interface UnitTime {
  readonly ptsUs: number;
  readonly dtsUs: number;
}

/**
 * Makes times that go on of the 33-bit time stamps of one programme (they wrap every 26.5 hours). All its streams share
 * the clock, so that they stay together.
 */
export class ProgrammeClock {
  #last: number | undefined;

  /** Ticks of 90 kHz to microseconds. A presentation time before its decoding time counts as both. */
  unitTime(pts: number, dts: number): UnitTime {
    this.#last = this.#last === undefined ? dts : this.#last + difference(dts, this.#last);
    const dtsTicks = this.#last;
    const ptsTicks = dtsTicks + difference(pts, dts);
    return { ptsUs: microseconds(ptsTicks), dtsUs: microseconds(Math.min(dtsTicks, ptsTicks)) };
  }
}

/** The shortest way from one time stamp to another. */
function difference(to: number, from: number): number {
  const forward = (((to - from) % MODULUS) + MODULUS) % MODULUS;
  return forward < MODULUS / 2 ? forward : forward - MODULUS;
}

function microseconds(ticks: number): number {
  return Math.round((ticks * 100) / 9);
}
