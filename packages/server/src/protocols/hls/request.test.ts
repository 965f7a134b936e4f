import { describe, expect, test } from 'vitest';
import { safeQuery } from './playlist.ts';
import { parseRange, parseTarget } from './request.ts';

describe('parseTarget', () => {
  test('reads the four kinds of files', () => {
    expect(parseTarget('/s/s.m3u8')).toEqual({ kind: 'media', streamName: 's' });
    expect(parseTarget('/s/index.m3u8')).toEqual({ kind: 'master', streamName: 's' });
    expect(parseTarget('/s/s_12.m4s')).toEqual({ kind: 'segment', streamName: 's', number: 12 });
    expect(parseTarget('/s/s_12.ts')).toEqual({ kind: 'segment', streamName: 's', number: 12 });
    expect(parseTarget('/s/s_init_3.mp4')).toEqual({ kind: 'init', streamName: 's', number: 3 });
  });

  test('decodes each part on its own', () => {
    const name = 'vod-live://a b.mp4';
    const part = encodeURIComponent(name);
    expect(parseTarget(`/${part}/${part}.m3u8`)).toEqual({ kind: 'media', streamName: name });
  });

  test.each(['/%/x', '/s/%zz.m3u8', '/%ff/%ff.m3u8', '/s/s.m3u8/%'])('%s is malformed', (path) => {
    expect(parseTarget(path)).toBe('malformed');
  });

  test.each(['/', '', '/s', '/s/', '/s/t.m3u8', '//.m3u8', '/s/s_.m4s', '/s/s_-1.m4s', '/s/../s.m3u8', '/s/s.m3u8/'])(
    '%s is nothing',
    (path) => expect(parseTarget(path)).toBeUndefined(),
  );
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
