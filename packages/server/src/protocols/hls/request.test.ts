import { describe, expect, test } from 'vitest';
import { safeQuery } from './playlist.ts';
import { parseDirectives, parseRange, parseTarget, withoutDirectives } from './request.ts';

describe('parseTarget', () => {
  const file = { streamName: 's', variant: undefined, track: 'main', part: undefined };

  test('reads playlists, manifests and files of media', () => {
    expect(parseTarget('/s/s.m3u8')).toEqual({ kind: 'media', streamName: 's' });
    expect(parseTarget('/s/index.m3u8')).toEqual({ kind: 'master', streamName: 's' });
    expect(parseTarget('/s/s.mpd')).toEqual({ kind: 'manifest', streamName: 's' });
    expect(parseTarget('/s/s_12.m4s')).toEqual({ ...file, kind: 'segment', number: 12 });
    expect(parseTarget('/s/s_12.ts')).toEqual({ ...file, kind: 'segment', number: 12 });
    expect(parseTarget('/s/s_12.3.m4s')).toEqual({ ...file, kind: 'part', number: 12, part: 3 });
    expect(parseTarget('/s/s_init_3.mp4')).toEqual({ ...file, kind: 'init', number: 3 });
    expect(parseTarget('/s/s_v_12.m4s')).toEqual({ ...file, kind: 'segment', number: 12, track: 'video' });
    expect(parseTarget('/s/s_a_12.0.m4s')).toEqual({ ...file, kind: 'part', number: 12, part: 0, track: 'audio' });
    expect(parseTarget('/s/s_a_init_3.mp4')).toEqual({ ...file, kind: 'init', number: 3, track: 'audio' });
  });

  test('reads the qualities of a stream, of a source by its address too', () => {
    for (const name of ['s', 'rtsp://a/b?c=d']) {
      const folder = encodeURIComponent(`${name}-HLS-ABR-STREAM`);
      const stem = encodeURIComponent(name);
      expect(parseTarget(`/${folder}/${folder}.m3u8`)).toEqual({ kind: 'ladder', streamName: name });
      const variant = { streamName: name, variant: '180' };
      expect(parseTarget(`/${folder}/180/180.m3u8`)).toEqual({ kind: 'variant', ...variant });
      const part = { ...file, ...variant, kind: 'part', number: 7, part: 1, track: 'video' };
      expect(parseTarget(`/${folder}/180/${stem}_v_7.1.m4s`)).toEqual(part);
      expect(parseTarget(`/${folder}/180/other.m3u8`)).toBeUndefined();
      expect(parseTarget(`/${folder}/180/180/180.m3u8`)).toBeUndefined();
    }
    expect(parseTarget('/-HLS-ABR-STREAM/-HLS-ABR-STREAM.m3u8')).toBeUndefined();
  });

  test('decodes each part on its own', () => {
    const name = 'vod-live://a b.mp4';
    const part = encodeURIComponent(name);
    expect(parseTarget(`/${part}/${part}.m3u8`)).toEqual({ kind: 'media', streamName: name });
  });

  test.each(['/%/x', '/s/%zz.m3u8', '/%ff/%ff.m3u8', '/s/s.m3u8/%'])('%s is malformed', (path) => {
    expect(parseTarget(path)).toBe('malformed');
  });

  test.each([
    '/',
    '',
    '/s',
    '/s/',
    '/s/t.m3u8',
    '//.m3u8',
    '/s/s_.m4s',
    '/s/s_-1.m4s',
    '/s/s_1.-1.m4s',
    '/s/s_1.1234567.m4s',
    '/s/s_x_1.m4s',
    '/s/s/s_1.m4s',
    '/s/../s.m3u8',
    '/s/s.m3u8/',
  ])('%s is nothing', (path) => expect(parseTarget(path)).toBeUndefined());
});

test.each([
  ['bytes=0-9', { first: 0, last: 9 }],
  ['bytes=90-', { first: 90, last: 99 }],
  ['bytes=90-1000', { first: 90, last: 99 }],
  ['bytes=-10', { first: 90, last: 99 }],
  ['bytes=-1000', { first: 0, last: 99 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=5-4', undefined],
  ['bytes=-', undefined],
  ['bytes=0-1,3-4', undefined],
  ['lines=0-1', undefined],
  [undefined, undefined],
])('range %s of 100 bytes', (header, expected) => {
  expect(parseRange(header, 100)).toEqual(expected);
});

test('a query can not leave its line or its quotes', () => {
  expect(safeQuery('')).toBe('');
  expect(safeQuery('a=1&b=%20')).toBe('?a=1&b=%20');
  expect(safeQuery('a="\n#\r<ÿ')).toBe('?a=%22%0A%23%0D%3C%FF');
});

describe('directives of a query', () => {
  test.each([
    ['', undefined, undefined, false],
    ['token=1', undefined, undefined, false],
    ['_HLS_msn=5', 5, undefined, false],
    ['token=1&_HLS_msn=0&_HLS_part=7&_HLS_skip=YES', 0, 7, true],
    ['_HLS_skip=v2', undefined, undefined, true],
    ['_HLS_start_offset=1', undefined, undefined, false],
  ])('%s', (query, msn, part, skip) => expect(parseDirectives(query)).toEqual({ msn, part, skip }));

  test.each([
    '_HLS_msn=',
    '_HLS_msn',
    '_HLS_msn=-1',
    '_HLS_msn=1.5',
    '_HLS_msn=1e9',
    '_HLS_msn=0x10',
    '_HLS_msn=9999999999999999',
    '_HLS_msn=%31',
    '_HLS_msn=1&_HLS_msn=1',
    '_HLS_part=1',
    '_HLS_msn=1&_HLS_part=x',
    '_HLS_skip=no',
  ])('%s is malformed', (query) => expect(parseDirectives(query)).toBe('malformed'));

  test('are taken out, and nothing else', () => {
    expect(withoutDirectives('token=1&_HLS_msn=2&x=_HLS_y&_HLS_part=3')).toBe('token=1&x=_HLS_y');
    expect(withoutDirectives('_HLS_msn=2')).toBe('');
  });
});
