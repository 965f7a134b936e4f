import { type MediaPacket, videoSize } from '@sluice/media';
import { afterAll, describe, expect, test } from 'vitest';
import { Adaptations, Stream, withPicture } from '../core/index.ts';
import { CLASSIC, newPublisher, type Seen, watch } from '../core/testing/adaptation-fixture.ts';
import { mp4Clip } from './testing/clips.ts';
import { testEngine, until } from './testing/run.ts';

const { engine, log, counters } = testEngine({ videoPreset: 'ultrafast', maxCores: 8 });
const adaptations = new Adaptations({ converter: engine, log, counters }, { lingerMs: 0 });
afterAll(async () => {
  adaptations.close();
  await engine.close();
});

function clip(size: string): Promise<MediaPacket[]> {
  const source = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=30:d=4`, '-pix_fmt', 'yuv420p'];
  return mp4Clip([...source, '-c:v', 'libx264', '-preset', 'veryfast', '-bf', '0', '-g', '45']);
}

function form(height: number) {
  return withPicture(CLASSIC, { height, keyFrameFrames: 300 });
}

const keysOf = ({ packets }: Seen) => packets.filter(({ key }) => key).map(({ ptsUs }) => ptsUs);
const lastOf = ({ packets }: Seen) => packets.at(-1)?.ptsUs ?? -1;

describe('forms of a stream', { timeout: 60_000 }, () => {
  test('come together and late, live on over another publisher, and are decoded once', async () => {
    const [first, second] = [await clip('640x360'), await clip('480x270')];
    const stream = new Stream('s');
    stream.attachPublisher(newPublisher());
    const publish = async (packets: readonly MediaPacket[], seen: readonly Seen[]) => {
      for (let at = 0; at < packets.length; at += 6) {
        const some = packets.slice(at, at + 6);
        for (const packet of some) stream.publish(packet);
        const lastUs = some.at(-1)?.ptsUs ?? 0;
        await until(() => seen.every((one) => lastOf(one) > lastUs - 500_000), `${lastUs} us is made`);
      }
    };
    for (const packet of first.slice(0, 40)) stream.publish(packet);
    const leases = [form(240), form(120)].map((acceptance) => adaptations.lease(stream, acceptance));
    const seen = leases.map((lease) => watch(lease));
    await publish(first.slice(40, 60), seen);
    const late = adaptations.lease(stream, form(60));
    const [large, small, tiny] = [...seen, watch(late)];
    if (!large || !small || !tiny) throw new Error('not there');
    await publish(first.slice(60), [large, small, tiny]);
    expect(engine.stats()).toMatchObject({ conversions: 3, workers: [{ conversions: 1 }] });
    const sourceKeys = first.filter(({ key }) => key).map(({ ptsUs }) => ptsUs);
    expect(keysOf(large)).toEqual(sourceKeys);
    expect(keysOf(small)).toEqual(sourceKeys);
    expect(keysOf(tiny).slice(1)).toEqual(sourceKeys.filter((timeUs) => timeUs > (keysOf(tiny)[0] ?? 0)));
    expect(tiny.packets.length).toBeLessThan(large.packets.length - 30);

    stream.attachPublisher(newPublisher());
    const offsetUs = 4_100_000;
    const moved = second.map((one) => ({ ...one, ptsUs: one.ptsUs + offsetUs, dtsUs: one.dtsUs + offsetUs }));
    await publish(moved, [large, small, tiny]);
    const newKeys = moved.filter(({ key }) => key).map(({ ptsUs }) => ptsUs);
    for (const one of [large, small, tiny]) {
      expect(keysOf(one).filter((timeUs) => timeUs >= offsetUs)).toEqual(newKeys);
      const times = one.packets.map(({ ptsUs }) => ptsUs);
      expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
      expect(one.epochs.size).toBe(2);
    }
    const sizes = [large, small, tiny].map(({ packets }) => {
      const track = packets.at(-1)?.track;
      return track && videoSize(track);
    });
    expect(sizes).toMatchObject([{ width: 426 }, { width: 212 }, { width: 106 }]);
    expect(counters.of('engine_dropped_packets')).toBe(0);

    for (const lease of [...leases, late]) lease[Symbol.dispose]();
    await until(() => engine.stats().conversions === 0, 'they end after their last viewer');
    stream.end('test is over');
  });
});
