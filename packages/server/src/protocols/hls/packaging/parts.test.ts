import { describe, expect, test, vi } from 'vitest';
import { Stream } from '../../../core/index.ts';
import { HlsPackager, type HlsPackagerOptions } from '../packager.ts';
import type { createMuxer as realCreateMuxer } from '../segment-muxer.ts';
import { AUDIO, fakeCounters, fakeLog, feed, PUBLISHER, packet, VIDEO } from '../testing/fakes.ts';

const WALL_MS = Date.UTC(2024, 0, 1);
const FIRST = WALL_MS / 1000;
const OPTIONS: HlsPackagerOptions = {
  listSize: 3,
  segmentMinMs: 2000,
  maxSegmentMs: 20_000,
  container: 'fmp4',
  maxBytes: 1 << 24,
  lowLatency: true,
  lowLatencyListSize: 12,
  partMs: 500,
  dvrWindowMs: 0,
};

function setUp(options: Partial<HlsPackagerOptions> = {}, before?: HlsPackager) {
  const stream = new Stream('cam');
  stream.attachPublisher(PUBLISHER);
  const log = fakeLog();
  let parts = 0;
  const createMuxer: typeof realCreateMuxer = () => ({
    init: { main: Uint8Array.of(1) },
    accepts: () => true,
    part: () => ({ main: Uint8Array.of(parts++) }),
  });
  const deps = { stream, log, counters: fakeCounters(), wallMs: () => WALL_MS, createMuxer };
  const packager = new HlsPackager(deps, { ...OPTIONS, ...options }, before);
  packager.start();
  return { stream, packager, log };
}

/** Publishes pictures at that rate, their times rounded to milliseconds as RTMP does, with sound beside them. */
function feedAt(stream: Stream, { fps, toMs, gopMs = 2000, sound = true, fromMs = 0 }: Feed): void {
  let soundMs = fromMs;
  let nextKeyMs = fromMs;
  for (let i = 0; fromMs + (i * 1000) / fps < toMs; i++) {
    const ms = fromMs + Math.round((i * 1000) / fps);
    for (; sound && soundMs <= ms; soundMs += 1024 / 48) stream.publish(packet(AUDIO, Math.round(soundMs)));
    const key = ms >= nextKeyMs;
    if (key) nextKeyMs += gopMs;
    stream.publish(packet(VIDEO, ms, key));
  }
}

interface Feed {
  readonly fps: number;
  readonly toMs: number;
  readonly fromMs?: number;
  readonly gopMs?: number;
  readonly sound?: boolean;
}

/** Durations in seconds of the parts that a playlist lists, by segment; the last list is of the one that grows. */
function listedParts(playlist: string): number[][] {
  const segments: number[][] = [[]];
  for (const line of playlist.split('\n')) {
    const duration = /^#EXT-X-PART:DURATION=([\d.]+)/.exec(line)?.[1];
    if (duration !== undefined) segments.at(-1)?.push(Number(duration));
    else if (line.startsWith('#EXTINF')) segments.push([]);
  }
  return segments;
}

const targetOf = (playlist: string) => Number(/PART-TARGET=([\d.]+)/.exec(playlist)?.[1]);

describe('parts', () => {
  for (const fps of [60, 50, 30, 29.97, 25, 24, 15, 12.5, 10, 7, 6, 5, 4, 3]) {
    for (const gopMs of [1000, 2000, 10_000]) {
      test(`of ${fps} pictures a second with a key frame every ${gopMs} ms keep to the part target`, () => {
        const { stream, packager } = setUp();
        feedAt(stream, { fps, gopMs, toMs: 33_000 });
        const playlist = packager.mediaPlaylist({ query: '' });
        const target = targetOf(playlist);
        expect(target).toBeLessThanOrEqual(0.5);
        expect(target).toBeGreaterThan(0.3);
        const segments = listedParts(playlist);
        expect(segments.flat().length).toBeGreaterThan(10);
        for (const parts of segments) {
          for (const [index, part] of parts.entries()) {
            expect(part).toBeLessThanOrEqual(target);
            if (index < parts.length - 1) expect(part).toBeGreaterThanOrEqual(target * 0.85);
          }
        }
      });
    }
  }

  test('of 25 pictures a second come as soon as they are whole', () => {
    const { stream, packager } = setUp();
    const seen: string[] = [];
    for (let ms = 0; ms < 4200; ms += 40) {
      feed(stream, { fromMs: ms, toMs: ms + 40, gopMs: 40, video: undefined });
      stream.publish(packet(VIDEO, ms, ms % 2000 === 0));
      const place = packager.position();
      const text = place && `${place.msn - FIRST}.${place.part} at ${ms}`;
      if (text !== undefined && seen.at(-1)?.split(' ')[0] !== text.split(' ')[0]) seen.push(text);
    }
    expect(seen).toEqual([
      '0.0 at 480',
      '0.1 at 960',
      '0.2 at 1440',
      '0.3 at 1920',
      '0.undefined at 2000',
      '1.0 at 2480',
      '1.1 at 2960',
      '1.2 at 3440',
      '1.3 at 3920',
      '1.undefined at 4000',
    ]);
  });

  test('end at the target when pictures are late, and last no longer when they come', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 4000 });
    feedAt(stream, { fps: 25, fromMs: 4000, toMs: 4200, sound: false });
    // The camera is silent for a while; the sound goes on.
    for (let ms = 4021; ms < 5800; ms += 21) stream.publish(packet(AUDIO, ms));
    expect(packager.position()).toEqual({ msn: FIRST + 2, part: 2 });
    feedAt(stream, { fps: 25, fromMs: 6000, toMs: 6900 });
    const segments = listedParts(packager.mediaPlaylist({ query: '' }));
    expect(segments[2]?.slice(0, 3)).toEqual([0.5, 0.5, 0.5]);
    expect(Math.max(...segments.flat())).toBeLessThanOrEqual(0.5);
  });

  test('are not made of a source whose pictures last longer, which is said once', () => {
    const { stream, packager, log } = setUp();
    feedAt(stream, { fps: 1, gopMs: 2000, toMs: 9500 });
    const playlist = packager.mediaPlaylist({ query: '' });
    expect(playlist).not.toMatch(/PART|PRELOAD/);
    expect(playlist).toContain('CAN-BLOCK-RELOAD=YES');
    expect(playlist.match(/#EXTINF:2\.0/g)).toHaveLength(4);
    expect(packager.partTargetMs).toBeUndefined();
    expect(log.problems).toHaveLength(1);
    expect(log.problems[0]).toContain('1000 ms');
  });

  test('of sound alone are frames of it, all of them places to begin', () => {
    const { stream, packager } = setUp();
    for (let i = 0; i < 400; i++) stream.publish(packet(AUDIO, Math.round((i * 1024) / 48)));
    const playlist = packager.mediaPlaylist({ query: '' });
    const parts = playlist.split('\n').filter((line) => line.startsWith('#EXT-X-PART:'));
    expect(parts.length).toBeGreaterThan(12);
    expect(parts.every((line) => line.endsWith('INDEPENDENT=YES'))).toBe(true);
    for (const segment of listedParts(playlist)) {
      for (const part of segment.slice(0, -1)) expect(part).toBeGreaterThanOrEqual(0.425);
    }
  });

  test('of B-frames are divided in the order of decoding', () => {
    const { stream, packager } = setUp();
    stream.setTrack(AUDIO);
    for (let i = 0; i < 160; i++) {
      const offset = [2, 4, 0, 2][i % 4] ?? 0;
      const dtsUs = i * 40_000 - 80_000;
      const key = i % 50 === 0;
      const ptsUs = key ? dtsUs + 80_000 : dtsUs + offset * 40_000;
      stream.publish({ ...packet(VIDEO, 0, key), dtsUs, ptsUs });
    }
    const segments = listedParts(packager.mediaPlaylist({ query: '' }));
    expect(segments.slice(0, 3)).toEqual([
      [0.48, 0.48, 0.48, 0.48, 0.08],
      [0.48, 0.48, 0.48, 0.48, 0.08],
      [0.48, 0.48, 0.48, 0.48, 0.08],
    ]);
  });
});

describe('a low-latency playlist', () => {
  test('is exactly this', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 10, gopMs: 1000, toMs: 3600 });
    const name = (part: string) => `cam_${part}.m4s?t=1`;
    expect(packager.mediaPlaylist({ query: '?t=1', reports: [{ uri: '../b/b.m3u8', msn: 7, part: 2 }] })).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:9',
        '#EXT-X-TARGETDURATION:2',
        '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.5',
        '#EXT-X-PART-INF:PART-TARGET=0.5',
        `#EXT-X-MEDIA-SEQUENCE:${FIRST}`,
        '#EXT-X-INDEPENDENT-SEGMENTS',
        `#EXT-X-MAP:URI="cam_init_${FIRST}.mp4?t=1"`,
        '#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00.000Z',
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST}.0`)}",INDEPENDENT=YES`,
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST}.1`)}"`,
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST}.2`)}",INDEPENDENT=YES`,
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST}.3`)}"`,
        '#EXTINF:2.000000,',
        name(`${FIRST}`),
        '#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:02.000Z',
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST + 1}.0`)}",INDEPENDENT=YES`,
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST + 1}.1`)}"`,
        `#EXT-X-PART:DURATION=0.5,URI="${name(`${FIRST + 1}.2`)}",INDEPENDENT=YES`,
        `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${name(`${FIRST + 1}.3`)}"`,
        '#EXT-X-RENDITION-REPORT:URI="../b/b.m3u8?t=1",LAST-MSN=7,LAST-PART=2',
        '',
      ].join('\n'),
    );
  });

  test('has parts before the first segment is complete, but is ready for other players only then', () => {
    const { stream, packager } = setUp();
    const calls: string[] = [];
    packager.onceReady(() => calls.push('parts'), { parts: true });
    packager.onceReady(() => calls.push('segment'));
    feedAt(stream, { fps: 25, toMs: 400 });
    expect([packager.partsReady, calls]).toEqual([false, []]);
    feedAt(stream, { fps: 25, fromMs: 400, toMs: 1000, gopMs: 9000 });
    expect([packager.partsReady, packager.ready, calls]).toEqual([true, false, ['parts']]);
    expect(packager.mediaPlaylist({ query: '' })).toContain(`MEDIA-SEQUENCE:${FIRST}\n`);
    feedAt(stream, { fps: 25, fromMs: 2000, toMs: 2100 });
    expect([packager.ready, calls]).toEqual([true, ['parts', 'segment']]);
  });

  test('lists parts within three target durations of its end only', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 20_600 });
    const segments = listedParts(packager.mediaPlaylist({ query: '' }));
    expect(segments.map((parts) => parts.length)).toEqual([0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 1]);
  });

  test('leaves out what ends before the skip boundary when asked to', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 22_600 });
    const whole = packager.mediaPlaylist({ query: '' });
    const delta = packager.mediaPlaylist({ query: '', skip: true });
    expect(whole.match(/#EXTINF/g)).toHaveLength(11);
    expect(delta).toContain('#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n');
    expect(delta.match(/#EXTINF/g)).toHaveLength(6);
    expect(delta).toContain(`#EXT-X-MEDIA-SEQUENCE:${FIRST}\n`);
    expect(whole.endsWith(delta.slice(delta.indexOf('#EXT-X-PROGRAM-DATE-TIME')))).toBe(true);
    packager.stream.end('over');
    expect(packager.mediaPlaylist({ query: '', skip: true })).not.toContain('SKIP:');
    expect(packager.mediaPlaylist({ query: '' })).not.toContain('PRELOAD-HINT');
  });

  test('is rendered once for all who ask at the same time', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 3000 });
    const first = packager.mediaPlaylist({ query: '' });
    const look = vi.spyOn(packager.window, 'listed', 'get');
    expect(packager.mediaPlaylist({ query: '' })).toBe(first);
    expect(look).not.toHaveBeenCalled();
    feedAt(stream, { fps: 25, fromMs: 3000, toMs: 3600, gopMs: 9000 });
    expect(packager.mediaPlaylist({ query: '' })).not.toBe(first);
    expect(look).toHaveBeenCalled();
  });
});

describe('what can be fetched', () => {
  test('are segments, their parts, and the next part once it has come', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 3000 });
    const part = (msn: number, index: number) =>
      packager.media({ kind: 'part', track: 'main', msn: FIRST + msn, part: index });
    const segment = (msn: number) => packager.media({ kind: 'segment', track: 'main', msn: FIRST + msn });
    expect(segment(0)).toHaveLength(5);
    expect([part(0, 0), part(0, 4)].map((found) => found?.length)).toEqual([1, 1]);
    expect(segment(0)?.at(0)).toBe(part(0, 0)?.at(0));
    expect([part(0, 5), part(1, 2), part(1, 3), part(2, 0), segment(1), segment(2)]).toEqual([
      undefined,
      'coming',
      undefined,
      undefined,
      'coming',
      undefined,
    ]);
    expect(packager.media({ kind: 'init', track: 'main', msn: FIRST })).toHaveLength(1);
    stream.end('over');
    expect([segment(1)?.length, part(1, 3)]).toEqual([3, undefined]);
  });

  test('is waited for by segment or by part, and a part too many means the next segment', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 3000 });
    const calls: string[] = [];
    const wait = (msn: number, part?: number) =>
      packager.onceAvailable(FIRST + msn, part, () => calls.push(`${msn}.${part}`));
    expect([wait(0), wait(0, 4), wait(0, 9), wait(1, 1)]).toEqual([undefined, undefined, undefined, undefined]);
    wait(1, 2);
    wait(1);
    wait(1, 7);
    wait(2, 0);
    wait(1, 2)?.[Symbol.dispose]();
    feedAt(stream, { fps: 25, fromMs: 3000, toMs: 3500, gopMs: 9000 });
    expect(calls).toEqual(['1.2']);
    feedAt(stream, { fps: 25, fromMs: 4000, toMs: 4100 });
    expect(calls).toEqual(['1.2', '1.undefined']);
    feedAt(stream, { fps: 25, fromMs: 4100, toMs: 4600, gopMs: 9000 });
    expect(calls).toEqual(['1.2', '1.undefined', '1.7', '2.0']);
    wait(9);
    packager.close();
    expect(calls.at(-1)).toBe('9.undefined');
  });

  test('what no client could know of is far ahead', () => {
    const { stream, packager } = setUp();
    feedAt(stream, { fps: 25, toMs: 3000 });
    const far = (msn: number, part?: number) => packager.farAhead(FIRST + msn, part);
    expect([far(1), far(2), far(3), far(2, 0), far(1, 4), far(1, 5)]).toEqual(Array(6).fill(false));
    expect([far(4), far(1, 30), far(2, 1e6), far(1e9), far(-1)]).toEqual([true, true, true, true, false]);
  });
});
