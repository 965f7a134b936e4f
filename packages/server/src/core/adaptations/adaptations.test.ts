import type { Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Stream } from '../stream.ts';
import {
  AAC,
  CLASSIC,
  codecs,
  feedInto,
  H264,
  newPublisher,
  OPUS,
  packet,
  RTC,
  timesOf,
  track,
  VP8,
  watch,
} from '../testing/adaptation-fixture.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import type { Acceptance } from './acceptance.ts';
import { ALL_AUDIO_CODECS, ALL_VIDEO_CODECS } from './acceptance.ts';
import { Adaptations } from './adaptations.ts';

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

describe('what is given to a viewer', () => {
  it('is the source where nothing can be converted', () => {
    const none = new Adaptations({ converter: undefined, log, counters });
    feed(VP8, OPUS, { from: 0, to: 80 });
    expect(none.lease(source, CLASSIC, { steady: true }).stream).toBe(source);
    expect(none.needsConversion(source, CLASSIC)).toEqual({ video: 'impossible', audio: 'impossible' });
  });

  it('is the source where the viewer takes all there is and all that may come', () => {
    const everything = { ...CLASSIC, key: 'all', video: ALL_VIDEO_CODECS, audio: ALL_AUDIO_CODECS };
    expect(adaptations.lease(source, everything, { steady: true }).stream).toBe(source);
  });

  it('is the source when both tracks are there and can be taken, and a derived stream while one may turn up', () => {
    feed(H264, undefined, { from: 0, to: 80 });
    expect(adaptations.lease(source, CLASSIC).stream).not.toBe(source);
    feed(undefined, AAC, { from: 80, to: 120 });
    expect(adaptations.lease(source, CLASSIC).stream).toBe(source);
    expect(adaptations.lease(source, CLASSIC, { steady: true }).stream).not.toBe(source);
  });

  it('is derived for viewers that take no B-frames, unless the pictures come by RTP', () => {
    feed(H264, OPUS, { from: 0, to: 80 });
    expect(adaptations.lease(source, RTC).stream).not.toBe(source);
    const format = { track: H264 };
    const payload = new Uint8Array(1);
    source.rtp.video.publish({ format, sequence: 0, timestamp: 0, ptsUs: 0, marker: true, startPoint: true, payload });
    expect(adaptations.lease(source, RTC).stream).toBe(source);
  });

  it('is the source for one who can change over, who is told once when it does not fit any more', () => {
    const onUnfit = vi.fn();
    const lease = adaptations.lease(source, RTC, { onUnfit });
    expect(lease.stream).toBe(source);
    feed(H264, OPUS, { from: 0, to: 80 });
    expect(onUnfit).not.toHaveBeenCalled();
    source.publish(packet(H264, 80, { ptsMs: 160 }));
    source.publish(packet(H264, 120, { ptsMs: 120 }));
    feed(H264, OPUS, { from: 160, to: 200 });
    expect(onUnfit).toHaveBeenCalledOnce();
    lease[Symbol.dispose]();
    expect(adaptations.lease(source, RTC, { onUnfit }).stream).not.toBe(source);
  });

  it('tells what the tracks of the moment need', () => {
    feed(VP8, AAC, { from: 0, to: 80 });
    expect(adaptations.needsConversion(source, CLASSIC)).toEqual({ video: 'yes', audio: 'no' });
    converter.unknown.add('vp8');
    expect(adaptations.needsConversion(source, CLASSIC)).toEqual({ video: 'impossible', audio: 'no' });
    const soundOnly: Acceptance = { ...CLASSIC, video: new Set(), videoTarget: undefined };
    expect(adaptations.needsConversion(source, soundOnly)).toEqual({ video: 'absent', audio: 'no' });
  });
});

describe('a derived stream', () => {
  it('passes the same packets on where they can be taken and converts the others', () => {
    feed(H264, OPUS, { from: 0, to: 200 });
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, OPUS, { from: 200, to: 400 });
    expect(codecs(seen)).toEqual(['h264', 'aac']);
    const pictures = seen.packets.filter((one) => one.track.kind === 'video');
    expect(pictures.every((one) => one.track === H264)).toBe(true);
    expect(timesOf(seen, 'video')).toEqual([0, 40, 80, 120, 160, 200, 240, 280, 320, 360]);
    expect(timesOf(seen, 'audio')).toEqual([0, 40, 80, 120, 160, 200, 240, 280, 320, 360]);
    expect(seen.packets.filter((one) => one.track.kind === 'audio').every((one) => one.track.id === OPUS.id)).toBe(
      true,
    );
  });

  it('begins with the newest key frame, or with the oldest for viewers that ask for it and take the picture', () => {
    feed(H264, OPUS, { from: 0, to: 2000, gop: 1000 });
    const gop = watch(adaptations.lease(source, CLASSIC));
    expect(timesOf(gop, 'video')[0]).toBe(1000);
    const stock = adaptations.lease(source, { ...CLASSIC, key: 'stock', audio: new Set(['opus']), startAt: 'oldest' });
    expect(stock.stream.log.at(stock.stream.log.start)?.dtsUs).toBe(0);
    const other = adaptations.lease(source, { ...CLASSIC, key: 'vp8', video: new Set(['vp8']), startAt: 'oldest' });
    expect(other.stream.log.at(other.stream.log.start)?.dtsUs).toBe(1_000_000);
  });

  it('goes by the name, publisher and signals of its source, and counts viewers there', () => {
    const { stream } = adaptations.lease(source, CLASSIC);
    expect([stream.name, stream.publisher, stream.live]).toEqual(['s', publisher, true]);
    expect(stream.signals).toBe(source.signals);
    stream.addViewers(2);
    expect([stream.viewers, source.viewers]).toEqual([2, 2]);
    stream.addViewers(-1);
    expect([stream.viewers, source.viewers]).toEqual([1, 1]);
  });

  it('ends when its source does', () => {
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, OPUS, { from: 0, to: 80 });
    source.end('publisher left');
    expect(seen.ended).toBe('publisher left');
    expect(adaptations.lease(source, CLASSIC).stream).toBe(source);
  });

  it('turns a conversion on when the codec changes, and off when it changes back', () => {
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, AAC, { from: 0, to: 200 });
    expect(converter.opened).toEqual([]);
    feed(VP8, AAC, { from: 200, to: 400 });
    expect(converter.running.map(({ source: from }) => from.codec)).toEqual(['vp8']);
    feed(H264, AAC, { from: 400, to: 600 });
    expect(converter.running).toEqual([]);
    expect(timesOf(seen, 'video')).toEqual(Array.from({ length: 15 }, (_, i) => i * 40));
    expect(codecs(seen)).toEqual(['h264', 'aac']);
  });

  it('has a conversion go on with another codec from its first key frame on', () => {
    watch(adaptations.lease(source, CLASSIC));
    feed(VP8, undefined, { from: 0, to: 200 });
    const h265 = track('video', 'h265');
    source.publish(packet(h265, 200));
    feed(h265, undefined, { from: 240, to: 320 });
    const times = converter.running[0]?.pushed.map(({ dtsUs }) => dtsUs / 1000);
    expect(times).toEqual([0, 40, 80, 120, 160, 240, 280]);
  });

  it('takes up a track that turns up late', () => {
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(H264, undefined, { from: 0, to: 200 });
    feed(H264, OPUS, { from: 200, to: 400 });
    expect(timesOf(seen, 'audio')).toEqual([200, 240, 280, 320, 360]);
  });

  it('converts from the key frame on when B-frames show up, without going back in time, and again from a key frame', () => {
    const seen = watch(adaptations.lease(source, RTC));
    source.publish(packet(H264, 0, { key: true, ptsMs: 40 }));
    source.publish(packet(H264, 40, { ptsMs: 160 }));
    expect(seen.packets).toHaveLength(2);
    source.publish(packet(H264, 80, { ptsMs: 80 }));
    expect(converter.running).toHaveLength(1);
    expect(converter.opened[0]?.pushed.map(({ dtsUs }) => dtsUs / 1000)).toEqual([0, 40, 80]);
    source.publish(packet(H264, 120, { ptsMs: 280 }));
    source.publish(packet(H264, 160, { ptsMs: 200 }));
    source.publish(packet(H264, 200, { ptsMs: 400 }));
    const later = seen.packets.slice(2);
    expect(later[0]?.key).toBe(true);
    expect(converter.opened[0]?.keyFrameRequests).toBe(1);
    const times = timesOf(seen, 'video');
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(later.every(({ ptsUs, dtsUs }) => ptsUs === dtsUs)).toBe(true);
  });

  it('follows the source to another publisher: a new epoch, its tracks only, nothing of the one before', () => {
    const seen = watch(adaptations.lease(source, CLASSIC));
    converter.held = true;
    feed(VP8, OPUS, { from: 0, to: 200 });
    source.detachPublisher(publisher);
    source.attachPublisher(newPublisher());
    converter.held = false;
    feed(H264, undefined, { from: 1000, to: 1200 });
    expect([...seen.epochs]).toEqual([1]);
    expect(codecs(seen)).toEqual(['h264']);
    expect(converter.running).toEqual([]);
  });

  it('goes on converting for another publisher, from its first key frame', () => {
    const seen = watch(adaptations.lease(source, CLASSIC));
    feed(VP8, OPUS, { from: 0, to: 200 });
    source.detachPublisher(publisher);
    source.attachPublisher(newPublisher());
    source.publish(packet(VP8, 960));
    feed(VP8, OPUS, { from: 1000, to: 1200 });
    expect([...seen.epochs]).toEqual([0, 1]);
    expect(timesOf(seen, 'video').slice(5)).toEqual([1000, 1040, 1080, 1120, 1160]);
    expect(converter.opened.map(({ closed }) => closed)).toEqual([true, true, false, false]);
  });

  it('passes the metadata on, without what is not true of converted tracks', () => {
    source.setMetadata({ title: 'x', audiocodecid: 13, width: 640 }, 100);
    feed(H264, OPUS, { from: 0, to: 80 });
    const { stream } = adaptations.lease(source, CLASSIC);
    expect(stream.state.metadata).toEqual({ title: 'x', width: 640 });
    source.setMetadata({ title: 'y' }, 100);
    feed(H264, OPUS, { from: 80, to: 120 });
    expect(stream.state.metadata).toBe(source.state.metadata);
  });

  it('leaves a track out whose conversion fails, says why, and tries again when the codec changes', () => {
    const lease = adaptations.lease(source, CLASSIC);
    const seen = watch(lease);
    feed(H264, OPUS, { from: 0, to: 200 });
    converter.opened[0]?.fail('broken');
    expect(lease.leftOut).toEqual({ audio: 'broken' });
    expect(lease.stream.state.audio).toBeUndefined();
    feed(H264, OPUS, { from: 200, to: 400 });
    expect(timesOf(seen, 'audio')).toEqual([0, 40, 80, 120, 160]);
    expect(timesOf(seen, 'video')).toHaveLength(10);
    expect(converter.opened).toHaveLength(1);
    expect(counters.of('derived_left_out_tracks')).toBe(1);
    feed(H264, track('audio', 'speex'), { from: 400, to: 600 });
    expect(lease.leftOut).toEqual({});
    expect(timesOf(seen, 'audio')).toHaveLength(10);
  });

  it('tells a viewer that comes after a failure as well, and does not try again for it', () => {
    adaptations.lease(source, CLASSIC);
    feed(H264, OPUS, { from: 0, to: 80 });
    converter.opened[0]?.fail('broken');
    expect(adaptations.lease(source, CLASSIC).leftOut).toEqual({ audio: 'broken' });
    expect(adaptations.lease(source, { ...CLASSIC, key: 'other' }).leftOut).toEqual({ audio: 'broken' });
    expect(converter.opened).toHaveLength(1);
  });

  it('leaves out what can not be converted, and without a word what is not wanted', () => {
    converter.unknown.add('vp8');
    feed(VP8, OPUS, { from: 0, to: 80 });
    const lease = adaptations.lease(source, CLASSIC);
    expect(lease.leftOut.video).toContain('VP8');
    expect(codecs(watch(lease))).toEqual(['aac']);
    const noSound: Acceptance = { ...RTC, key: 'mute', audio: new Set(), audioTarget: undefined };
    const mute = adaptations.lease(source, noSound, { steady: true });
    expect([codecs(watch(mute)), mute.leftOut]).toEqual([['vp8'], {}]);
  });

  it('asks its conversion for key frames, or the source when the picture goes through as it is', () => {
    const converted = adaptations.lease(source, CLASSIC);
    const passed = adaptations.lease(source, { ...RTC, audio: new Set() });
    feed(VP8, OPUS, { from: 0, to: 80 });
    converted.stream.requestKeyFrame();
    expect([converter.running[0]?.keyFrameRequests, publisher.keyFramesAsked]).toEqual([1, 0]);
    passed.stream.requestKeyFrame();
    expect([converter.running[0]?.keyFrameRequests, publisher.keyFramesAsked]).toEqual([1, 1]);
  });
});

describe('key frames for conversions', () => {
  it('are asked of the source when one begins after the last has been forgotten', () => {
    source.end('another one, that keeps less');
    source = new Stream('s', { gopCacheMaxMs: 100, gopCacheMaxBytes: 1e9 });
    source.attachPublisher(publisher);
    feed(VP8, OPUS, { from: 0, to: 400 });
    const seen = watch(adaptations.lease(source, CLASSIC));
    source.publish(packet(VP8, 400));
    expect(publisher.keyFramesAsked).toBeGreaterThan(0);
    feed(VP8, OPUS, { from: 440, to: 1000 });
    expect(codecs(seen)).toContain('h264');
  });

  it('are asked of the source when one that runs can go on with nothing else', () => {
    feed(VP8, OPUS, { from: 0, to: 80 });
    watch(adaptations.lease(source, CLASSIC));
    converter.opened.find(({ target }) => target === 'h264')?.loseSource();
    expect(publisher.keyFramesAsked).toBe(1);
  });

  it('brings picture and sound together of conversions that run, when the source keeps no key frame', () => {
    source.end('another one, that keeps less');
    source = new Stream('s', { gopCacheMaxMs: 400, gopCacheMaxBytes: 1e9 });
    source.attachPublisher(publisher);
    adaptations.lease(source, CLASSIC);
    feed(VP8, OPUS, { from: 0, to: 200, gop: 10_000 });
    const conversion = converter.opened.find(({ target }) => target === 'h264');
    for (let ms = 200; ms < 1000; ms += 40) {
      if (ms === 800) conversion?.requestKeyFrame();
      source.publish(packet(VP8, ms));
      source.publish(packet(OPUS, ms));
    }
    const { log: made } = adaptations.lease(source, { ...CLASSIC, key: 'other', startAt: 'oldest' }).stream;
    const kinds = new Set<string>();
    for (let i = made.start; i < made.end && (made.at(i)?.dtsUs ?? 0) <= 840_000; i++)
      kinds.add(made.at(i)?.packet.track.kind ?? '');
    expect(kinds).toEqual(new Set(['video', 'audio']));
    const times = Array.from({ length: made.end - made.start }, (_, i) => made.at(made.start + i)?.dtsUs ?? 0);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});
