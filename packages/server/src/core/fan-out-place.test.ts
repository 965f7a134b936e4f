import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FanOut, type FanOutFormat } from './fan-out.ts';
import { type FanOutSink, FanOutViewer } from './fan-out-viewer.ts';
import { Stream } from './stream.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const FORMAT: FanOutFormat = {
  carries: ({ kind }) => kind === 'video',
  packet: () => Buffer.alloc(10),
  change: () => Buffer.alloc(0),
};

/** A sink that one write can fill. */
class Sink implements FanOutSink {
  full = false;
  fillsUp = false;
  readonly destroyed = false;
  written = 0;

  get writableNeedDrain(): boolean {
    return this.full;
  }

  write(): boolean {
    this.written++;
    this.full = this.fillsUp;
    return !this.full;
  }

  on(): void {}
  off(): void {}
}

let stream: Stream;
let fanOut: FanOut;
let sink: Sink;
let viewer: FanOutViewer;

beforeEach(() => {
  stream = new Stream('s');
  fanOut = new FanOut(stream, FORMAT, { flushIntervalMs: 0, onEnd: () => {} });
  sink = new Sink();
  viewer = new FanOutViewer(sink, fanOut, { maxWriteBytes: 1000, stallTimeoutMs: 10_000, onEnded: () => {} });
});

afterEach(() => stream.end('test is over'));

function send(ms: number, key = false): void {
  const packet: MediaPacket = { track: VIDEO, units: [], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: 10 };
  stream.publish(packet);
}

describe('the place of a viewer', () => {
  it('is before the beginning until a key frame comes', async () => {
    send(0);
    expect(viewer.place(performance.now())).toEqual({ started: false, paused: false, blockedMs: 0, behindMs: 0 });
    send(40, true);
    await vi.waitFor(() => expect(viewer.place(performance.now()).started).toBe(true));
  });

  it('is behind the stream by what waits while the sink is full, since when is told too', async () => {
    send(0, true);
    await vi.waitFor(() => expect(sink.written).toBe(1));
    sink.fillsUp = true;
    send(40);
    await vi.waitFor(() => expect(sink.written).toBe(2));
    for (let ms = 80; ms <= 3080; ms += 500) send(ms);
    await vi.waitFor(() => expect(viewer.place(performance.now()).behindMs).toBe(3000));
    expect(viewer.place(performance.now() + 5000).blockedMs).toBeGreaterThanOrEqual(5000);
    sink.fillsUp = false;
    sink.full = false;
    viewer.pump();
    expect(viewer.place(performance.now())).toMatchObject({ blockedMs: 0, behindMs: 0 });
  });

  it('says which tracks are left out for all', () => {
    expect(fanOut.carries(VIDEO)).toBe(true);
    expect(fanOut.carries({ ...VIDEO, kind: 'audio', codec: 'aac' })).toBe(false);
  });
});
