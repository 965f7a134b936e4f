import type { MediaPacket, Track } from '@sluice/media';
import { describe, expect, it, vi } from 'vitest';
import { FanOut } from './fan-out.ts';
import { FanOutViewer } from './fan-out-viewer.ts';
import { PacketLog } from './packet-log.ts';
import { Stream } from './stream.ts';
import type { StreamEntry } from './stream-log.ts';
import { StreamRegistry } from './stream-registry.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90000, parameters: [] };
const AUDIO: Track = { id: 1, kind: 'audio', codec: 'aac', clockRate: 48000, parameters: [] };

function packet(ms: number, key: boolean, track = VIDEO, bytes = 100): MediaPacket {
  return { track, units: [new Uint8Array(bytes)], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: bytes };
}

function readAll(reader: { read(): StreamEntry | undefined }): number[] {
  const times: number[] = [];
  for (let entry = reader.read(); entry !== undefined; entry = reader.read()) times.push(entry.dtsUs / 1000);
  return times;
}

const idle = { onReadable: () => {}, onEnd: () => {} };
const fakePublisher = { sessionId: 's', close: () => {} };

describe('packet log', () => {
  const entry = (ms: number, startPoint = false, byteLength = 10) => ({ dtsUs: ms * 1000, byteLength, startPoint });

  it('keeps what is inside its duration and its bytes, and numbers go on', () => {
    const byTime = new PacketLog({ maxDurationMs: 100, maxBytes: 1e9 });
    for (let i = 0; i < 1000; i++) byTime.append(entry(i));
    expect([byTime.start, byTime.end]).toEqual([899, 1000]);
    const byBytes = new PacketLog({ maxDurationMs: 1e9, maxBytes: 2700 });
    for (let i = 0; i < 1000; i++) byBytes.append(entry(i));
    expect([byBytes.end - byBytes.start, byBytes.bytes]).toEqual([5, 5 * (10 + 512)]);
  });

  it('always keeps the newest entry, however large', () => {
    const log = new PacketLog({ maxDurationMs: 100, maxBytes: 50 });
    log.append(entry(0, true, 1000));
    expect(log.at(0)?.byteLength).toBe(1000);
  });

  it('is bounded in entries even when they cost nothing', () => {
    const log = new PacketLog({ maxDurationMs: 1e9, maxBytes: 1e9 });
    for (let i = 0; i < 200_000; i++) log.append(entry(0, false, 0));
    expect(log.end - log.start).toBeLessThanOrEqual(65_536);
  });

  it('forgets a start point that it let go', () => {
    const log = new PacketLog({ maxDurationMs: 100, maxBytes: 1e9 });
    log.append(entry(0, true));
    expect(log.lastStartPoint).toBe(0);
    for (let i = 1; i < 300; i++) log.append(entry(i));
    expect(log.lastStartPoint).toBe(-1);
  });
});

describe('stream and readers', () => {
  it('does not wake a reader that another one has closed at the same packet', () => {
    const stream = new Stream('s');
    const onReadable = vi.fn(() => second.close());
    stream.attach({ startAt: 'live', onReadable, onEnd: () => {} });
    const second = stream.attach({ startAt: 'live', onReadable, onEnd: () => {} });
    stream.publish(packet(0, true));
    expect(onReadable).toHaveBeenCalledOnce();
  });

  it('lets a reader go on from where another one stands, or from the next start point if that is gone', () => {
    const stream = new Stream('s', { gopCacheMaxMs: 100, gopCacheMaxBytes: 1e9 });
    for (let ms = 0; ms < 80; ms += 20) stream.publish(packet(ms, ms === 0));
    const first = stream.attach({ startAt: 'gop', ...idle });
    first.read();
    expect(readAll(stream.attach({ startAt: first.position, ...idle }))).toEqual([20, 40, 60]);
    for (let ms = 80; ms < 240; ms += 20) stream.publish(packet(ms, ms === 200));
    expect(readAll(stream.attach({ startAt: 1, ...idle }))).toEqual([200, 220]);
  });

  it('asks the source for a key frame while a reader finds none to begin with', () => {
    vi.useFakeTimers();
    const stream = new Stream('s', { gopCacheMaxMs: 100, gopCacheMaxBytes: 1e9 });
    const requestKeyFrame = vi.fn();
    stream.attachPublisher({ ...fakePublisher, requestKeyFrame });
    for (let ms = 0; ms < 400; ms += 20) stream.publish(packet(ms, ms === 0));
    const reader = stream.attach({ startAt: 'gop', onReadable: () => readAll(reader), onEnd: () => {} });
    for (let ms = 400; ms < 1400; ms += 20) {
      vi.advanceTimersByTime(20);
      stream.publish(packet(ms, false));
    }
    expect(requestKeyFrame).toHaveBeenCalledTimes(2);
    stream.publish(packet(1400, true));
    vi.advanceTimersByTime(1000);
    stream.publish(packet(2400, false));
    expect(requestKeyFrame).toHaveBeenCalledTimes(2);
    vi.useRealTimers();
  });

  it('asks the source for a key frame for a viewer that comes after the last has been forgotten', () => {
    const stream = new Stream('s', { gopCacheMaxMs: 100, gopCacheMaxBytes: 1e9 });
    const requestKeyFrame = vi.fn();
    stream.attachPublisher({ ...fakePublisher, requestKeyFrame });
    const bytes = Buffer.alloc(1);
    const format = { carries: () => true, packet: () => bytes, change: () => bytes };
    const fanOut = new FanOut(stream, format, { flushIntervalMs: 0, onEnd: () => {} });
    for (let ms = 0; ms < 400; ms += 20) stream.publish(packet(ms, ms === 0));
    expect(requestKeyFrame).not.toHaveBeenCalled();
    const sink = { writableNeedDrain: false, destroyed: false, write: () => true, on: () => {}, off: () => {} };
    new FanOutViewer(sink, fanOut, { maxWriteBytes: 1e6, stallTimeoutMs: 1e6, onEnded: () => {} }).pump();
    expect(requestKeyFrame).toHaveBeenCalledOnce();
    fanOut.close();
  });

  it('notices pictures that are shown before one that came earlier, until the codec or the publisher changes', () => {
    const stream = new Stream('s');
    stream.attachPublisher(fakePublisher);
    const show = (ms: number, ptsMs: number, track = VIDEO): void =>
      stream.publish({ ...packet(ms, false, track), ptsUs: ptsMs * 1000 });
    show(0, 80);
    show(40, 160);
    expect(stream.reordersVideo).toBe(false);
    show(80, 120);
    expect(stream.reordersVideo).toBe(true);
    show(120, 200, { ...VIDEO, parameters: [Uint8Array.of(1)] });
    expect(stream.reordersVideo).toBe(true);
    show(160, 160, { ...VIDEO, codec: 'vp8' });
    expect(stream.reordersVideo).toBe(false);
    show(200, 170, { ...VIDEO, codec: 'vp8' });
    show(240, 165, { ...VIDEO, codec: 'vp8' });
    expect(stream.reordersVideo).toBe(true);
    stream.detachPublisher(fakePublisher);
    stream.attachPublisher(fakePublisher);
    expect(stream.reordersVideo).toBe(false);
  });

  it('gives a reader the pictures since the last key frame, or what comes from the next one', () => {
    const stream = new Stream('s');
    stream.publish(packet(0, true));
    stream.publish(packet(40, false));
    stream.publish(packet(80, true));
    stream.publish(packet(120, false));
    const gop = stream.attach({ startAt: 'gop', ...idle });
    const live = stream.attach({ startAt: 'live', ...idle });
    const oldest = stream.attach({ startAt: 'oldest', ...idle });
    stream.publish(packet(160, false));
    stream.publish(packet(200, true));
    expect(readAll(gop)).toEqual([80, 120, 160, 200]);
    expect(readAll(live)).toEqual([200]);
    expect(readAll(oldest)).toEqual([0, 40, 80, 120, 160, 200]);
  });

  it('lets audio start anywhere only while there is no video', () => {
    const stream = new Stream('s');
    stream.publish(packet(0, true, AUDIO));
    expect(stream.log.lastStartPoint).toBe(0);
    stream.publish(packet(10, true));
    stream.publish(packet(20, true, AUDIO));
    expect(stream.log.lastStartPoint).toBe(1);
  });

  it('moves a slow reader to the newest key frame and counts what it missed', () => {
    const stream = new Stream('s', { gopCacheMaxMs: 200, gopCacheMaxBytes: 1e9 });
    stream.publish(packet(0, true));
    const reader = stream.attach({ startAt: 'gop', ...idle });
    for (let ms = 40; ms <= 1000; ms += 40) stream.publish(packet(ms, ms % 200 === 0));
    expect(readAll(reader)).toEqual([1000]);
    expect(reader.dropped).toBe(25);
  });

  it('wakes every reader, also when one leaves while it is woken', () => {
    const stream = new Stream('s');
    const woken: string[] = [];
    const first = stream.attach({
      startAt: 'live',
      onEnd: () => {},
      onReadable: () => {
        woken.push('a');
        first.close();
      },
    });
    stream.attach({ startAt: 'live', onEnd: () => {}, onReadable: () => void woken.push('b') });
    stream.publish(packet(0, true));
    stream.publish(packet(40, false));
    expect(woken).toEqual(['a', 'b', 'b']);
  });

  it('begins a new epoch when a publisher comes back', () => {
    const stream = new Stream('s');
    stream.attachPublisher(fakePublisher);
    stream.publish(packet(0, true));
    stream.detachPublisher(fakePublisher);
    stream.attachPublisher(fakePublisher);
    expect([stream.state.epoch, stream.state.video]).toEqual([1, undefined]);
  });
});

describe('a stream whose publisher left before its first packet', () => {
  it('does not keep what that one declared', () => {
    const stream = new Stream('s');
    stream.attachPublisher(fakePublisher);
    stream.setTrack(VIDEO);
    stream.detachPublisher(fakePublisher);
    stream.attachPublisher(fakePublisher);
    stream.publish(packet(0, true, AUDIO));
    expect(stream.log.lastStartPoint).toBe(0);
  });
});

describe('stream registry', () => {
  it('has one publisher a name, and keeps the stream for readers who wait', async () => {
    const registry = new StreamRegistry({ reconnectWaitMs: 60_000, maxStreams: 2 });
    const stream = registry.publish('cam', fakePublisher);
    expect(() => registry.publish('cam', fakePublisher)).toThrow(/already/);
    const onEnd = vi.fn();
    stream.attach({ startAt: 'live', onReadable: () => {}, onEnd });
    registry.unpublish(stream, fakePublisher, 'left');
    expect(registry.publish('cam', fakePublisher)).toBe(stream);
    registry.close();
    expect(onEnd).toHaveBeenCalledOnce();
    expect(registry.size).toBe(0);
  });

  it('ends a stream at once when nobody reads it', () => {
    const registry = new StreamRegistry({ reconnectWaitMs: 60_000, maxStreams: 2 });
    registry.unpublish(registry.publish('cam', fakePublisher), fakePublisher, 'left');
    expect(registry.get('cam')).toBeUndefined();
  });

  it('refuses bad names and more streams than allowed', () => {
    const registry = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 1 });
    for (const name of ['', 'a\nb', 'x'.repeat(1025)]) expect(() => registry.publish(name, fakePublisher)).toThrow();
    registry.publish('a', fakePublisher);
    expect(() => registry.publish('b', fakePublisher)).toThrow(/max_streams/);
    registry.close();
  });

  it('wakes those who wait for a name, and lets them give up', async () => {
    const registry = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 9 });
    const waiting = registry.waitFor('cam', 60_000);
    const abort = new AbortController();
    const aborted = registry.waitFor('other', 60_000, abort.signal);
    abort.abort();
    const stream = registry.publish('cam', fakePublisher);
    expect(await waiting).toBe(stream);
    expect(await aborted).toBeUndefined();
    registry.close();
  });
});
