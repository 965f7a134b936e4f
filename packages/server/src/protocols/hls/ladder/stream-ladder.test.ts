import { MediaPlaylistLinter } from '@sluice/media';
import { describe, expect, test, vi } from 'vitest';
import {
  type Acceptance,
  type Adaptations,
  type AdaptedStream,
  MediaServerError,
  playerAcceptance,
  type Rendition,
  type Renditions,
  Stream,
} from '../../../core/index.ts';
import { resolveHlsOptions } from '../options.ts';
import {
  type FeedOptions,
  fakeCounters,
  fakeLog,
  feed as feedAny,
  PUBLISHER,
  packet,
  VIDEO,
} from '../testing/fakes.ts';
import { StreamLadder } from './stream-ladder.ts';

const PICTURE = {
  ...VIDEO,
  parameters: [Buffer.from('6742c01ed900a02ff97011000003000100000300320f162e48', 'hex'), Uint8Array.of(0x68, 0xce)],
};

function feed(stream: Stream, options: FeedOptions): void {
  feedAny(stream, { video: PICTURE, ...options });
}

const PLAYER = playerAcceptance({ video: new Set(['h264']), audio: new Set(['aac']), startAt: 'oldest' });

function rendition(name: string, height: number): Rendition {
  const original = name === 'original';
  const videoOutput = original ? undefined : { height };
  return {
    name,
    acceptance: { ...PLAYER, key: name, videoOutput },
    original,
    size: { width: height * 2, height },
    bandwidthBps: height * 2000,
    fps: 25,
    estimatedCores: original ? 0 : 0.1,
  };
}

/** A ladder of three qualities; the streams of those that are made are published by the test. */
function setUp({ full = false } = {}) {
  const source = new Stream('cam');
  source.attachPublisher(PUBLISHER);
  const made = new Map<string, Stream>();
  const released: string[] = [];
  const lost: { [key: string]: string } = {};
  const adaptations = {
    lease(stream: Stream, acceptance: Acceptance): AdaptedStream {
      const given = acceptance.key === 'original' ? stream : new Stream(stream.name);
      if (given !== stream) given.attachPublisher(PUBLISHER);
      made.set(acceptance.key, given);
      const dispose = (): void => void released.push(acceptance.key);
      return {
        ...{ stream: given, source: stream, acceptance, [Symbol.dispose]: dispose },
        get leftOut() {
          const video = lost[acceptance.key];
          return video === undefined ? {} : { video };
        },
      };
    },
  } as unknown as Adaptations;
  const renditions: Renditions = {
    enabled: () => true,
    ladder: () => undefined,
    thinner: () => [],
    admit: () => {
      if (full) throw new MediaServerError('TRANSCODING_LIMIT', 'no cores are free');
    },
  };
  const ladder = {
    renditions: [rendition('original', 720), rendition('480', 480), rendition('a 240', 240)],
    estimatedCores: 0.2,
    freeCores: 1,
    notes: [],
  };
  const deps = { adaptations, renditions, log: fakeLog(), counters: fakeCounters() };
  const options = resolveHlsOptions({});
  const all = new StreamLadder(source, ladder, deps, options);
  all.start();
  const quality = (name: string): Stream => made.get(name) ?? new Stream('none');
  return { all, source, quality, released, lost };
}

/** Media sequence numbers with the times at which segments begin, and whether they are discontinuous. */
function places(playlist: string): string[] {
  let msn = Number(/MEDIA-SEQUENCE:(\d+)/.exec(playlist)?.[1]);
  const found: string[] = [];
  let flags = '';
  let date = '';
  for (const line of playlist.split('\n')) {
    if (line === '#EXT-X-DISCONTINUITY') flags += ' discontinuity';
    if (line === '#EXT-X-GAP') flags += ' gap';
    if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) date = line.slice(25);
    if (!line.startsWith('#EXTINF')) continue;
    found.push(`${msn++} ${date}${flags}`);
    flags = '';
  }
  return found;
}

const video = { query: '', track: 'video' } as const;

describe('a ladder', () => {
  test('has a master playlist of its qualities and one rendition of sound', () => {
    const { all, source } = setUp();
    feed(source, { fromMs: 0, toMs: 3000, videoBytes: 20_000 });
    expect(all.masterPlaylist('?t=1').split('\n')).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      '#EXT-X-INDEPENDENT-SEGMENTS',
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,URI="audio/audio.m3u8?t=1"',
      expect.stringMatching(
        /^#EXT-X-STREAM-INF:BANDWIDTH=40\d{5},AVERAGE-BANDWIDTH=40\d{5},CODECS="avc1.42C01E,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO="audio"$/,
      ),
      'original/original.m3u8?t=1',
      '#EXT-X-STREAM-INF:BANDWIDTH=960000,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=960x480,FRAME-RATE=25.000,AUDIO="audio"',
      '480/480.m3u8?t=1',
      '#EXT-X-STREAM-INF:BANDWIDTH=480000,CODECS="avc1.64001E,mp4a.40.2",RESOLUTION=480x240,FRAME-RATE=25.000,AUDIO="audio"',
      'a%20240/a%20240.m3u8?t=1',
      '',
    ]);
  });

  test('cuts all qualities at the same times under the same numbers, however late their pictures are', () => {
    const { all, source, quality } = setUp();
    feed(source, { fromMs: 0, toMs: 3000, gopMs: 1000 });
    const low = all.open('480', 0);
    // It begins in the middle: with the newest key frame.
    feed(quality('480'), { fromMs: 2000, toMs: 2400, gopMs: 1000 });
    for (let ms = 3000; ms < 9000; ms += 1000) {
      feed(source, { fromMs: ms, toMs: ms + 1000 });
      // 600 ms later.
      for (let lateMs = ms - 600; lateMs < ms + 400; lateMs += 40) {
        quality('480').publish(packet(PICTURE, lateMs, lateMs % 1000 === 0));
      }
    }
    const original = places(all.leader.mediaPlaylist(video));
    const made = places(low?.packager.mediaPlaylist(video) ?? '');
    expect(original).toHaveLength(4);
    expect(made).toEqual(original.slice(1));
    expect(places(all.leader.mediaPlaylist({ query: '', track: 'audio' }))).toEqual(original);
  });

  test('lists a quality that is first asked for long after the ladder began', () => {
    const clock = vi.spyOn(Date, 'now').mockReturnValue(1_700_000_000_000);
    const { all, source, quality } = setUp();
    feed(source, { fromMs: 0, toMs: 60_000 });
    clock.mockReturnValue(1_700_000_060_000);
    const low = all.open('480', 0);
    clock.mockRestore();
    feed(quality('480'), { fromMs: 58_000, toMs: 60_000 });
    for (const stream of [source, quality('480')]) feed(stream, { fromMs: 60_000, toMs: 65_000 });
    expect(places(low?.packager.mediaPlaylist(video) ?? '')).toEqual(places(all.leader.mediaPlaylist(video)).slice(-3));
  });

  test('waits with pictures until the leader has decided where they belong', () => {
    const { all, source, quality } = setUp();
    feed(source, { fromMs: 0, toMs: 1000 });
    const low = all.open('480', 0);
    feed(quality('480'), { fromMs: 0, toMs: 6000, gopMs: 1000 });
    expect(low?.packager.position()?.part).toBe(1);
    feed(source, { fromMs: 1000, toMs: 5000 });
    expect(places(low?.packager.mediaPlaylist(video) ?? '')).toEqual(places(all.leader.mediaPlaylist(video)));
  });

  test('has what is asked for long after it began at once, though numbers fall behind the clock', () => {
    const clock = vi.spyOn(Date, 'now').mockReturnValue(1_000_000);
    const { all, source, quality } = setUp();
    feed(source, { fromMs: 0, toMs: 60_000 });
    clock.mockReturnValue(1_060_000);
    const low = all.open('480', 0);
    clock.mockRestore();
    feed(quality('480'), { fromMs: 58_000, toMs: 60_000 });
    feed(source, { fromMs: 60_000, toMs: 64_000 });
    feed(quality('480'), { fromMs: 60_000, toMs: 63_000 });
    const original = places(all.leader.mediaPlaylist(video));
    const made = places(low?.packager.mediaPlaylist(video) ?? '');
    expect(made.length).toBeGreaterThan(0);
    expect(original).toEqual(expect.arrayContaining(made));
  });

  test('keeps numbers and discontinuities the same over a restart of the source', () => {
    const { all, source, quality } = setUp();
    const low = all.open('480', 0);
    for (const stream of [source, quality('480')]) feed(stream, { fromMs: 0, toMs: 3000 });
    for (const stream of [source, quality('480')]) {
      stream.detachPublisher(PUBLISHER);
      stream.attachPublisher(PUBLISHER);
    }
    for (const stream of [source, quality('480')]) feed(stream, { fromMs: 500, toMs: 5000 });
    const original = places(all.leader.mediaPlaylist(video));
    expect(original.map((place) => place.split(' ')[2])).toEqual([undefined, undefined, 'discontinuity', undefined]);
    expect(places(low?.packager.mediaPlaylist(video) ?? '')).toEqual(original);
  });

  test('has gaps where nothing came of a quality, so that numbers stay the same', () => {
    const { all, source, quality } = setUp();
    const low = all.open('480', 0);
    feed(source, { fromMs: 0, toMs: 3000 });
    feed(quality('480'), { fromMs: 0, toMs: 1000 });
    feed(source, { fromMs: 3000, toMs: 9100 });
    feed(quality('480'), { fromMs: 6000, toMs: 9100 });
    const original = places(all.leader.mediaPlaylist(video));
    const made = places(low?.packager.mediaPlaylist(video) ?? '');
    expect(made).toEqual([original[0], `${original[1]} gap`, `${original[2]} gap`, original[3]]);
    const playlist = low?.packager.mediaPlaylist(video) ?? '';
    expect(playlist.match(/#EXTINF:.*/g)).toEqual(Array.from(made, () => '#EXTINF:2.000000,'));
    expect(new MediaPlaylistLinter().check(playlist)).toEqual([]);
  });

  test('reports what the other playlists have come to', () => {
    const { all, source, quality } = setUp();
    all.open('480', 0);
    feed(source, { fromMs: 0, toMs: 3600 });
    feed(quality('480'), { fromMs: 0, toMs: 2500 });
    const { msn = 0 } = all.leader.position() ?? {};
    expect(all.find('audio', 0)?.reports()).toEqual([
      { uri: '../original/original.m3u8', msn, part: 2 },
      { uri: '../480/480.m3u8', msn, part: 0 },
    ]);
    expect(
      all
        .find('480', 0)
        ?.reports()
        .map(({ uri }) => uri),
    ).toEqual(['../original/original.m3u8', '../audio/audio.m3u8']);
  });

  test('makes a quality from the first request until nobody asks for it any more', () => {
    const { all, released } = setUp();
    expect(all.find('480', 0)).toBeUndefined();
    expect(all.open('none', 0)).toBeUndefined();
    expect(all.open('480', 1000)?.track).toBe('video');
    expect(all.running).toEqual(['original', '480']);
    all.sweep(15_500);
    expect(all.running).toEqual(['original', '480']);
    all.find('480', 15_500);
    all.sweep(31_000);
    expect([all.running, released]).toEqual([['original'], ['480']]);
    expect([all.sweep(200_000), all.sweep(400_000)]).toEqual([false, true]);
    all.close();
    expect(released).toEqual(['480', 'original']);
  });

  test('lets go of a quality that the machine gave up, says so for a while, and makes it anew then', () => {
    const { all, source, quality, released, lost } = setUp();
    const low = all.open('480', 1000);
    for (const stream of [source, quality('480')]) feed(stream, { fromMs: 0, toMs: 3000 });
    lost['480'] = 'too much for this machine';
    expect(all.sweep(2000)).toBe(false);
    expect([low?.packager.ended, all.running, released]).toEqual([true, ['original'], ['480']]);
    expect(() => all.open('480', 2500)).toThrow('quality 480 was given up: too much for this machine');
    delete lost['480'];
    expect(all.open('480', 12_500)?.packager.ended).toBe(false);
    expect(all.running).toEqual(['original', '480']);
  });

  test('refuses a quality that the machine can not make beside the others', () => {
    const { all } = setUp({ full: true });
    expect(() => all.open('480', 0)).toThrow('no cores are free');
    expect(all.open('original', 0)?.packager).toBe(all.leader);
    expect(all.running).toEqual(['original']);
  });

  test('of a source without sound has no rendition of it', () => {
    const { all, source } = setUp();
    feed(source, { fromMs: 0, toMs: 3000, audio: undefined });
    expect(all.masterPlaylist('')).not.toContain('AUDIO');
  });
});
