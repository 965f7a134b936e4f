import { afterAll, describe, expect, it } from 'vitest';
import { mp4Clip } from './testing/clips.ts';
import { Recording, testEngine, until } from './testing/run.ts';
import { WorkMeter } from './work-meter.ts';

const { engine } = testEngine();
afterAll(() => engine.close());

const UNKNOWN = { cpuShare: undefined, busyShare: undefined, msPerFrame: undefined };

describe('what a conversion costs', () => {
  it('is its share of processor and time, and a time for each packet, of the last seconds', () => {
    const meter = new WorkMeter();
    expect(meter.read(0)).toEqual(UNKNOWN);
    meter.add({ packets: 10, busyUs: 400_000, cpuUs: 100_000 }, 1000);
    expect(meter.read(1000)).toEqual({ ...UNKNOWN, msPerFrame: 40 });
    meter.add({ packets: 25, busyUs: 250_000, cpuUs: 750_000 }, 1500);
    expect(meter.read(1500)).toEqual({ cpuShare: 1.5, busyShare: 0.5, msPerFrame: 32.5 });
    meter.add({ packets: 25, busyUs: 250_000, cpuUs: 250_000 }, 2000);
    expect(meter.read(2000).cpuShare).toBe(1.25);
    expect(meter.read(9000)).toEqual(UNKNOWN);
  });

  it('begins anew after a pause, and says nothing of packets where there were none', () => {
    const meter = new WorkMeter();
    meter.add({ packets: 0, busyUs: 0, cpuUs: 0 }, 1000);
    meter.add({ packets: 0, busyUs: 1000, cpuUs: 1000 }, 1500);
    expect(meter.read(1500)).toEqual({ cpuShare: 0.002, busyShare: 0.002, msPerFrame: undefined });
    meter.add({ packets: 0, busyUs: 1000, cpuUs: 1000 }, 60_000);
    expect(meter.read(60_000)).toEqual(UNKNOWN);
  });

  it('comes from the worker that does it', { timeout: 30_000 }, async () => {
    const source = await mp4Clip(['-f', 'lavfi', '-i', 'sine=440:r=48000:d=3', '-c:a', 'aac']);
    const [first] = source;
    if (first === undefined) throw new Error('no packets');
    const recording = new Recording(engine, first.track, { codec: 'opus' });
    expect(recording.conversion.cost?.()).toMatchObject({ dropped: 0, damaged: 0 });
    await recording.play(source);
    await until(() => recording.conversion.cost?.().cpuShare !== undefined, 'the worker tells of its work twice');
    const cost = recording.conversion.cost?.();
    expect(cost?.worker).toBe(engine.stats().workers.find(({ conversions }) => conversions > 0)?.pid);
    expect(cost?.msPerFrame).toBeGreaterThan(0);
    expect(cost?.msPerFrame).toBeLessThan(50);
    recording.conversion.close();
  });
});
