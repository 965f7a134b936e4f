import { availableParallelism } from 'node:os';
import type { ConversionBudget } from '../core/index.ts';

/** Left to the rest of the server. */
const RESERVED_CORES = 0.5;
/** What this machine and its content can cost, relative to where the figures were measured. */
const MIN_FACTOR = 0.4;
const MAX_FACTOR = 4;
/** Weight of one lesson; they come once a second for each feed. */
const WEIGHT = 0.05;
const ROUNDING = 0.005;
/**
 * Forms of pictures for each core: more than a core can make of pictures that move. Tiny or still ones cost it next to
 * nothing, but each has an encoder with its memory, and viewers ask for any size they like.
 */
const FORMS_PER_CORE = 24;

/** The processor cores that conversions of pictures may take, and what estimates of them have been worth. */
export class Capacity {
  readonly limitCores: number;
  readonly maxForms: number;
  #factor = 1;

  /** @param maxCores 0 for all of the machine but half a core */
  constructor(maxCores: number) {
    this.limitCores = maxCores > 0 ? maxCores : Math.max(RESERVED_CORES, availableParallelism() - RESERVED_CORES);
    this.maxForms = Math.ceil(FORMS_PER_CORE * Math.max(1, this.limitCores));
  }

  /** What estimates are to be multiplied by. */
  get factor(): number {
    return this.#factor;
  }

  /** What ran cost so many times what was estimated. */
  learn(ratio: number): void {
    const bounded = Math.min(MAX_FACTOR, Math.max(MIN_FACTOR, ratio));
    this.#factor += (bounded - this.#factor) * WEIGHT;
  }

  /** Why something that needs so many cores can't begin; undefined when it can. */
  refusal(neededCores: number, { limitCores, usedCores, formsLeft = 1 }: ConversionBudget): string | undefined {
    if (formsLeft <= 0)
      return (
        `pictures are made in ${this.maxForms} forms already, which is the most for ${cores(limitCores)} processor cores: ` +
        'ask for sizes and bitrates that others have too, or raise the setting transcoder_max_cores'
      );
    if (usedCores + neededCores <= limitCores + ROUNDING) return undefined;
    return (
      `it needs about ${cores(neededCores)} processor cores, and ${cores(usedCores)} of the ${cores(limitCores)} for ` +
      'pictures are in use: choose smaller profiles or sizes, or raise the setting transcoder_max_cores'
    );
  }
}

/** A number of processor cores for people. */
export function cores(value: number): string {
  return value.toFixed(2);
}
