import type { MediaPacket, Track } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { DEFAULT_IN_BUFFER_OPTIONS, InBuffer, type InBufferOptions } from './in-buffer.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };

function packet(ms: number, key = ms % 2000 === 0): MediaPacket {
  return { track: VIDEO, units: [], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: 1000 };
}

/** Runs a buffer on a clock of its own; packets of 25 fps arrive when `arrival` says. */
class Bench {
  readonly out: { mediaMs: number; atMs: number }[] = [];
  readonly buffer: InBuffer;
  #nowMs = 0;

  constructor(options: Partial<InBufferOptions> = {}) {
    this.buffer = new InBuffer({ ...DEFAULT_IN_BUFFER_OPTIONS, ...options }, (p) =>
      this.out.push({ mediaMs: p.dtsUs / 1000, atMs: this.#nowMs }),
    );
  }

  run(untilMs: number, arrival: (mediaMs: number) => number, fromMs = 0): void {
    let next = fromMs;
    for (; this.#nowMs < untilMs; this.#nowMs++) {
      while (arrival(next) <= this.#nowMs) {
        this.buffer.push(packet(next), this.#nowMs);
        next += 40;
      }
      if (this.buffer.nextDueMs <= this.#nowMs) this.buffer.release(this.#nowMs);
    }
  }

  gaps(fromMs: number): number[] {
    const late = this.out.filter((o) => o.atMs >= fromMs);
    return late.slice(1).map((o, i) => o.atMs - (late[i]?.atMs ?? 0));
  }

  latency(): number {
    const last = this.out.at(-1);
    return last === undefined ? Number.NaN : last.atMs - last.mediaMs;
  }
}

/** Nothing comes for the last 400 ms of each 2 s; then the backlog comes at once. */
function stalling(mediaMs: number): number {
  const inPeriod = mediaMs % 2000;
  return inPeriod > 1600 ? mediaMs - inPeriod + 2000 : mediaMs;
}

describe('in-buffer', () => {
  it('lets no gap over 50 ms out when the publisher stalls 400 ms every 2 s and the start size fits', () => {
    const bench = new Bench({ startSizeMs: 500 });
    bench.run(30_000, stalling);
    expect(Math.max(...bench.gaps(0))).toBeLessThanOrEqual(50);
    expect(bench.out.length).toBeGreaterThan(700);
  });

  it('grows after it ran empty, so that with default settings the same stalls vanish after the first', () => {
    const bench = new Bench();
    bench.run(30_000, stalling);
    expect(Math.max(...bench.gaps(3000))).toBeLessThanOrEqual(50);
    expect(bench.buffer.underruns).toBe(1);
  });

  it('keeps every packet, in order', () => {
    const bench = new Bench();
    bench.run(20_000, stalling);
    bench.buffer.flush();
    expect(bench.out.map((o) => o.mediaMs)).toEqual(bench.out.map((_, i) => i * 40));
    expect(bench.buffer.queuedBytes).toBe(0);
  });

  it('stops growing when it may not buffer again: gaps go through', () => {
    const bench = new Bench({ maxBufferings: 0 });
    bench.run(20_000, stalling);
    expect(Math.max(...bench.gaps(5000))).toBeGreaterThan(90);
    expect(bench.buffer.state).toBe('PLAYING');
  });

  it('passes through for good once the media lags the clock by the threshold', () => {
    const bench = new Bench({ inputDelayThresholdMs: 3000 });
    bench.run(10_000, (ms) => (ms < 4000 ? ms : ms + 3500));
    expect(bench.buffer.state).toBe('PASSTHROUGH');
    bench.run(20_000, (ms) => ms, 10_000);
    expect(bench.buffer.state).toBe('PASSTHROUGH');
    expect(bench.latency()).toBeLessThanOrEqual(1);
    expect(bench.buffer.queuedBytes).toBe(0);
  });

  it('never passes through by default, however late the media', () => {
    const bench = new Bench();
    bench.run(20_000, (ms) => (ms < 4000 ? ms : ms + 9000));
    expect(bench.buffer.state).not.toBe('PASSTHROUGH');
  });

  it('wears an excess down by faster play-out, without losing a packet', () => {
    const bench = new Bench();
    // The first second of media comes 3 s late, then all of it at once: 3 s too much are held from then on.
    bench.run(60_000, (ms) => (ms > 1000 && ms < 8000 ? Math.max(ms, 5000) : ms > 1000 ? ms - 3000 : ms));
    expect(bench.latency()).toBeLessThan(0);
    expect(bench.buffer.dropped).toBe(0);
    expect(bench.out.map((o) => o.mediaMs)).toEqual(bench.out.map((_, i) => i * 40));
    const fill = bench.out.at(-1);
    expect((fill?.mediaMs ?? 0) - 60_000).toBeGreaterThan(3000 - DEFAULT_IN_BUFFER_OPTIONS.maxSizeMs - 100);
  });

  it('drops what is over the maximum size at the threshold, and goes on with a key frame', () => {
    const bench = new Bench({ clearThresholdMs: 6000 });
    for (let ms = 0; ms < 9000; ms += 40) bench.buffer.push(packet(ms), 0);
    expect(bench.buffer.dropped).toBeGreaterThan(50);
    bench.buffer.flush();
    const first = bench.out.findIndex((o, i) => i > 0 && o.mediaMs - (bench.out[i - 1]?.mediaMs ?? 0) > 40);
    expect((bench.out[first]?.mediaMs ?? 1) % 2000).toBe(0);
  });

  it('goes on at once after a jump of the content', () => {
    const bench = new Bench();
    bench.run(3000, (ms) => ms);
    bench.run(6000, (ms) => ms - 5000, 8000);
    expect(Math.max(...bench.gaps(0))).toBeLessThan(400);
    expect(bench.out.at(-1)?.mediaMs).toBeGreaterThan(10_000);
  });

  it('does not hold the packets of a source that pauses', () => {
    const bench = new Bench();
    bench.buffer.push(packet(0), 0);
    expect(bench.buffer.nextDueMs).toBe(300);
    bench.buffer.release(300);
    expect(bench.out).toHaveLength(1);
  });
});
