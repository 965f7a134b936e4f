import type { Codec, MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Publisher, Stream } from '../stream.ts';
import { TestCounters, TestLog } from '../testing/hub.ts';
import { RelabelConverter } from '../testing/relabel-converter.ts';
import type { Acceptance } from './acceptance.ts';
import { ALL_AUDIO_CODECS, ALL_VIDEO_CODECS } from './acceptance.ts';
import { Adaptations, type AdaptedStream } from './adaptations.ts';

const track = (kind: 'video' | 'audio', codec: Codec): Track => ({
  id: kind === 'video' ? 0 : 1,
  kind,
  codec,
  clockRate: kind === 'video' ? 90_000 : 48_000,
  parameters: [],
});
const H264 = track('video', 'h264');
const VP8 = track('video', 'vp8');
const AAC = track('audio', 'aac');
const OPUS = track('audio', 'opus');

const CLASSIC: Acceptance = {
  key: 'classic',
  video: new Set(['h264']),
  audio: new Set(['aac']),
  reorderedVideo: true,
  videoTarget: 'h264',
  audioTarget: 'aac',
};
const RTC: Acceptance = {
  key: 'rtc',
  video: new Set(['h264', 'vp8']),
  audio: new Set(['opus']),
  reorderedVideo: false,
  videoTarget: 'h264',
  audioTarget: 'opus',
};
const LINGER_MS = 5000;

let converter: RelabelConverter;
let log: TestLog;
let counters: TestCounters;
let adaptations: Adaptations;
let source: Stream;
let publisher: Publisher & { keyFramesAsked: number };

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

function newPublisher() {
  return {
    sessionId: 'p',
    keyFramesAsked: 0,
    close: () => {},
    requestKeyFrame(): void {
      this.keyFramesAsked++;
    },
  };
}

function packet(of: Track, ms: number, options: { key?: boolean; ptsMs?: number } = {}): MediaPacket {
  const key = options.key ?? of.kind === 'audio';
  const ptsUs = (options.ptsMs ?? ms) * 1000;
  return { track: of, units: [new Uint8Array(10)], dtsUs: ms * 1000, ptsUs, key, byteLength: 10 };
}

/** Pictures and sound every 40 ms; a key frame first and then every `gopMs`. */
function feed(
  video: Track | undefined,
  audio: Track | undefined,
  ms: { from: number; to: number; gop?: number },
): void {
  for (let at = ms.from; at < ms.to; at += 40) {
    const key = (at - ms.from) % (ms.gop ?? 1000) === 0;
    if (video !== undefined) source.publish(packet(video, at, { key }));
    if (audio !== undefined) source.publish(packet(audio, at));
  }
}

interface Seen {
  readonly packets: MediaPacket[];
  ended: string | undefined;
  readonly epochs: Set<number>;
}

/** Reads a leased stream as a viewer does. */
function watch({ stream }: AdaptedStream): Seen {
  const seen: Seen = { packets: [], ended: undefined, epochs: new Set() };
  const drain = (): void => {
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) {
      seen.packets.push(entry.packet);
      seen.epochs.add(entry.state.epoch);
    }
  };
  const reader = stream.attach({
    startAt: 'gop',
    onReadable: drain,
    onEnd: (reason) => {
      seen.ended = reason;
    },
  });
  drain();
  return seen;
}

const codecs = ({ packets }: Seen): string[] => [...new Set(packets.map((one) => one.track.codec))];
const timesOf = ({ packets }: Seen, kind: 'video' | 'audio'): number[] =>
  packets.filter((one) => one.track.kind === kind).map((one) => one.dtsUs / 1000);

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
    const stock = adaptations.lease(source, { ...CLASSIC, key: 'stock', startAt: 'oldest' });
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
