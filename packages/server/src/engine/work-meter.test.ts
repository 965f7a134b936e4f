import { afterAll, describe, expect, it } from 'vitest';
import { mp4Clip } from './testing/clips.ts';
import { Recording, testEngine, until } from './testing/run.ts';
import { WorkMeter } from './work-meter.ts';

const { engine } = testEngine();
afterAll(() => engine.close());

function packets(count: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(count);
  return bytes;
}

describe('what a conversion costs', () => {
  it('is a share of a core and a time for each packet, of the last seconds', () => {
    const meter = new WorkMeter();
    expect(meter.read(0)).toEqual({ cpuShare: undefined, msPerFrame: undefined });
    meter.add(400_000, packets(10), 1000);
    expect(meter.read(1000)).toEqual({ cpuShare: undefined, msPerFrame: 40 });
    meter.add(250_000, packets(25), 1500);
    expect(meter.read(1500).cpuShare).toBe(0.5);
    expect(meter.read(1500).msPerFrame).toBeCloseTo(32.5);
    expect(meter.read(9000)).toEqual({ cpuShare: undefined, msPerFrame: undefined });
  });

  it('is told of no packets and of reports that are too short', () => {
    const meter = new WorkMeter();
    meter.add(1000, packets(0), 1000);
    meter.add(1000, Buffer.alloc(1), 1500);
    expect(meter.read(1500)).toEqual({ cpuShare: 0.002, msPerFrame: undefined });
  });

  it('comes from the worker that does it', { timeout: 30_000 }, async () => {
    const source = await mp4Clip(['-f', 'lavfi', '-i', 'sine=440:r=48000:d=3', '-c:a', 'aac']);
    const [first] = source;
    if (first === undefined) throw new Error('no packets');
    const recording = new Recording(engine, first.track, { codec: 'opus' });
    expect(recording.conversion.cost?.()).toMatchObject({ dropped: 0, damaged: 0 });
    await recording.play(source);
    await until(() => (recording.conversion.cost?.().cpuShare ?? 0) > 0, 'the worker tells of its work twice');
    const cost = recording.conversion.cost?.();
    expect(cost?.worker).toBe(engine.stats().workers.find(({ conversions }) => conversions > 0)?.pid);
    expect(cost?.msPerFrame).toBeGreaterThan(0);
    expect(cost?.msPerFrame).toBeLessThan(50);
    recording.conversion.close();
  });
});
