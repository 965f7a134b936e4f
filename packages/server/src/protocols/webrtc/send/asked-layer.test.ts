import { describe, expect, test } from 'vitest';
import { TestLayer } from '../testing/test-layers.ts';
import { fitsLayers, fittingLayer } from './asked-layer.ts';

const layer = (rid: string, size: readonly [number, number] | undefined, bps = 0) =>
  new TestLayer(rid, { size, bps, tag: 1 });
const LAYERS = [layer('h', [1280, 720], 2_000_000), layer('m', [640, 360], 600_000), layer('l', [320, 180], 150_000)];

describe('the encoding that fits a size', () => {
  test('is the smallest that is no smaller, else the largest', () => {
    const fitting = (asked: { width?: number; height?: number }) => fittingLayer(LAYERS, asked)?.rid;
    expect(fitting({ width: 320, height: 180 })).toBe('l');
    expect(fitting({ width: 321, height: 181 })).toBe('l');
    expect(fitting({ width: 330 })).toBe('m');
    expect(fitting({ height: 360 })).toBe('m');
    expect(fitting({ width: 640, height: 480 })).toBe('h');
    expect(fitting({ width: 4000 })).toBe('h');
    expect(fitting({})).toBe('l');
  });

  test('is one of those whose size is known', () => {
    expect(fittingLayer([layer('h', undefined), layer('l', [320, 180])], { width: 1000 })?.rid).toBe('l');
    expect(fittingLayer([layer('h', undefined)], { width: 1000 })).toBeUndefined();
  });

  test('takes the place of a picture that would be made, when nothing but size and a bitrate are asked for', () => {
    expect(fitsLayers(LAYERS, { width: 10, height: 10 })).toBe(true);
    expect(fitsLayers(LAYERS, { width: 640, bitrateBps: 700_000 })).toBe(true);
    expect(fitsLayers(LAYERS, { bitrateBps: 100_000 })).toBe(false);
    expect(fitsLayers(LAYERS, { width: 640, fps: 5 })).toBe(false);
    expect(fitsLayers(LAYERS.slice(0, 1), { width: 640 })).toBe(false);
    expect(fitsLayers([], { width: 640 })).toBe(false);
  });
});
