/** Told work counts for this long. */
const WINDOW_MS = 3000;
/** Weight of one report in the smoothed values: workers tell twice a second. */
const WEIGHT = 1 / 4;

/** What a worker tells of its work for one conversion, as a share of a core and a time for each packet. */
export class WorkMeter {
  #toldMs = 0;
  #share: number | undefined;
  #msPerFrame: number | undefined;

  /**
   * Takes a report: so many microseconds of work, and for how many packets, since the one before.
   * @param packets u32, big-endian; shorter ones count for none
   */
  add(busyUs: number, packets: Buffer, nowMs: number): void {
    const elapsedMs = nowMs - this.#toldMs;
    const first = this.#toldMs === 0 || elapsedMs > WINDOW_MS;
    this.#toldMs = nowMs;
    const count = packets.length >= 4 ? packets.readUInt32BE() : 0;
    if (count > 0) this.#msPerFrame = smoothed(this.#msPerFrame, busyUs / 1000 / count);
    // Of the first report nobody knows since when it counts.
    if (first) this.#share = undefined;
    else if (elapsedMs > 0) this.#share = smoothed(this.#share, Math.min(1, busyUs / 1000 / elapsedMs));
  }

  /** Undefined where nothing is known, or was told for too long. */
  read(nowMs: number): { readonly cpuShare: number | undefined; readonly msPerFrame: number | undefined } {
    if (this.#toldMs === 0 || nowMs - this.#toldMs > WINDOW_MS) return { cpuShare: undefined, msPerFrame: undefined };
    return { cpuShare: rounded(this.#share, 1000), msPerFrame: rounded(this.#msPerFrame, 100) };
  }
}

function smoothed(before: number | undefined, value: number): number {
  return before === undefined ? value : before + (value - before) * WEIGHT;
}

function rounded(value: number | undefined, steps: number): number | undefined {
  return value === undefined ? undefined : Math.round(value * steps) / steps;
}
