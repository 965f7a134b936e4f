import type { Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Stream } from '../stream.ts';
import {
  AAC,
  CLASSIC,
  feedInto,
  H264,
  newPublisher,
  OPUS,
  timesOf,
  track,
  VP8,
  watch,
} from '../testing/adaptation-fixture.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import { playerAcceptance } from './acceptance.ts';
import { Adaptations } from './adaptations.ts';
import { deliveryOf } from './delivery.ts';

const LINGER_MS = 5000;

let converter: RelabelConverter;
let log: TestLog;
let counters: TestCounters;
let adaptations: Adaptations;
let source: Stream;
let publisher: ReturnType<typeof newPublisher>;

beforeEach(() => {
  vi.useFakeTimers();
  converter = new RelabelConverter();
  log = new TestLog();
  counters = new TestCounters();
  adaptations = new Adaptations({ converter, log, counters }, { lingerMs: LINGER_MS });
  source = new Stream('s');
  publisher = newPublisher();
  source.attachPublisher(publisher);
});

afterEach(() => {
  source.end('test is over');
  adaptations.close();
  expect(converter.running).toEqual([]);
  expect(adaptations.size).toBe(0);
  expect(source.readerCount).toBe(0);
  vi.useRealTimers();
});

const feed = (video: Track | undefined, audio: Track | undefined, ms: Parameters<typeof feedInto>[2]): void =>
  feedInto(source, { video, audio }, ms);

describe('the life of derived streams and conversions', () => {
  it('shares a derived stream among viewers of one key, and a conversion among derived streams', () => {
    feed(VP8, OPUS, { from: 0, to: 80 });
    const one = adaptations.lease(source, CLASSIC);
    const two = adaptations.lease(source, CLASSIC);
    const other = adaptations.lease(source, { ...CLASSIC, key: 'other', audio: new Set(['opus']) });
    expect(one.stream).toBe(two.stream);
    expect(other.stream).not.toBe(one.stream);
    expect(converter.running.map(({ target }) => target)).toEqual(['h264', 'aac']);
  });

  it('hands one who joins a conversion what that has made since its newest key frame', () => {
    adaptations.lease(source, CLASSIC);
    feed(VP8, OPUS, { from: 0, to: 1200, gop: 1000 });
    const lease = adaptations.lease(source, { ...CLASSIC, key: 'other', audio: new Set(['opus']) });
    const { log: made } = lease.stream;
    expect(made.at(made.start)?.dtsUs).toBe(1_000_000);
    const late = watch(lease);
    expect(timesOf(late, 'video')).toEqual([1000, 1040, 1080, 1120, 1160]);
    expect(late.packets[0]?.key).toBe(true);
  });

  it('begins for one who wants a stock of the past where the sound of others begins', () => {
    feed(H264, OPUS, { from: 0, to: 3000, gop: 1000 });
    adaptations.lease(source, CLASSIC);
    feed(H264, OPUS, { from: 3000, to: 5000, gop: 1000 });
    const { log: kept } = adaptations.lease(source, { ...CLASSIC, key: 'stock', startAt: 'oldest' }).stream;
    const times = Array.from({ length: 4 }, (_, i) => kept.at(kept.start + i)?.dtsUs);
    expect(times).toEqual([2_000_000, 2_000_000, 2_040_000, 2_040_000]);
  });

  it('never takes viewers back in time, whatever the conversion that they join has made before', () => {
    const speex = track('audio', 'speex');
    adaptations.lease(source, CLASSIC);
    const seen = watch(adaptations.lease(source, { ...CLASSIC, key: 'other', audio: new Set(['speex']) }));
    feed(undefined, speex, { from: 0, to: 400 });
    feed(undefined, OPUS, { from: 400, to: 800 });
    expect(timesOf(seen, 'audio')).toEqual(Array.from({ length: 20 }, (_, i) => i * 40));
    expect(seen.packets.map((one) => one.track.codec).indexOf('aac')).toBe(10);
  });

  it('ends them some time after the last viewer has left, and not when one comes back in time', () => {
    const one = adaptations.lease(source, CLASSIC);
    const two = adaptations.lease(source, CLASSIC);
    feed(VP8, OPUS, { from: 0, to: 80 });
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    vi.advanceTimersByTime(LINGER_MS * 2);
    expect(converter.running).toHaveLength(2);
    two[Symbol.dispose]();
    vi.advanceTimersByTime(LINGER_MS - 1);
    const back = adaptations.lease(source, CLASSIC);
    expect(back.stream).toBe(two.stream);
    vi.advanceTimersByTime(LINGER_MS * 2);
    expect(converter.running).toHaveLength(2);
    back[Symbol.dispose]();
    vi.advanceTimersByTime(LINGER_MS);
    expect([converter.running.length, adaptations.size, source.readerCount]).toEqual([0, 0, 0]);
    expect(back.stream.ended).toBe(true);
  });

  it('converts nothing for a stream whose tracks can all be taken', () => {
    watch(adaptations.lease(source, CLASSIC, { steady: true }));
    feed(H264, AAC, { from: 0, to: 400 });
    expect(converter.opened).toEqual([]);
  });
});

describe('a form of sound that is asked for', () => {
  const form = { sampleRate: 44_100, channels: 1, variableBitrate: 5 } as const;
  const player = { video: CLASSIC.video, audio: CLASSIC.audio };

  it('is what the conversion is told, which only those share who ask for the same', () => {
    feed(H264, OPUS, { from: 0, to: 80 });
    adaptations.lease(source, playerAcceptance(player));
    const recorded = adaptations.lease(source, playerAcceptance({ ...player, audioOutput: form }));
    adaptations.lease(source, { ...CLASSIC, key: 'same form', audioOutput: { ...form } });
    adaptations.lease(source, { ...CLASSIC, key: 'constant is the default', audioOutput: { variableBitrate: 0 } });
    feed(H264, OPUS, { from: 80, to: 160 });
    expect(converter.running.map(({ wanted }) => wanted)).toEqual([
      { codec: 'aac' },
      { codec: 'aac', sampleRate: 44_100, channels: 1, variableBitrate: 5 },
    ]);
    expect(deliveryOf('audio', recorded, adaptations)).toMatchObject({
      delivery: 'converted',
      conversion: { users: 2 },
    });
  });
});

describe('a conversion of the past', () => {
  it('is given a second of it at a time, and all of what comes once it has reached the present', () => {
    converter.held = true;
    feed(H264, OPUS, { from: 0, to: 8000, gop: 8000 });
    const seen = watch(adaptations.lease(source, CLASSIC));
    const [conversion] = converter.opened;
    expect(conversion?.pushed).toHaveLength(27);
    feed(H264, OPUS, { from: 8000, to: 9000, gop: 8000 });
    expect(conversion?.pushed).toHaveLength(27);
    conversion?.release(10);
    expect(conversion?.pushed).toHaveLength(37);
    conversion?.release();
    expect(timesOf(seen, 'audio')).toHaveLength(225);
    feed(H264, OPUS, { from: 9000, to: 9040 });
    expect(conversion?.pushed).toHaveLength(226);
  });

  it('is given all when it does not reach the present in time, to drop what it can not take', () => {
    converter.held = true;
    feed(H264, OPUS, { from: 0, to: 8000, gop: 8000 });
    adaptations.lease(source, CLASSIC);
    vi.advanceTimersByTime(10_001);
    feed(H264, OPUS, { from: 8000, to: 8040, gop: 8000 });
    expect(converter.opened[0]?.pushed).toHaveLength(201);
  });
});

describe('picture and sound of which one takes the longer way', () => {
  it('begin together: what goes through waits for what the conversion makes of the past', () => {
    converter.held = true;
    feed(H264, OPUS, { from: 0, to: 400 });
    const lease = adaptations.lease(source, CLASSIC);
    const seen = watch(lease);
    expect(seen.packets).toEqual([]);
    converter.opened[0]?.release();
    const gaps = seen.packets.map(
      ({ dtsUs }, at) => dtsUs - Math.max(...seen.packets.slice(0, at + 1).map((one) => one.dtsUs)),
    );
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(-150_000);
    expect(seen.packets).toHaveLength(20);
    expect(lease.stream.state.audio?.codec).toBe('aac');
  });

  it('do not wait for sound that is late by what codecs keep, nor for a source that pauses', () => {
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, OPUS, { from: 0, to: 80 });
    feed(H264, undefined, { from: 80, to: 4000 });
    expect(timesOf(seen, 'video')).toHaveLength(100);
  });

  it('go on without a conversion that does not begin, and are kept together again when it does', () => {
    converter.held = true;
    feed(H264, OPUS, { from: 0, to: 400 });
    const seen = watch(adaptations.lease(source, CLASSIC));
    vi.advanceTimersByTime(19_000);
    expect(seen.packets).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(timesOf(seen, 'video')).toHaveLength(10);
    feed(H264, OPUS, { from: 400, to: 800 });
    expect(timesOf(seen, 'video')).toHaveLength(20);
    converter.opened[0]?.release();
    expect(timesOf(seen, 'audio')).toHaveLength(20);
  });

  it('wait for a conversion that stops in the middle, but not for long', () => {
    converter.held = true;
    feed(H264, OPUS, { from: 0, to: 400 });
    const seen = watch(adaptations.lease(source, CLASSIC));
    converter.opened[0]?.release(10);
    feed(H264, OPUS, { from: 400, to: 2400 });
    expect(timesOf(seen, 'video').at(-1)).toBe(520);
    vi.advanceTimersByTime(2000);
    expect(timesOf(seen, 'video').at(-1)).toBe(2360);
  });

  it('wait a moment for sound that is declared and may never come', () => {
    source.setTrack(OPUS);
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, undefined, { from: 0, to: 400 });
    expect(seen.packets).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(timesOf(seen, 'video')).toHaveLength(10);
    feed(H264, undefined, { from: 400, to: 800 });
    expect(timesOf(seen, 'video')).toHaveLength(20);
  });

  it('do not wait beyond the bytes that a stream may keep', () => {
    converter.held = true;
    source.end('another one');
    source = new Stream('small', { gopCacheMaxMs: 20_000, gopCacheMaxBytes: 100 });
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, OPUS, { from: 0, to: 800 });
    expect(timesOf(seen, 'video')).toEqual([0, 40, 80, 120, 160, 200, 240, 280, 320, 360]);
  });
});
