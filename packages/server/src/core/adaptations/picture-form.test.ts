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
  packet,
  timesOf,
  VP8,
  watch,
} from '../testing/adaptation-fixture.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import { ALL_AUDIO_CODECS, ALL_VIDEO_CODECS, withPicture } from './acceptance.ts';
import { Adaptations } from './adaptations.ts';
import { deliveryOf } from './delivery.ts';

const SMALL = withPicture(CLASSIC, { height: 240, bitrateBps: 400_000 });
const LINGER_MS = 5000;

let converter: RelabelConverter;
let adaptations: Adaptations;
let source: Stream;

beforeEach(() => {
  vi.useFakeTimers();
  converter = new RelabelConverter();
  adaptations = new Adaptations(
    { converter, log: new TestLog(), counters: new TestCounters() },
    { lingerMs: LINGER_MS },
  );
  source = new Stream('s');
  source.attachPublisher(newPublisher());
});

afterEach(() => {
  source.end('test is over');
  adaptations.close();
  expect(converter.running).toEqual([]);
  expect(source.readerCount).toBe(0);
  vi.useRealTimers();
});

const feed = (video: Track | undefined, audio: Track | undefined, ms: Parameters<typeof feedInto>[2]): void =>
  feedInto(source, { video, audio }, ms);

describe('a picture that is asked for in a form', () => {
  it('is made of a codec too that the viewer takes, and the sound goes through', () => {
    feed(H264, AAC, { from: 0, to: 80 });
    expect(adaptations.needsConversion(source, SMALL)).toEqual({ video: 'yes', audio: 'no' });
    const lease = adaptations.lease(source, SMALL);
    const seen = watch(lease);
    feed(H264, AAC, { from: 80, to: 200 });
    expect(converter.running.map(({ wanted }) => wanted)).toEqual([
      { codec: 'h264', picture: { height: 240, bitrateBps: 400_000 } },
    ]);
    expect(timesOf(seen, 'video')).toEqual([0, 40, 80, 120, 160]);
    const sounds = seen.packets.filter(({ track }) => track.kind === 'audio');
    expect(sounds.every(({ track }) => track === AAC)).toBe(true);
    expect(deliveryOf('video', lease, adaptations)).toMatchObject({ delivery: 'converted', codec: 'h264' });
    expect(deliveryOf('audio', lease, adaptations)).toMatchObject({ delivery: 'as_is', codec: 'aac' });
  });

  it('is made for one who takes everything else as it is', () => {
    const all = { ...CLASSIC, key: 'all', video: ALL_VIDEO_CODECS, audio: ALL_AUDIO_CODECS };
    feed(H264, OPUS, { from: 0, to: 80 });
    expect(adaptations.lease(source, all).stream).toBe(source);
    expect(adaptations.lease(source, withPicture(all, { width: 320 })).stream).not.toBe(source);
  });

  it('is made as soon as there is a picture, for one who can change over', () => {
    const onUnfit = vi.fn();
    feed(undefined, AAC, { from: 0, to: 80 });
    expect(adaptations.lease(source, SMALL, { onUnfit }).stream).toBe(source);
    source.publish(packet(H264, 80, { key: true }));
    source.publish(packet(H264, 120));
    expect(onUnfit).toHaveBeenCalledOnce();
    expect(adaptations.lease(source, SMALL, { onUnfit }).stream).not.toBe(source);
  });

  it('is shared by those who ask for the same form, and by nobody else', () => {
    feed(H264, AAC, { from: 0, to: 80 });
    const one = adaptations.lease(source, SMALL);
    const two = adaptations.lease(source, withPicture(CLASSIC, { bitrateBps: 400_000, height: 240 }));
    const other = adaptations.lease(source, withPicture(CLASSIC, { height: 480 }));
    expect(two.stream).toBe(one.stream);
    expect(other.stream).not.toBe(one.stream);
    expect(converter.running).toHaveLength(2);
  });

  it('is decoded together with other forms of the source, and apart for one who must lose nothing', () => {
    feed(VP8, OPUS, { from: 0, to: 80 });
    adaptations.lease(source, SMALL);
    adaptations.lease(source, CLASSIC);
    adaptations.own(source, SMALL, source.log.start);
    const feeds = converter.running.map(({ target, feed: together }) => [target, together === source]);
    expect(feeds).toEqual([
      ['h264', true],
      ['aac', false],
      ['h264', true],
      ['h264', false],
      ['aac', false],
    ]);
  });

  it('has its key frames where the source has them', () => {
    const seen = watch(adaptations.lease(source, SMALL));
    feed(H264, AAC, { from: 0, to: 3000, gop: 1000 });
    const keys = seen.packets.filter(({ track, key }) => track.kind === 'video' && key);
    expect(keys.map(({ dtsUs }) => dtsUs / 1000)).toEqual([0, 1000, 2000]);
  });
});

describe('a picture that is refused for its cost', () => {
  it('is left out with the sentence that says so, and the sound goes on', () => {
    converter.refusal = 'it takes 2 cores, and 1 is free';
    feed(H264, AAC, { from: 0, to: 80 });
    const lease = adaptations.lease(source, SMALL);
    const seen = watch(lease);
    feed(H264, AAC, { from: 80, to: 160 });
    expect(lease.leftOut).toEqual({ video: 'it takes 2 cores, and 1 is free' });
    expect(deliveryOf('video', lease, adaptations)).toMatchObject({
      delivery: 'left_out',
      reason: 'it takes 2 cores, and 1 is free',
    });
    expect(timesOf(seen, 'audio')).toEqual([40, 80, 120]);
    expect(timesOf(seen, 'video')).toEqual([]);
  });

  it('is not tried again for one more viewer while others are refused', () => {
    converter.refusal = 'no core is free';
    feed(H264, AAC, { from: 0, to: 80 });
    const refused = adaptations.lease(source, SMALL);
    converter.refusal = undefined;
    expect(adaptations.lease(source, SMALL).stream).toBe(refused.stream);
    expect(converter.opened).toHaveLength(1);
  });

  it('is tried anew for one who comes after them', () => {
    converter.refusal = 'no core is free';
    feed(H264, AAC, { from: 0, to: 80 });
    adaptations.lease(source, SMALL)[Symbol.dispose]();
    converter.refusal = undefined;
    const lease = adaptations.lease(source, SMALL);
    expect(lease.leftOut).toEqual({});
    expect(timesOf(watch(lease), 'video')).toEqual([0, 40]);
  });
});
