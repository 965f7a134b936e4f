import { expect, test } from 'vitest';
import { parseS3Credentials } from './credentials.ts';
import { parseS3Place } from './s3-place.ts';
import { storageError } from './storage-error.ts';

test('credentials are region, key and secret', () => {
  expect(parseS3Credentials(' eu-central-1;AKIA;a/b+c= ')).toEqual({
    region: 'eu-central-1',
    accessKeyId: 'AKIA',
    secretAccessKey: 'a/b+c=',
  });
  expect(parseS3Credentials('')).toBeUndefined();
});

test.each([
  'hush-1',
  'eu;hush-1',
  'eu;hush-1;',
  ';hush-1;hush-2',
  'eu;hush-1;hush-2;x',
  'eu;hush 1;hush-2',
  'hush-1;hush-2;x;y',
])('credentials %j are refused in words that tell what is allowed and nothing of what was there', (text) => {
  expect(() => parseS3Credentials(text)).toThrow(/aws_s3_credentials .* must be REGION;KEY;SECRET/);
  try {
    parseS3Credentials(text);
  } catch (error) {
    expect(String(error)).not.toContain('hush');
  }
});

test.each([
  ['s3/bucket/sample.mp4', undefined, 'bucket', 'sample.mp4'],
  ['s3/bucket/folder/a%20b.mp4', undefined, 'bucket', 'folder/a b.mp4'],
  ['s3/https://ams3.example.com/space/folder/file.mp4', 'https://ams3.example.com', 'space', 'folder/file.mp4'],
  ['s3/http://127.0.0.1:9000/bucket/file.mp4', 'http://127.0.0.1:9000', 'bucket', 'file.mp4'],
  ['s3/http://[::1]:9000/bucket/%C3%BC.mp4', 'http://[::1]:9000', 'bucket', 'ü.mp4'],
])('%s names a file', (name, endpoint, bucket, key) => {
  expect(parseS3Place(name)).toEqual({ endpoint, bucket, key });
});

test.each([
  'bucket/sample.mp4',
  's3/',
  's3/bucket',
  's3/bucket/',
  's3//file.mp4',
  's3/b/file.mp4',
  's3/bucket/../file.mp4',
  's3/bucket/%2e%2e/file.mp4',
  's3/bucket/a%00b',
  's3/bucket/%zz',
  's3/bucket/file.mp4?x=1',
  's3/bucket/file.mp4#x',
  's3/https://user:password@host/bucket/file.mp4',
  's3/https://@host/bucket/file.mp4',
  's3/https:///bucket/file.mp4',
  's3/ftp://host/bucket/file.mp4',
  's3/file:///etc/passwd',
  `s3/bucket/${'x'.repeat(1025)}`,
  `s3/bucket/${'x'.repeat(100_000)}`,
])('%s names no file', (name) => {
  expect(parseS3Place(name)).toBeUndefined();
});

test('an answer without a body says what to check by its status', () => {
  const of = (httpStatusCode: number) => storageError({ name: 'Unknown', $metadata: { httpStatusCode } }, 'asking');
  expect(of(301)).toMatchObject({ permanent: true, message: expect.stringContaining('check the region') });
  expect(of(403).message).toContain('access is denied');
});
