import { describe, expect, test } from 'vitest';
import { ThinNeed } from './thin-need.ts';
import type { PictureLimit } from './thinning.ts';

/** Asks every 100 ms for so long, and tells the last answer. */
function pass(need: ThinNeed, at: { nowMs: number }, view: { limit: PictureLimit; isWhole?: boolean; ms: number }) {
  let answer = false;
  for (const endMs = at.nowMs + view.ms; at.nowMs < endMs; at.nowMs += 100)
    answer = need.update({ limit: view.limit, isWhole: view.isWhole ?? true }, at.nowMs);
  return answer;
}

describe('what is made for thin lines', () => {
  test('is needed when key frames alone have been sent for a second, and not for a moment of them', () => {
    const need = new ThinNeed();
    const at = { nowMs: 1000 };
    expect(pass(need, at, { limit: 'key_frames', ms: 900 })).toBe(false);
    expect(pass(need, at, { limit: 'all', ms: 500 })).toBe(false);
    expect(pass(need, at, { limit: 'key_frames', ms: 900 })).toBe(false);
    expect(pass(need, at, { limit: 'none', ms: 600 })).toBe(true);
  });

  test('is not needed where fewer temporal layers do', () => {
    expect(pass(new ThinNeed(), { nowMs: 1000 }, { limit: 'layer_0', ms: 60_000 })).toBe(false);
  });

  test('is needed until the best there is has been sent for a while', () => {
    const need = new ThinNeed();
    const at = { nowMs: 1000 };
    pass(need, at, { limit: 'key_frames', ms: 2000 });
    expect(pass(need, at, { limit: 'all', isWhole: false, ms: 300_000 })).toBe(true);
    expect(pass(need, at, { limit: 'all', ms: 19_000 })).toBe(true);
    expect(pass(need, at, { limit: 'all', ms: 2000 })).toBe(false);
  });
});
