/** Sums of a connection since it began. */
export interface StrainSample {
  readonly packets: number;
  readonly lost: number;
  readonly freezes: number;
  readonly frozenSeconds: number;
  readonly atMs: number;
}

/** Judged over this long, so that a moment of trouble moves nobody. */
const WINDOW_MS = 8000;
/** Above this share of lost packets pictures break all the time, percent. */
const MAX_LOSS = 10;
/** Of fewer packets nothing can be told. */
const MIN_PACKETS = 50;
const MAX_FROZEN = 0.3;
/** One long pause may be the publisher's. */
const MIN_FREEZES = 3;
/** No packet at all, also of the sound, for this long: the publisher is away. */
const SILENCE_MS = 1900;
/** A freeze is counted when it is over, and pictures come by fits for a moment. */
const SETTLE_MS = 3000;

/** Says when a network is too lossy or too thin for media that can not be sent again. */
export class StrainMeter {
  #samples: readonly StrainSample[] = [];
  #packets = 0;
  #movedMs = 0;
  #countsFromMs = 0;

  /** Adds a sample and gives why the network is too bad, as the end of a sentence; empty when it is not. */
  judge(now: StrainSample): string {
    if (this.#isSilent(now)) {
      this.#samples = [];
      this.#countsFromMs = now.atMs + SETTLE_MS;
    }
    if (now.atMs < this.#countsFromMs) return '';
    const kept = this.#samples.filter(({ atMs }) => atMs > now.atMs - 2 * WINDOW_MS);
    this.#samples = [...kept, now];
    const first = kept.findLast(({ atMs }) => atMs <= now.atMs - WINDOW_MS);
    if (first === undefined) return '';
    const seconds = (now.atMs - first.atMs) / 1000;
    const lost = Math.max(0, now.lost - first.lost);
    const packets = now.packets - first.packets + lost;
    const share = packets < MIN_PACKETS ? 0 : (lost / packets) * 100;
    if (share > MAX_LOSS) return `${share.toFixed(0)} % of the packets got lost for ${seconds.toFixed(0)} s`;
    const frozen = now.frozenSeconds - first.frozenSeconds;
    if (now.freezes - first.freezes < MIN_FREEZES || frozen < MAX_FROZEN * seconds) return '';
    return `the picture stood still for ${frozen.toFixed(0)} of ${seconds.toFixed(0)} s`;
  }

  #isSilent({ packets, atMs }: StrainSample): boolean {
    if (packets !== this.#packets) this.#movedMs = atMs;
    this.#packets = packets;
    return atMs - this.#movedMs >= SILENCE_MS;
  }
}
