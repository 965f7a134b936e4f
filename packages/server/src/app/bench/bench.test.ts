import { describe, expect, test } from 'vitest';
import type { BenchResult } from './bench-run.ts';
import { adviceOf, benchText } from './bench-text.ts';
import { type BenchStep, capacityOf, nextViewers } from './capacity.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MACHINE = { idleBytes: 100 * MIB, machineBytes: 8 * GIB };
const LIMITS = { most: 1000, busy: 0.6 };

function step(viewers: number, cpu: number, more: Partial<BenchStep> = {}): BenchStep {
  const common = { residentBytes: 100 * MIB + viewers * 100 * 1024, kbitEach: 1125, delayP95Ms: 12.4, missing: '' };
  return { viewers, cpu, ...common, toolLimits: [], toolCpu: 0.1, ...more };
}

describe('the capacity of a machine', () => {
  test('is told by what each viewer costs, without what is there before the first', () => {
    const capacity = capacityOf([step(50, 0.1), step(100, 0.15), step(200, 0.25)], MACHINE);
    // 5 % without any viewer, and 0.1 % for each.
    expect(capacity?.perCore).toBeCloseTo(950, 3);
    expect(capacity?.kibEach).toBeCloseTo(100, 3);
    expect(capacity?.perGigabit).toBeCloseTo(800, 3);
    expect(capacity?.byMemory).toBeCloseTo((4 * GIB) / 102_400, 3);
  });

  test('is judged by one step alone, and by noise, as if there were no cost without viewers', () => {
    expect(capacityOf([step(100, 0.2)], MACHINE)?.perCore).toBeCloseTo(500, 3);
    expect(capacityOf([step(50, 0.2), step(100, 0.1)], MACHINE)?.perCore).toBeCloseTo(500, 3);
  });

  test('leaves steps out in which something was missing, unless there is nothing else', () => {
    const broken = step(400, 0.3, { missing: '3 packets were lost' });
    expect(capacityOf([step(100, 0.2), broken], MACHINE)?.perCore).toBeCloseTo(500, 3);
    expect(capacityOf([broken], MACHINE)?.perCore).toBeCloseTo(1333.3, 0);
    expect(capacityOf([], MACHINE)).toBeUndefined();
    expect(capacityOf([step(100, Number.NaN)], MACHINE)?.perCore).toBeUndefined();
  });
});

describe('the next number of viewers', () => {
  test('grows as far as the processor allows, fourfold at most', () => {
    expect(nextViewers([step(20, 0.02)], LIMITS)).toBe(80);
    expect(nextViewers([step(100, 0.3)], LIMITS)).toBe(200);
    expect(nextViewers([step(100, 0.1, { toolCpu: 0.3 })], LIMITS)).toBe(200);
    expect(nextViewers([step(600, 0.1)], LIMITS)).toBe(1000);
  });

  test('is none when the machine is busy, or all are there', () => {
    expect(nextViewers([step(100, 0.55)], LIMITS)).toBeUndefined();
    expect(nextViewers([step(1000, 0.1)], LIMITS)).toBeUndefined();
    expect(nextViewers([step(100, Number.NaN)], LIMITS)).toBeUndefined();
    expect(nextViewers([], LIMITS)).toBeUndefined();
  });

  test('is the same again when not all was delivered, once', () => {
    const broken = step(80, 0.1, { missing: 'pictures stood still' });
    expect(nextViewers([step(20, 0.02), broken], LIMITS)).toBe(80);
    expect(nextViewers([broken, broken], LIMITS)).toBeUndefined();
  });
});

describe('the text for people', () => {
  const machine = { cpu: 'Some CPU', cores: 2, memoryBytes: 8 * GIB, node: 'v20.20.2' };
  const result = (steps: readonly BenchStep[], native = true): BenchResult => ({
    version: '1.2.3',
    machine,
    native,
    seconds: 60,
    protocols: [{ protocol: 'webrtc', steps, capacity: capacityOf(steps, MACHINE) }],
  });

  test('has a row for each protocol, with figures that promise no more than they can', () => {
    const text = benchText(result([step(50, 0.1), step(100, 0.15)]));
    expect(text).toContain('Sluice 1.2.3 on 2 cores (Some CPU), 8 GiB');
    expect(text).toMatch(/^WebRTC +100 viewers +15 % +12 ms +100 KiB +950 +660 +800$/m);
    expect(text).toContain('WebRTC: about 660 viewers, then the processor is the limit');
  });

  test('says what was missing, that the addon is, and what the load generator could not do', () => {
    const broken = step(400, 0.3, { missing: '3 packets were lost', toolLimits: ['viewing was busy'] });
    const advice = adviceOf(result([step(100, 0.05), broken], false)).join('\n');
    expect(advice).toContain('WebRTC with 400 viewers: 3 packets were lost');
    expect(advice).toContain('the addon is not loaded');
    expect(advice).toContain('viewing was busy');
    expect(advice).toContain('a network of 1 Gbit/s is the limit');
  });

  test('says so when there is no figure', () => {
    expect(adviceOf(result([]))[0]).toBe('WebRTC: nothing could be measured');
  });
});
