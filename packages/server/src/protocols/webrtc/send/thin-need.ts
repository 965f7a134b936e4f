import type { PictureLimit } from './thinning.ts';

/** Key frames alone for so long: something smaller is worth to be made. No longer than that is kept to at least. */
const NEED_AFTER_MS = 1200;
/** A way that carried all for so long is not expected to become thin again. */
const FORGET_AFTER_MS = 20_000;

/** Tells whether a viewer needs something that is made for thin lines: when its way carries key frames alone, or less. */
export class ThinNeed {
  #isNeeded = false;
  #lessSinceMs = -1;
  #neededMs = 0;

  /** To be called regularly. `isWhole`: the viewer gets the best there is, and nothing else is on the way. */
  update({ limit, isWhole }: { readonly limit: PictureLimit; readonly isWhole: boolean }, nowMs: number): boolean {
    const isLess = hasKeyFramesAtMost(limit);
    if (!isLess) this.#lessSinceMs = -1;
    else if (this.#lessSinceMs < 0) this.#lessSinceMs = nowMs;
    if (isLess && nowMs - this.#lessSinceMs >= NEED_AFTER_MS) this.#isNeeded = true;
    if (isLess || !isWhole) this.#neededMs = nowMs;
    else if (nowMs - this.#neededMs >= FORGET_AFTER_MS) this.#isNeeded = false;
    return this.#isNeeded;
  }
}

/** Under this limit the picture does not move. */
export function hasKeyFramesAtMost(limit: PictureLimit): boolean {
  return limit === 'key_frames' || limit === 'none';
}
