import { describe, expect, it } from 'vitest';
import { Loudness } from './loudness.ts';

describe('the loudness of a publisher', () => {
  it('is unknown before the publisher tells it, and when that was long ago', () => {
    const loudness = new Loudness();
    expect(loudness.level(0)).toBeUndefined();
    loudness.tell(-30, 0);
    expect(loudness.level(1000)).toBeGreaterThan(-127);
    expect(loudness.level(3000)).toBeUndefined();
  });

  it('is speech after some loud packets, through a short pause, and no longer after a long one', () => {
    const loudness = new Loudness();
    for (let ms = 0; ms < 200; ms += 20) loudness.tell(-25, ms);
    expect(loudness.speaking(200)).toBe(true);
    for (let ms = 200; ms < 700; ms += 20) loudness.tell(-127, ms);
    expect(loudness.speaking(700)).toBe(true);
    for (let ms = 700; ms < 5000; ms += 20) loudness.tell(-127, ms);
    expect(loudness.speaking(5000)).toBe(false);
  });

  it('is no speech for a click or for a quiet room', () => {
    const loudness = new Loudness();
    for (let ms = 0; ms < 2000; ms += 20) loudness.tell(-75, ms);
    loudness.tell(-40, 2000);
    expect(loudness.speaking(2000)).toBe(false);
  });
});
