import { describe, expect, it } from 'vitest';
import { similarNames } from './similar-names.ts';

describe('names that are alike', () => {
  it.each([
    ['Camera', ['camera', 'lobby'], ['camera']],
    ['camra', ['camera', 'kamera', 'lobby'], ['camera']],
    ['camera', ['camera-front', 'camera-back', 'garden'], ['camera-back', 'camera-front']],
    ['room12', ['room1', 'room2', 'stage'], ['room1', 'room2']],
    ['x', ['y', 'stage'], ['y']],
    ['zzzz', ['camera', 'stage'], []],
    ['', ['camera'], []],
  ])('of "%s" among %j are %j', (name, candidates, expected) => {
    expect(similarNames(name, candidates)).toEqual(expected);
  });

  it('come in a small number, and of many only the first are looked at', () => {
    let looked = 0;
    function* names(): Generator<string> {
      for (;;) {
        looked++;
        yield `camera-${looked}`;
      }
    }
    expect(similarNames('camera', names())).toHaveLength(5);
    expect(looked).toBeLessThanOrEqual(501);
  });

  it('are not compared letter by letter when they are long', () => {
    const [long, alike] = ['a'.repeat(1000), 'a'.repeat(1001)];
    expect(similarNames(long, [alike, 'b'.repeat(1000)])).toEqual([alike]);
  });
});
