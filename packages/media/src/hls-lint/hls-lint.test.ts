import { describe, expect, test } from 'vitest';
import { MediaPlaylistLinter } from './index.ts';

const DATE = Date.UTC(2024, 0, 1);

interface Shape {
  readonly first?: number;
  readonly count?: number;
  readonly growing?: number;
  readonly skipped?: number;
}

/** A good playlist: segments of two seconds with four parts, and the parts of one that grows. */
function good({ first = 100, count = 4, growing = 2, skipped = 0 }: Shape = {}): string {
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:9',
    '#EXT-X-TARGETDURATION:2',
    '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.5',
    '#EXT-X-PART-INF:PART-TARGET=0.5',
    `#EXT-X-MEDIA-SEQUENCE:${first}`,
  ];
  if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}`);
  lines.push('#EXT-X-MAP:URI="i.mp4"');
  const part = (msn: number, index: number) =>
    `#EXT-X-PART:DURATION=0.5,URI="${msn}.${index}.m4s"${index === 0 ? ',INDEPENDENT=YES' : ''}`;
  const date = (msn: number) => `#EXT-X-PROGRAM-DATE-TIME:${new Date(DATE + (msn - 100) * 2000).toISOString()}`;
  const end = first + skipped + count;
  for (let msn = first + skipped; msn < end; msn++) {
    lines.push(date(msn));
    if (msn >= end - 3) for (let index = 0; index < 4; index++) lines.push(part(msn, index));
    lines.push('#EXTINF:2.000000,', `${msn}.m4s`);
  }
  if (growing > 0) lines.push(date(end));
  for (let index = 0; index < growing; index++) lines.push(part(end, index));
  lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${end}.${growing}.m4s"`);
  lines.push('#EXT-X-RENDITION-REPORT:URI="../b/b.m3u8",LAST-MSN=104,LAST-PART=1', '');
  return lines.join('\n');
}

const rules = (...texts: string[]): string[] => {
  const linter = new MediaPlaylistLinter();
  return texts.flatMap((text) => linter.check(text).map(({ rule }) => rule));
};

describe('the linter', () => {
  test('finds nothing in a playlist as it should be, and as it goes on', () => {
    const all = [good(), good({ growing: 3 }), good({ first: 101, growing: 0 }), good({ first: 101, growing: 1 })];
    expect(rules(...all)).toEqual([]);
    expect(rules(good({ count: 9 }), good({ skipped: 3, count: 7, growing: 1 }))).toEqual([]);
    expect(rules('#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\na.ts\n#EXT-X-ENDLIST\n')).toEqual([]);
  });

  const broken: readonly (readonly [rule: string, from: string | RegExp, to: string])[] = [
    ['extm3u', '#EXTM3U\n', ''],
    ['control-characters', '100.m4s', '1\u000700.m4s'],
    ['tag-once', '#EXT-X-VERSION:9', '#EXT-X-VERSION:9\n#EXT-X-VERSION:9'],
    ['target-duration', '#EXT-X-TARGETDURATION:2\n', ''],
    ['target-duration', 'TARGETDURATION:2', 'TARGETDURATION:0'],
    ['version', 'VERSION:9', 'VERSION:5'],
    ['version', /VERSION:9([\s\S]*)#EXTINF/, 'VERSION:7$1#EXT-X-GAP\n#EXTINF'],
    ['tag-order', /(#EXT-X-MEDIA-SEQUENCE:100\n)([\s\S]*100\.m4s\n)/, '$2$1'],
    ['tag-order', '#EXT-X-MAP', '#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-MAP'],
    [
      'tag-before-parts',
      '#EXT-X-PART:DURATION=0.5,URI="104.1.m4s"',
      '#EXT-X-DISCONTINUITY\n#EXT-X-PART:DURATION=0.5,URI="104.1.m4s"',
    ],
    ['extinf', '#EXTINF:2.000000,\n', ''],
    ['extinf-target', 'EXTINF:2.000000', 'EXTINF:2.500000'],
    ['map', '#EXT-X-MAP:URI="i.mp4"\n', ''],
    ['program-date', '00:00:04.000Z', '00:00:04.500Z'],
    ['hold-back', ',HOLD-BACK=6.0', ',HOLD-BACK=5.9'],
    ['can-skip-until', 'CAN-SKIP-UNTIL=12.0', 'CAN-SKIP-UNTIL=11.0'],
    ['part-hold-back', 'PART-HOLD-BACK=1.5', 'PART-HOLD-BACK=0.9'],
    ['part-hold-back', ',PART-HOLD-BACK=1.5', ''],
    ['part-hold-back-3', 'PART-HOLD-BACK=1.5', 'PART-HOLD-BACK=1.1'],
    ['part-inf', '#EXT-X-PART-INF:PART-TARGET=0.5\n', ''],
    ['part', 'DURATION=0.5,URI="104.1.m4s"', 'URI="104.1.m4s"'],
    ['part-too-long', 'DURATION=0.5,URI="104.0.m4s"', 'DURATION=0.501,URI="104.0.m4s"'],
    ['part-too-short', 'DURATION=0.5,URI="103.1.m4s"', 'DURATION=0.42,URI="103.1.m4s"'],
    ['part-sum', 'EXTINF:2.000000,\n103', 'EXTINF:1.900000,\n103'],
    ['hint-after-end', /$/, '#EXT-X-ENDLIST\n'],
    ['hint', 'TYPE=PART,', ''],
    ['hint-listed', 'TYPE=PART,URI="104.2', 'TYPE=PART,URI="104.1'],
    ['skip-unasked', '#EXT-X-MAP', '#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXT-X-MAP'],
    ['skip-count', '#EXT-X-MAP', '#EXT-X-SKIP:\n#EXT-X-MAP'],
    ['skip-boundary', '#EXT-X-MAP', '#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXT-X-MAP'],
    ['skip-not-offered', /CAN-SKIP-UNTIL=12.0,([\s\S]*)#EXT-X-MAP/, '$1#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXT-X-MAP'],
    ['report-uri', 'URI="../b/b.m3u8",', ''],
    ['report-uri', '../b/b.m3u8', 'http://b/b.m3u8'],
    ['report-msn', 'LAST-MSN=104,', ''],
    ['report-part', ',LAST-PART=1', ''],
  ];
  for (const [rule, from, to] of broken) {
    test(`finds "${rule}" where ${String(from).slice(0, 40)} is ${to.slice(0, 40) || 'missing'}`, () => {
      const text = good();
      const changed = text.replace(from, to);
      expect(changed).not.toBe(text);
      expect(rules(changed)).toContain(rule);
    });
  }

  const successors: readonly (readonly [rule: string, before: string, after: string])[] = [
    ['target-changed', good(), good().replace('TARGETDURATION:2', 'TARGETDURATION:3')],
    ['part-target-changed', good(), good().replace('PART-TARGET=0.5', 'PART-TARGET=0.6')],
    ['sequence-back', good(), good({ first: 99, count: 5 })],
    ['end-taken-back', `${good()}#EXT-X-ENDLIST\n`, good()],
    ['end-back', good(), good({ growing: 1 })],
    ['skip-unknown', good(), good({ count: 7, first: 100, skipped: 9 })],
    ['segment-changed', good(), good().replace('\n102.m4s', '\nother.m4s')],
    ['segment-changed', good(), good().replace('EXTINF:2.000000', 'EXTINF:2.010000')],
    ['segment-changed', good(), good().replace('i.mp4', 'j.mp4')],
    ['segment-changed', good(), good().replace('00:00:02.000Z', '00:00:02.050Z')],
    ['discontinuity-sequence', good(), good().replace('#EXT-X-MAP', '#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-MAP')],
    ['parts-changed', good(), good().replace('DURATION=0.5,URI="104.0', 'DURATION=0.49,URI="104.0')],
    ['hint-broken', good(), good({ growing: 3 }).replace('"104.2.m4s"', '"other.m4s"')],
    ['parts-gone', good(), good({ growing: 3 }).replace(/#EXT-X-PART:.*"103.*\n/g, '')],
  ];
  for (const [rule, before, after] of successors) {
    test(`finds "${rule}" between two responses (${after.length})`, () => {
      expect(rules(before)).not.toContain(rule);
      expect(rules(before, after)).toContain(rule);
    });
  }

  test('takes any text without an end', () => {
    for (const text of [
      '',
      '\n\n',
      '#',
      '#EXT-X-SKIP:SKIPPED-SEGMENTS=-1',
      `#EXTM3U\n${'#EXT-X-PART:\n'.repeat(1000)}`,
    ]) {
      const linter = new MediaPlaylistLinter();
      expect(Array.isArray([linter.check(text), linter.check(text)])).toBe(true);
    }
  });
});
