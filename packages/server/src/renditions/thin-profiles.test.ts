import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Adaptations, Rendition, Stream } from '../core/index.ts';
import { type RenditionsOptions, StreamRenditions } from './stream-renditions.ts';
import { avc, CostlyConverter, newAdaptations, picture, streamOf, takes } from './testing/source.ts';

const HD = avc(1280, 720);

let converter: CostlyConverter;
let adaptations: Adaptations;

beforeEach(() => {
  converter = new CostlyConverter();
  adaptations = newAdaptations(converter);
});

afterEach(() => adaptations.close());

function renditions(options: Partial<RenditionsOptions> = {}): StreamRenditions {
  return new StreamRenditions({ adaptations, converter }, options);
}

const rows = (all: readonly Rendition[]) => all.map(({ name, size }) => `${name} of ${size?.width}x${size?.height}`);

/** A stream of that size that has taken so many bits a second for a while. */
function known(width: number, height: number, bps: number): Stream {
  const stream = streamOf(avc(width, height));
  takes(stream, bps);
  return stream;
}

describe('what is made of a stream for thin lines', () => {
  test('has a half and a third of its lines, and fewer bits by more than that', () => {
    const all = renditions().thinner(known(1280, 720, 1_700_000));
    expect(rows(all)).toEqual(['360p 560 kbit/s of 640x360', '240p 210 kbit/s of 426x240']);
    expect(all.map(({ bandwidthBps }) => bandwidthBps)).toEqual([620_000, 270_000]);
    expect(all.map(({ acceptance }) => acceptance.videoTarget)).toEqual(['h264', 'h264']);
  });

  test('takes no more than its size needs', () => {
    expect(rows(renditions().thinner(known(1280, 720, 20_000_000)))).toEqual([
      '360p 800 kbit/s of 640x360',
      '240p 400 kbit/s of 426x240',
    ]);
  });

  test('is not made tiny, and is nothing when that would take hardly less', () => {
    expect(rows(renditions().thinner(known(320, 240, 1_250_000)))).toEqual([
      '120p 300 kbit/s of 160x120',
      '120p 150 kbit/s of 160x120',
    ]);
    expect(rows(renditions().thinner(known(640, 360, 170_000)))).toEqual([
      '180p 60 kbit/s of 320x180',
      '120p 60 kbit/s of 212x120',
    ]);
    expect(renditions().thinner(known(640, 360, 80_000))).toEqual([]);
  });

  test('is not known before the stream has come for some seconds', () => {
    const stream = streamOf(HD);
    expect(renditions().thinner(stream)).toEqual([]);
    takes(stream, 1_700_000, { seconds: 3 });
    expect(renditions().thinner(stream)).toEqual([]);
  });

  test('stays the same while one of them is made, whatever the stream takes by then', () => {
    const stream = known(1280, 720, 1_700_000);
    const all = renditions();
    picture(stream, HD, { ms: 0 });
    const [, least] = all.thinner(stream);
    const lease = adaptations.lease(stream, least?.acceptance ?? expect.fail('nothing is made'));
    takes(stream, 5_000_000);
    expect(rows(all.thinner(stream))).toEqual(['360p 560 kbit/s of 640x360', '240p 210 kbit/s of 426x240']);
    lease[Symbol.dispose]();
    adaptations.close();
    expect(rows(all.thinner(stream))).toEqual(['360p 800 kbit/s of 640x360', '240p 400 kbit/s of 426x240']);
  });

  test('follows what the stream takes, but not for a moment in which next to nothing comes', () => {
    const stream = known(1280, 720, 1_700_000);
    const all = renditions();
    all.thinner(stream);
    takes(stream, 1_200_000);
    const half = ['360p 400 kbit/s of 640x360', '240p 150 kbit/s of 426x240'];
    expect(rows(all.thinner(stream)).map(names)).toEqual(half.map(names));
    takes(stream, 10_000);
    // A third of the most that was seen.
    expect(rows(all.thinner(stream))).toEqual(['360p 180 kbit/s of 640x360', '240p 70 kbit/s of 426x240']);
  });

  test('leaves the costlier one out where there is room for one, and both where there is none but for what is asked for', () => {
    const stream = known(1280, 720, 1_700_000);
    converter.limitCores = 0.15;
    expect(renditions().thinner(stream)).toHaveLength(1);
    converter.limitCores = 0.4;
    expect(renditions().thinner(stream)).toHaveLength(1);
    expect(() => renditions().admit(stream, { height: 360 })).not.toThrow();
    converter.limitCores = 0.45;
    expect(renditions().thinner(stream)).toHaveLength(2);
    converter.usedCores = 0.35;
    expect(renditions().thinner(stream)).toEqual([]);
    converter.limitCores = 10;
    converter.formsLeft = 0;
    expect(renditions().thinner(stream)).toEqual([]);
  });

  test('is nothing new on a machine that has nothing to spare, while what is made already goes on', () => {
    const stream = known(1280, 720, 1_700_000);
    let busy = false;
    const all = new StreamRenditions({ adaptations, converter, machineIsBusy: () => busy });
    picture(stream, HD, { ms: 0 });
    const [best] = all.thinner(stream);
    busy = true;
    expect(all.thinner(stream)).toEqual([]);
    const lease = adaptations.lease(stream, best?.acceptance ?? expect.fail('nothing is made'));
    expect(all.thinner(stream).map(({ name }) => name)).toEqual([best?.name]);
    lease[Symbol.dispose]();
  });

  test('is nothing where the settings forbid it, and of codecs that can not be converted', () => {
    const stream = known(1280, 720, 1_700_000);
    expect(renditions({ thinEnabled: false }).thinner(stream)).toEqual([]);
    expect(renditions({ thinEnabled: false }).enabled('thin')).toBe(false);
    const none = new StreamRenditions({ adaptations, converter: undefined });
    expect(none.enabled('thin')).toBe(false);
    expect(none.thinner(stream)).toEqual([]);
    converter.unknown.add('h264');
    expect(renditions().thinner(stream)).toEqual([]);
  });
});

/** Without the bitrate, which is measured. */
function names(row: string): string {
  return row.replace(/ \d+ kbit\/s/, '');
}
