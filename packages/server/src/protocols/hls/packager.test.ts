import type { Track } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { Stream } from '../../core/index.ts';
import { type Cut, isSameTrack } from './cut.ts';
import { HlsPackager, type HlsPackagerOptions } from './packager.ts';
import type { createMuxer as realCreateMuxer } from './segment-muxer.ts';
import { AUDIO, fakeCounters, fakeLog, feed, PUBLISHER, packet, VIDEO } from './testing/fakes.ts';

const WALL_MS = Date.UTC(2024, 0, 1);
const OPTIONS: HlsPackagerOptions = {
  listSize: 3,
  segmentMinMs: 2000,
  maxSegmentMs: 10_000,
  container: 'fmp4',
  maxBytes: 1 << 20,
  lowLatency: false,
  lowLatencyListSize: 3,
  partMs: 500,
  dvrWindowMs: 0,
};

function setUp(options: Partial<HlsPackagerOptions> = {}, before?: HlsPackager, stream = new Stream('a b')) {
  const cuts: Cut[] = [];
  const log = fakeLog();
  const counters = fakeCounters();
  const createMuxer: typeof realCreateMuxer = (_kind, { tracks }) => ({
    init: { main: Uint8Array.of(1) },
    accepts: (next) => isSameTrack(next.video, tracks.video) && isSameTrack(next.audio, tracks.audio),
    part: (_sequence, cut) => {
      cuts.push(cut);
      return { main: new Uint8Array(cut.packets.reduce((sum, p) => sum + p.byteLength, 0)) };
    },
  });
  if (stream.publisher === undefined) stream.attachPublisher(PUBLISHER);
  const packager = new HlsPackager(
    { stream, log, counters, wallMs: () => WALL_MS, createMuxer },
    { ...OPTIONS, ...options },
    before,
  );
  return { stream, packager, cuts, log, counters };
}

const durations = (cuts: readonly Cut[]) => cuts.map((c) => c.durationUs / 1000);
const linesOf = (playlist: string, tag: string) => playlist.split('\n').filter((line) => line.startsWith(tag));
const changed = (track: Track): Track => ({
  ...track,
  parameters: [Uint8Array.of(0x67, 9, 9, 9), ...track.parameters],
});

describe('cutting', () => {
  test('a segment ends at the first key frame after the minimum', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 9100, gopMs: 1200 });
    expect(durations(cuts)).toEqual([2400, 2400, 2400]);
    expect(cuts.every((c) => c.independent && c.video[0]?.packet.key)).toBe(true);
    expect(cuts.slice(1).some((c) => c.discontinuity)).toBe(false);
  });

  test('a source that sends no key frame by itself is asked for one when a segment could end', () => {
    const stream = new Stream('asked');
    let asked = 0;
    stream.attachPublisher({ ...PUBLISHER, requestKeyFrame: () => asked++ });
    const { packager } = setUp({}, undefined, stream);
    packager.start();
    feed(stream, { fromMs: 0, toMs: 1900, gopMs: 60_000 });
    expect(asked).toBe(0);
    for (let ms = 1900; ms < 2100; ms += 40) stream.publish(packet(VIDEO, ms, false));
    expect(asked).toBe(1);
  });

  test('a key frame one rounded millisecond early still counts', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    stream.setTrack(AUDIO);
    for (const ms of [0, 1000, 1999, 3999]) stream.publish(packet(VIDEO, ms));
    expect(durations(cuts)).toEqual([1999, 2000]);
  });

  test('sample durations lead from each packet to the next one of its track', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 4100 });
    const [first] = cuts;
    expect(first?.video).toHaveLength(50);
    expect(first?.audio).toHaveLength(50);
    expect([...(first?.video ?? []), ...(first?.audio ?? [])].every((s) => s.durationUs === 40_000)).toBe(true);
  });

  test('without a key frame a segment is cut at the bound and the playlist does not claim independence', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 25_000, gopMs: 60_000 });
    expect(durations(cuts)).toEqual([10_000, 10_000]);
    expect(cuts.map((c) => c.independent)).toEqual([true, false]);
    expect(packager.mediaPlaylist({ query: '' })).not.toContain('INDEPENDENT');
    expect(packager.mediaPlaylist({ query: '' })).toContain('#EXT-X-TARGETDURATION:10\n');
  });

  test('a segment with too many bytes is cut wherever it is', () => {
    const { stream, packager, cuts } = setUp({ maxBytes: 40_000 });
    packager.start();
    feed(stream, { fromMs: 0, toMs: 1000, videoBytes: 5000 });
    expect(cuts.length).toBeGreaterThan(5);
    expect(cuts.every((c) => c.packets.reduce((sum, p) => sum + p.byteLength, 0) <= 10_000)).toBe(true);
    expect(packager.window.bytes).toBeLessThanOrEqual(40_000);
  });

  test('a flood of tiny packets without advance of time is cut as well', () => {
    const { stream, packager, cuts } = setUp({ maxBytes: 1 << 20 });
    packager.start();
    feed(stream, { fromMs: 0, toMs: 1000, video: undefined });
    for (let i = 0; i < 5000; i++) stream.publish(packet(AUDIO, 1000, true, 1));
    expect(Math.max(...cuts.map((c) => c.packets.length))).toBeLessThan(1100);
    expect(cuts.length).toBeGreaterThan(3);
  });

  test('audio alone is cut by time', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 6100, video: undefined });
    expect(durations(cuts)).toEqual([2000, 2000, 2000]);
    expect(packager.audioOnly).toBe(true);
  });

  test('the second track may be declared up to half a second late without a discontinuity', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 400, audio: undefined });
    feed(stream, { fromMs: 400, toMs: 4000, gopMs: 1600 });
    expect(cuts.map((c) => [c.discontinuity, c.tracks.audio])).toEqual([[false, AUDIO]]);
  });

  test('audio before a video track that is declared late is not the start', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 200, video: undefined });
    feed(stream, { fromMs: 200, toMs: 3000 });
    expect(cuts).toHaveLength(1);
    expect(cuts[0]?.packets[0]?.track).toBe(VIDEO);
    expect(cuts[0]?.startUs).toBe(200_000);
  });

  test('tracks that the container can not hold are left out, which is said once', () => {
    const pcma: Track = { ...AUDIO, codec: 'pcma', parameters: [] };
    const { stream, packager, cuts, log } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 3000, audio: pcma });
    feed(stream, { fromMs: 3000, toMs: 6000, audio: { ...pcma } });
    expect(cuts.length).toBeGreaterThan(0);
    expect(cuts.every((cut) => cut.tracks.video === VIDEO && cut.tracks.audio === undefined)).toBe(true);
    expect(log.problems).toEqual(['sound is G.711 A-law, HLS carries AAC and Opus: it is left out {}']);
    expect(packager.refusal).toBeUndefined();
  });

  test('a transport stream holds H.264 and AAC only', () => {
    const opus: Track = { ...AUDIO, codec: 'opus' };
    const { stream, packager, cuts, log } = setUp({ container: 'ts' });
    packager.start();
    feed(stream, { fromMs: 0, toMs: 3000, audio: opus });
    expect(cuts[0]?.tracks.audio).toBeUndefined();
    expect(log.problems).toEqual([
      'sound is Opus, HLS carries AAC: it is left out (hls_container=fmp4 would carry it) {}',
    ]);
    const fmp4 = setUp();
    fmp4.packager.start();
    feed(fmp4.stream, { fromMs: 0, toMs: 3000, audio: opus });
    expect(fmp4.cuts[0]?.tracks.audio).toBe(opus);
    expect(fmp4.log.problems).toEqual([]);
  });

  test('a stream of which nothing can be played is refused as soon as that is sure, and played once it can be', () => {
    const vp8: Track = { ...VIDEO, codec: 'vp8', parameters: [] };
    const speex: Track = { ...AUDIO, codec: 'speex', parameters: [] };
    const { stream, packager, cuts } = setUp();
    const woken: (string | undefined)[] = [];
    packager.onceReady(() => woken.push(packager.refusal));
    packager.start();
    // The picture may be declared a little later.
    feed(stream, { fromMs: 0, toMs: 480, video: undefined, audio: speex });
    expect([packager.refusal, woken]).toEqual([undefined, []]);
    feed(stream, { fromMs: 480, toMs: 560, video: undefined, audio: speex });
    const refusal = 'its sound is Speex, HLS carries H.264, H.265, AV1 and VP9, and AAC and Opus';
    expect([packager.refusal, woken]).toEqual([refusal, [refusal]]);
    // Both are known: there is nothing to wait for.
    feed(stream, { fromMs: 560, toMs: 600, video: vp8, audio: speex });
    expect(packager.refusal).toContain('its picture is VP8 and its sound is Speex');
    stream.detachPublisher(PUBLISHER);
    stream.attachPublisher(PUBLISHER);
    feed(stream, { fromMs: 5000, toMs: 8000 });
    expect([packager.refusal, cuts.length]).toEqual([undefined, 1]);
  });

  test('a packager that starts late begins with all that is cached, so that players find several segments', () => {
    const { stream, packager, cuts } = setUp();
    feed(stream, { fromMs: 0, toMs: 2500 });
    packager.start();
    feed(stream, { fromMs: 3000, toMs: 5100 });
    expect(cuts[0]?.startUs).toBe(0);
    // The first packet is as old as the cache is long.
    expect(packager.window.listed[0]?.programDateMs).toBe(WALL_MS - 2480);
  });
});

describe('changes of a stream', () => {
  test('a new epoch is a discontinuity with its own anchor of time, and the init goes on when the tracks are the same', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 3000 });
    stream.detachPublisher(PUBLISHER);
    stream.attachPublisher(PUBLISHER);
    // The first packets of a publisher may be without a key frame.
    stream.setTrack(VIDEO);
    stream.publish(packet(VIDEO, 60_000, false));
    feed(stream, { fromMs: 61_000, toMs: 63_100 });
    expect(cuts.map((c) => c.discontinuity)).toEqual([false, false, true]);
    expect(durations(cuts)).toEqual([2000, 1000, 2000]);
    const playlist = packager.mediaPlaylist({ query: '' });
    expect(linesOf(playlist, '#EXT-X-DISCONTINUITY')).toEqual(['#EXT-X-DISCONTINUITY']);
    const first = packager.window.listed[0]?.sequence ?? 0;
    expect(linesOf(playlist, '#EXT-X-MAP')).toEqual([`#EXT-X-MAP:URI="a%20b_init_${first}.mp4"`]);
    // The anchor is the packet that came first, though no segment could begin with it.
    expect(packager.window.listed.map((s) => s.programDateMs - WALL_MS)).toEqual([0, 2000, 1000]);
  });

  test('the discontinuity sequence grows when a discontinuity leaves the playlist', () => {
    const { stream, packager } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 3000 });
    stream.detachPublisher(PUBLISHER);
    stream.attachPublisher(PUBLISHER);
    feed(stream, { fromMs: 10_000, toMs: 16_100 });
    expect(packager.mediaPlaylist({ query: '' })).toContain('#EXT-X-DISCONTINUITY\n');
    expect(packager.mediaPlaylist({ query: '' })).not.toContain('#EXT-X-DISCONTINUITY-SEQUENCE');
    feed(stream, { fromMs: 17_000, toMs: 19_100 });
    expect(packager.mediaPlaylist({ query: '' })).not.toContain('#EXT-X-DISCONTINUITY\n');
    expect(packager.mediaPlaylist({ query: '' })).toContain('#EXT-X-DISCONTINUITY-SEQUENCE:1\n');
  });

  test('a changed video configuration begins a new segment at once', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 1000 });
    feed(stream, { fromMs: 1000, toMs: 3100, video: changed(VIDEO) });
    expect(durations(cuts)).toEqual([1000, 2000]);
    expect(cuts.map((c) => c.discontinuity)).toEqual([false, true]);
    const first = packager.window.listed[0]?.sequence ?? 0;
    const playlist = packager.mediaPlaylist({ query: '' });
    expect(playlist).toContain(`#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="a%20b_init_${first + 1}.mp4"\n`);
    expect(linesOf(playlist, '#EXT-X-MAP')).toHaveLength(2);
  });

  test('the same configuration declared anew is no change', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 1000 });
    feed(stream, { fromMs: 1000, toMs: 4100, video: { ...VIDEO, parameters: [...VIDEO.parameters] } });
    expect(durations(cuts)).toEqual([2000, 2000]);
    expect(cuts.some((c) => c.discontinuity)).toBe(false);
  });

  test('changed audio waits for the next key frame', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    const audio = changed(AUDIO);
    feed(stream, { fromMs: 0, toMs: 1520, gopMs: 3000 });
    for (let ms = 1520; ms < 3000; ms += 40) {
      stream.publish(packet(VIDEO, ms, false));
      stream.publish(packet(audio, ms));
    }
    feed(stream, { fromMs: 3000, toMs: 5100, audio });
    expect(durations(cuts)).toEqual([3000, 2000]);
    expect(cuts.map((c) => c.audio.length)).toEqual([38, 50]);
    expect(cuts[1]?.discontinuity).toBe(true);
    expect(cuts[1]?.tracks.audio).toBe(audio);
  });

  test('a segment that can not be muxed is left out and the next one is a discontinuity', () => {
    const stream = new Stream('broken');
    stream.attachPublisher(PUBLISHER);
    const log = fakeLog();
    const counters = fakeCounters();
    let calls = 0;
    const createMuxer = () => ({
      init: undefined,
      accepts: () => true,
      part: () => {
        calls++;
        if (calls === 2 || calls === 3) throw new Error('bad unit');
        return { main: new Uint8Array(1) };
      },
    });
    const packager = new HlsPackager({ stream, log, counters, createMuxer }, OPTIONS);
    packager.start();
    feed(stream, { fromMs: 0, toMs: 8100 });
    expect(packager.window.listed.map((s) => s.discontinuity)).toEqual([false, true]);
    expect(log.problems).toHaveLength(1);
    expect(counters.counts.hls_segments).toBe(2);
  });
});

describe('the playlist', () => {
  test('lists the newest segments, counts on and keeps some for slow clients', () => {
    const { stream, packager } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 40_100 });
    const first = Math.floor(WALL_MS / 1000);
    expect(packager.window.listed.map((s) => s.sequence - first)).toEqual([17, 18, 19]);
    expect(packager.mediaPlaylist({ query: '' })).toContain(`#EXT-X-MEDIA-SEQUENCE:${first + 17}\n`);
    expect(packager.window.segment(first + 12)).toBeDefined();
    expect(packager.window.segment(first + 11)).toBeUndefined();
    expect(packager.window.init(first)).toBeDefined();
  });

  test('is exactly this', () => {
    const { stream, packager } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 4100 });
    const n = Math.floor(WALL_MS / 1000);
    expect(packager.mediaPlaylist({ query: '?token=1' })).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:7',
        '#EXT-X-TARGETDURATION:2',
        `#EXT-X-MEDIA-SEQUENCE:${n}`,
        '#EXT-X-INDEPENDENT-SEGMENTS',
        `#EXT-X-MAP:URI="a%20b_init_${n}.mp4?token=1"`,
        '#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00.000Z',
        '#EXTINF:2.000000,',
        `a%20b_${n}.m4s?token=1`,
        '#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:02.000Z',
        '#EXTINF:2.000000,',
        `a%20b_${n + 1}.m4s?token=1`,
        '',
      ].join('\n'),
    );
  });

  test('the target duration never shrinks', () => {
    const { stream, packager } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 5200, gopMs: 5200 });
    feed(stream, { fromMs: 5200, toMs: 20_000 });
    expect(packager.window.listed.every((s) => s.durationUs === 2_000_000)).toBe(true);
    expect(packager.mediaPlaylist({ query: '' })).toContain('#EXT-X-TARGETDURATION:6\n');
  });

  test('ends with the last, shorter segment when the stream ends', () => {
    const { stream, packager, cuts } = setUp();
    packager.start();
    feed(stream, { fromMs: 0, toMs: 2480 });
    stream.end('over');
    expect(durations(cuts)).toEqual([2000, 480]);
    expect(packager.mediaPlaylist({ query: '' }).endsWith('#EXT-X-ENDLIST\n')).toBe(true);
    expect(stream.readerCount).toBe(0);
  });

  test('a further publication goes on counting, with a discontinuity and only its own segments', () => {
    const one = setUp();
    one.packager.start();
    feed(one.stream, { fromMs: 0, toMs: 4000 });
    one.stream.end('over');
    const before = one.packager.window.nextSequence;
    const two = setUp({}, one.packager);
    two.packager.start();
    expect(two.packager.ready).toBe(false);
    feed(two.stream, { fromMs: 0, toMs: 2100 });
    const [segment] = two.packager.window.listed;
    expect([segment?.sequence, segment?.discontinuity]).toEqual([before, true]);
    expect(two.packager.window.listed).toHaveLength(1);
    expect(two.packager.window.segment(before - 1)).toBeDefined();
    expect(two.packager.mediaPlaylist({ query: '' })).not.toContain('ENDLIST');
  });

  test('waiters are called at the first segment and not after they were disposed', () => {
    const { stream, packager } = setUp();
    packager.start();
    const calls: string[] = [];
    packager.onceReady(() => calls.push('first'));
    packager.onceReady(() => calls.push('second'))[Symbol.dispose]();
    feed(stream, { fromMs: 0, toMs: 4100 });
    expect(calls).toEqual(['first']);
    packager.close();
    expect(stream.readerCount).toBe(0);
  });
});
