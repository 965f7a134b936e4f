import { describe, expect, test } from 'vitest';
import { Stream } from '../../../core/index.ts';
import { resolveHlsOptions } from '../options.ts';
import { HlsPackager } from '../packager.ts';
import type { createMuxer as realCreateMuxer } from '../segment-muxer.ts';
import { fakeCounters, fakeLog, feed, PUBLISHER } from '../testing/fakes.ts';

const WALL_MS = Date.UTC(2024, 0, 1);
const FIRST = WALL_MS / 1000;

function setUp() {
  const stream = new Stream('a b');
  stream.attachPublisher(PUBLISHER);
  let inits = 0;
  const createMuxer: typeof realCreateMuxer = () => ({
    init: { video: Uint8Array.of(++inits), audio: Uint8Array.of(inits) },
    accepts: () => true,
    part: (_sequence, cut) => ({
      video: new Uint8Array(cut.video.length * 1000),
      ...(cut.audio.length > 0 && { audio: new Uint8Array(cut.audio.length * 100) }),
    }),
  });
  const deps = { stream, log: fakeLog(), counters: fakeCounters(), wallMs: () => WALL_MS, createMuxer };
  const packager = new HlsPackager({ ...deps, form: 'split' }, resolveHlsOptions({}));
  packager.start();
  return { stream, packager };
}

describe('a manifest', () => {
  test('is exactly this', () => {
    const { stream, packager } = setUp();
    feed(stream, { fromMs: 0, toMs: 4600, gopMs: 2000 });
    const set = (track: 'video' | 'audio', id: number, bandwidth: number, rest: string) => [
      `    <AdaptationSet id="${id}" contentType="${track}" mimeType="${track}/mp4" segmentAlignment="true" startWithSAP="1">`,
      `      <ProducerReferenceTime id="${id}" type="encoder" wallClockTime="2024-01-01T00:00:00.000Z" presentationTime="0">`,
      '        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2024-01-01T00:00:00.000Z"/>',
      '      </ProducerReferenceTime>',
      `      <SegmentTemplate timescale="1000000" presentationTimeOffset="0" startNumber="${FIRST}"` +
        ` initialization="a%20b_${track[0]}_init_${FIRST}.mp4?t=1&amp;u=2" media="a%20b_${track[0]}_$Number$.m4s?t=1&amp;u=2"` +
        ' availabilityTimeOffset="1.5" availabilityTimeComplete="false">',
      '        <SegmentTimeline>',
      '          <S t="0" d="2000000" r="2"/>',
      '        </SegmentTimeline>',
      '      </SegmentTemplate>',
      `      <Representation id="${track}" bandwidth="${bandwidth}" ${rest}/>`,
      '    </AdaptationSet>',
    ];
    expect(packager.mpd('?t=1&u=2').split('\n')).toEqual([
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019"' +
        ' type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" publishTime="2024-01-01T00:00:00.000Z"' +
        ' timeShiftBufferDepth="PT4S" maxSegmentDuration="PT2S" minBufferTime="PT0.5S"' +
        ' suggestedPresentationDelay="PT2S" minimumUpdatePeriod="PT0.5S">',
      '  <ServiceDescription id="0">',
      '    <Latency referenceId="0" target="2000" min="1000" max="6000"/>',
      '    <PlaybackRate min="0.96" max="1.04"/>',
      '  </ServiceDescription>',
      `  <Period id="p0-${FIRST}" start="PT${FIRST}S">`,
      ...set('video', 0, 200_000, 'codecs="avc1.42C01E"'),
      ...set('audio', 1, 20_000, 'codecs="mp4a.40.2"'),
      '  </Period>',
      '  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="2024-01-01T00:00:00.000Z"/>',
      '</MPD>',
      '',
    ]);
  });

  test('tells segments of different durations with their times', () => {
    const { stream, packager } = setUp();
    for (const [fromMs, toMs] of [
      [0, 2400],
      [2400, 4400],
      [4400, 7400],
      [7400, 8000],
    ] as const) {
      feed(stream, { fromMs, toMs, gopMs: 9000 });
    }
    expect(
      packager
        .mpd('')
        .match(/<S [^>]*>/g)
        ?.slice(0, 4),
    ).toEqual([
      '<S t="0" d="2400000"/>',
      '<S t="2400000" d="2000000"/>',
      '<S t="4400000" d="3000000" r="1"/>',
      '<S t="0" d="2400000"/>',
    ]);
  });

  test('has a period for each publication, which stays where it began', () => {
    const { stream, packager } = setUp();
    feed(stream, { fromMs: 0, toMs: 3000 });
    stream.detachPublisher(PUBLISHER);
    stream.attachPublisher(PUBLISHER);
    feed(stream, { fromMs: 60_000, toMs: 63_000 });
    const periods = (): string[] => packager.mpd('').match(/<Period [^>]*>/g) ?? [];
    const offsets = (): string[] => packager.mpd('').match(/presentationTimeOffset="\d+"/g) ?? [];
    const [first, second] = periods();
    expect([first, second]).toEqual([
      expect.stringContaining(`id="p0-${FIRST}"`),
      expect.stringMatching(/id="p1-\d+" start="PT/),
    ]);
    expect(offsets()[2]).toBe('presentationTimeOffset="60000000"');
    feed(stream, { fromMs: 63_000, toMs: 95_000 });
    expect(periods()).toEqual([second]);
    expect(offsets()).toEqual(Array(2).fill('presentationTimeOffset="60000000"'));
  });

  test('of a stream that is over tells where it ends, and no other time to ask again', () => {
    const { stream, packager } = setUp();
    feed(stream, { fromMs: 0, toMs: 3000 });
    stream.end('over');
    expect(packager.mpd('')).toContain(`mediaPresentationDuration="PT${FIRST + 2}.993S"`);
    expect(packager.mpd('')).not.toContain('minimumUpdatePeriod');
  });

  test('of pictures alone has them alone', () => {
    const { stream, packager } = setUp();
    feed(stream, { fromMs: 0, toMs: 3000, audio: undefined });
    expect(packager.mpd('').match(/contentType="\w+"/g)).toEqual(['contentType="video"']);
  });
});
