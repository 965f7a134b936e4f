import { describe, expect, it } from 'vitest';
import { clockUnit, unixUs } from '../source/clock.ts';
import { ClockWatch } from './clock-watch.ts';
import { Figures } from './figures.ts';
import { Histogram } from './histogram.ts';
import { PictureWatch } from './picture-watch.ts';
import { TagPictures, tagPicture } from './tag-pictures.ts';

describe('a histogram', () => {
  it('tells percentiles within 5 %, and the largest value exactly', () => {
    const histogram = new Histogram();
    for (let value = 1; value <= 1000; value++) histogram.add(value);
    for (const share of [0.1, 0.5, 0.95]) {
      const told = histogram.percentile(share) ?? 0;
      expect(Math.abs(told - share * 1000) / (share * 1000)).toBeLessThan(0.05);
    }
    expect(histogram.percentile(1)).toBeGreaterThan(950);
    expect(histogram.max).toBe(1000);
  });

  it('is the same when it was gathered in two', () => {
    const [whole, half, other] = [new Histogram(), new Histogram(), new Histogram()];
    for (let value = 1; value < 300; value += 7) {
      whole.add(value);
      (value % 2 === 0 ? half : other).add(value);
    }
    half.merge(other.data());
    expect(half.data()).toEqual(whole.data());
    expect(half.count).toBe(whole.count);
  });

  it('knows no percentile of nothing, and keeps what is beyond its range', () => {
    const histogram = new Histogram();
    expect(histogram.percentile(0.5)).toBeUndefined();
    histogram.add(0);
    histogram.add(1e12);
    expect(histogram.count).toBe(2);
    expect(histogram.max).toBe(1e12);
  });
});

describe('figures', () => {
  it('add up what crews tell, and keep few reasons apart', () => {
    const [one, two] = [new Figures(), new Figures()];
    one.started(0);
    one.started(10);
    one.joined(500);
    one.failed('no way');
    for (let i = 0; i < 30; i++) two.note(`reason ${i}`);
    two.failed('no way');
    one.merge(two.data());
    expect(one.counts).toMatchObject({ started: 2, joined: 1, failed: 2 });
    expect(one.joiningMs).toBe(500);
    expect(one.errors.get('no way')).toBe(1);
    expect(one.errors.get('other reasons')).toBeGreaterThan(9);
    expect(one.errors.size).toBeLessThanOrEqual(21);
  });
});

describe('pictures of a viewer', () => {
  it('freeze once for each gap, however long it lasts', () => {
    const { counts } = new Figures();
    const watch = new PictureWatch(counts, 500);
    for (const atMs of [0, 40, 80]) watch.onPicture(atMs);
    for (const atMs of [200, 600, 900, 1500]) watch.check(atMs);
    expect(counts.freezes).toBe(1);
    watch.onPicture(2080);
    watch.onPicture(2580);
    expect(counts).toMatchObject({ freezes: 1, frozenMs: 2000, pictures: 5 });
    watch.finish(4580);
    expect(counts).toMatchObject({ freezes: 2, frozenMs: 4000 });
  });

  it('do not freeze before the first one', () => {
    const { counts } = new Figures();
    const watch = new PictureWatch(counts, 500);
    watch.check(10_000);
    watch.finish(20_000);
    expect(counts.freezes).toBe(0);
  });

  it('that are left out are counted by their numbers; a publisher that begins anew leaves out none', () => {
    const figures = new Figures();
    const clocks = new ClockWatch(figures);
    for (const number of [100, 101, 104, 105, 0, 1, 50_000]) clocks.onClock({ sentUs: 0, number }, 2000);
    expect(figures.counts.picturesMissing).toBe(2);
    expect(figures.delayMs.count).toBe(7);
    expect(figures.delayMs.percentile(0.5)).toBeCloseTo(2, 0);
  });
});

describe('tags of FLV', () => {
  it('tell key frames from others, and both from configuration', () => {
    expect(tagPicture(Uint8Array.of(0x17, 1, 0, 0, 0, 9))).toBe('key');
    expect(tagPicture(Uint8Array.of(0x27, 1, 0, 0, 0, 9))).toBe('inter');
    expect(tagPicture(Uint8Array.of(0x17, 0, 0, 0, 0, 9))).toBe('none');
    expect(tagPicture(Uint8Array.of(0x27, 2, 0, 0, 0, 9))).toBe('none');
    // Enhanced: a key frame of HEVC, its configuration, a frame without composition time.
    expect(tagPicture(Buffer.from('91687663310000', 'hex'))).toBe('key');
    expect(tagPicture(Buffer.from('90687663310000', 'hex'))).toBe('none');
    expect(tagPicture(Buffer.from('a3687663310000', 'hex'))).toBe('inter');
    expect(tagPicture(new Uint8Array(0))).toBe('none');
  });

  it('count from the first key frame on; what comes at once at the start has no delay', () => {
    const figures = new Figures();
    let joinedMs = 0;
    const pictures = new TagPictures(figures, 500, (nowMs) => {
      joinedMs = nowMs;
    });
    const nowUs = unixUs();
    const tag = (head: number, number: number): Buffer =>
      Buffer.concat([Buffer.of(head, 1, 0, 0, 0), clockUnit({ sentUs: nowUs - 2e6 + number * 40_000, number })]);
    pictures.onVideo(tag(0x27, 0), 5);
    expect(figures.counts.pictures).toBe(0);
    pictures.onVideo(tag(0x17, 1), 10);
    for (let number = 2; number < 10; number++) pictures.onVideo(tag(0x27, number), 10);
    expect(joinedMs).toBe(10);
    expect(figures.counts.pictures).toBe(9);
    expect(figures.delayMs.count).toBe(0);
  });
});
