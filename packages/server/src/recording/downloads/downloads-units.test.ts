import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TestLog } from '../../core/testing/hub.ts';
import { parseRange, preconditionStatus, rangeApplies } from './byte-range.ts';
import { contentDisposition, contentType } from './content.ts';
import { cutName, parseCut } from './cut-request.ts';
import { Cuts } from './cuts.ts';
import { parsePath } from './requested-file.ts';

test.each([
  [undefined, undefined],
  ['bytes=0-9', { first: 0, last: 9 }],
  ['bytes=90-', { first: 90, last: 99 }],
  ['bytes=-10', { first: 90, last: 99 }],
  ['bytes=-1000', { first: 0, last: 99 }],
  ['bytes=50-5000', { first: 50, last: 99 }],
  ['Bytes=1-1', { first: 1, last: 1 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=9-3', undefined],
  ['bytes=0-1,5-6', undefined],
  ['bytes=-', undefined],
  ['items=0-1', undefined],
  ['bytes=a-b', undefined],
])('range %s of 100 bytes is %o', (header, range) => {
  expect(parseRange(header, 100)).toEqual(range);
});

test('every range of an empty file is unsatisfiable', () => {
  expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
  expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable');
});

const FILE = { etag: '"a-1"', modifiedMs: Date.parse('2026-01-02T03:04:05.678Z') };
const DATE = 'Fri, 02 Jan 2026 03:04:05 GMT';
const EARLIER = 'Fri, 02 Jan 2026 03:04:04 GMT';

test.each([
  [{}, undefined],
  [{ 'if-none-match': '"a-1"' }, 304],
  [{ 'if-none-match': '"x", W/"a-1"' }, 304],
  [{ 'if-none-match': '*' }, 304],
  [{ 'if-none-match': '"x"', 'if-modified-since': DATE }, undefined],
  [{ 'if-modified-since': DATE }, 304],
  [{ 'if-modified-since': EARLIER }, undefined],
  [{ 'if-modified-since': 'nonsense' }, undefined],
  [{ 'if-match': '"a-1"' }, undefined],
  [{ 'if-match': 'W/"a-1"' }, 412],
  [{ 'if-match': '"x"' }, 412],
  [{ 'if-unmodified-since': DATE }, undefined],
  [{ 'if-unmodified-since': EARLIER }, 412],
])('conditions %o lead to %s', (headers, status) => {
  expect(preconditionStatus(headers, FILE)).toBe(status);
});

test.each([
  [undefined, true],
  ['"a-1"', true],
  ['W/"a-1"', false],
  ['"x"', false],
  [DATE, true],
  [EARLIER, false],
  ['nonsense', false],
])('If-Range %s means this file: %s', (header, is) => {
  expect(rangeApplies(header, FILE)).toBe(is);
});

test.each([
  ['a/stream.mp4', 'inline;filename="stream.mp4"'],
  ['ü"1.mp4', `inline;filename="__1.mp4";filename*=UTF-8''%C3%BC%221.mp4`],
  ["a'b(1)*.mp4", 'inline;filename="a\'b(1)*.mp4"'],
  ['100%25.mp4', `inline;filename="100_25.mp4";filename*=UTF-8''100%2525.mp4`],
  ["日'本.mp4", `inline;filename="_'_.mp4";filename*=UTF-8''%E6%97%A5%27%E6%9C%AC.mp4`],
])('%s is named %s', (name, header) => {
  expect(contentDisposition('inline', name)).toBe(header);
});

test.each([
  ['a.mp4', false, 'video/mp4'],
  ['a.mp4', true, 'audio/mp4'],
  ['A.WEBM', false, 'video/webm'],
  ['a.mkv', false, 'video/x-matroska'],
  ['a.ts', true, 'video/mp2t'],
  ['a.html', false, 'application/octet-stream'],
  ['a', false, 'application/octet-stream'],
])('%s (sound alone: %s) is of type %s', (name, soundOnly, type) => {
  expect(contentType(name, soundOnly)).toBe(type);
});

test.each([
  ['', undefined],
  ['token=x', undefined],
  ['start=11&end=60', { startUs: 11_000_000, endUs: 60_000_000 }],
  ['start=1.5', { startUs: 1_500_000, endUs: undefined }],
  ['end=0.25', { startUs: 0, endUs: 250_000 }],
  ['start=3.0700000000000003&end=12.100000000000000001', { startUs: 3_070_000, endUs: 12_100_000 }],
  ['start=5&end=5', 'malformed'],
  ['start=6&end=5', 'malformed'],
  ['end=0', 'malformed'],
  ['start=', 'malformed'],
  ['start=-1', 'malformed'],
  ['start=1e3', 'malformed'],
  ['start=NaN', 'malformed'],
  ['start=1&start=2', 'malformed'],
  ['start=99999999999', 'malformed'],
])('part %s is %o', (query, times) => {
  expect(parseCut(new URLSearchParams(query))).toEqual(times);
});

test('the file of a part has its times in its name, which no file system finds too long', () => {
  expect(cutName('a/b.mp4', { startUs: 11_000_000, endUs: 60_500_000 })).toBe('a/b-s11-e60.5.mp4');
  expect(cutName('b.mp4', { startUs: 11_000_000, endUs: undefined })).toBe('b-s11.mp4');
  expect(cutName('b.mp4', { startUs: 0, endUs: 5_000_000 })).toBe('b-e5.mp4');
  const long = cutName(`${'ü'.repeat(125)}.mp4`, { startUs: 1_000_000, endUs: undefined });
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(255);
  expect(long).toMatch(/^ü+-s1\.mp4$/);
});

test.each([
  ['a.mp4', ['a.mp4']],
  ['room%201/%C3%BC.mp4', ['room 1', 'ü.mp4']],
  ['a%zz', 'malformed'],
  ['a%00.mp4', 'malformed'],
  ['%ff.mp4', 'malformed'],
  ['', undefined],
  ['a/', undefined],
  ['a//b', undefined],
  ['../a', undefined],
  ['a/%2e%2e/b', undefined],
  ['a%2fb', undefined],
  ['a%5cb', undefined],
  ['.recording/x.mp4', undefined],
  ['a/.hidden', undefined],
  ['x'.repeat(256), undefined],
  [`${'a/'.repeat(65)}b`, undefined],
])('path %s is read as %o', (path, parts) => {
  expect(parsePath(path)).toEqual(parts);
});

test('parts that can not be had are not kept in mind', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cuts-'));
  const path = join(dir, 'a.mp4');
  await writeFile(path, 'x');
  const cutter = { cut: () => Promise.reject(new Error('the file has nothing in that part')) };
  const cuts = new Cuts(cutter, { folder: join(dir, 'parts'), maxBytes: 1000 }, { log: new TestLog() });
  const times = [1, 2, 2, 3].map((startUs) => ({ startUs, endUs: undefined }));
  const results = await Promise.allSettled(times.map((time) => cuts.open({ path, name: 'a.mp4' }, time)));
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
  expect(cuts.size).toBe(0);
  await rm(dir, { recursive: true });
});
