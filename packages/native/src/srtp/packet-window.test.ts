import { describe, expect, it } from 'vitest';
import { prng } from '../../../media/src/testing/mutate.ts';
import { PacketWindow } from './packet-window.ts';

const WINDOW = 1024;

describe('a window of packets', () => {
  it('agrees with a list of all that was seen, whatever the order, the losses and the jumps', () => {
    const random = prng(3711);
    for (let run = 0; run < 20; run++) {
      const window = new PacketWindow();
      const seen = new Set<number>();
      let highest = -1;
      let next = Math.floor(random() * 70_000);
      for (let i = 0; i < 3000; i++) {
        const jump = random();
        if (jump < 0.01) next += Math.floor(random() * 3000);
        else if (jump < 0.8) next += 1;
        const index = jump < 0.7 ? next : Math.max(0, next - Math.floor(random() * 1100));
        const isNew = index > highest || (index > highest - WINDOW && !seen.has(index));
        if (window.isNew(index) !== isNew) throw new Error(`run ${run}: wrong about ${index}, highest ${highest}`);
        if (!isNew) continue;
        window.add(index);
        seen.add(index);
        highest = Math.max(highest, index);
      }
    }
  });

  it('guesses the index nearest to the highest seen, up to half the sequence numbers away', () => {
    const window = new PacketWindow();
    expect(window.guess(65_535)).toBe(65_535);
    window.add(5 * 65_536 + 100);
    expect(window.guess(101)).toBe(5 * 65_536 + 101);
    expect(window.guess(32_867)).toBe(5 * 65_536 + 32_867);
    expect(window.guess(65_535)).toBe(4 * 65_536 + 65_535);
    expect(window.guess(32_869)).toBe(4 * 65_536 + 32_869);
  });

  it('never guesses that a packet was sent before the first', () => {
    const window = new PacketWindow();
    window.add(10);
    expect(window.guess(40_000)).toBe(40_000);
    expect(window.guess(65_535)).toBe(65_535);
  });
});
