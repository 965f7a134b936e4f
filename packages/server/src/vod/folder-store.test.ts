import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FolderStore } from './folder-store.ts';

let folder: string;
let store: FolderStore;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-folder-'));
  const media = join(folder, 'media');
  mkdirSync(join(media, 'sub', 'dir.mp4'), { recursive: true });
  writeFileSync(join(folder, 'secret.mp4'), 'secret');
  writeFileSync(join(folder, 'media-of-others.mp4'), 'secret');
  writeFileSync(join(media, 'a b.mp4'), 'with a space');
  writeFileSync(join(media, '100%.mp4'), 'hundred');
  writeFileSync(join(media, 'sub', 'film.mp4'), 'film');
  writeFileSync(join(media, 'über.mp4'), 'umlaut');
  symlinkSync('sub/film.mp4', join(media, 'inside.mp4'));
  symlinkSync('../secret.mp4', join(media, 'outside.mp4'));
  symlinkSync('..', join(media, 'up'));
  symlinkSync('loop.mp4', join(media, 'loop.mp4'));
  execFileSync('mkfifo', [join(media, 'pipe.mp4')]);
  store = new FolderStore(media);
});

afterAll(() => rmSync(folder, { recursive: true }));

async function textOf(name: string): Promise<string | undefined> {
  const file = await store.open(name, new AbortController().signal);
  if (file === undefined) return undefined;
  const bytes = await file.read(0, file.size);
  await file.close();
  return Buffer.from(bytes).toString();
}

it.each([
  ['sub/film.mp4', 'film'],
  ['sub//film.mp4', 'film'],
  ['inside.mp4', 'film'],
  ['a b.mp4', 'with a space'],
  ['a%20b.mp4', 'with a space'],
  ['100%.mp4', 'hundred'],
  ['100%25.mp4', 'hundred'],
  ['über.mp4', 'umlaut'],
  ['%C3%BCber.mp4', 'umlaut'],
])('gives %s', async (name, text) => {
  expect(await textOf(name)).toBe(text);
});

it.each([
  ...[
    'none.mp4',
    '',
    '.',
    '..',
    '/',
    '../secret.mp4',
    '%2e%2e/secret.mp4',
    '..%2fsecret.mp4',
    '../media-of-others.mp4',
  ],
  ...['/etc/passwd', 'outside.mp4', 'up/secret.mp4', 'up', 'loop.mp4', 'pipe.mp4', 'sub', 'sub/dir.mp4'],
  // Rules that let play what is in `free/` must not let play this.
  ...['free/../sub/film.mp4', 'sub/../sub/film.mp4', 'sub/%2e%2e/sub/film.mp4', 'sub%2f..%2fsub%2ffilm.mp4'],
  ...['./sub/film.mp4', 'sub/./film.mp4', '%2e/sub/film.mp4'],
  ...['a\0b', 'a%00b', '%', '%zz', 'sub/film.mp4/x', 'sub/film.mp4/', 'x'.repeat(5000), '\ud800.mp4'],
])('gives nothing for %j', async (name) => {
  // A trailing slash is taken off by the path's own rules, and then it is that file.
  expect(await textOf(name)).toBe(name === 'sub/film.mp4/' ? 'film' : undefined);
});

it('gives nothing while its folder is not there, and nothing to who has left', async () => {
  expect(await new FolderStore(join(folder, 'none')).open('a.mp4', new AbortController().signal)).toBeUndefined();
  expect(await store.open('sub/film.mp4', AbortSignal.abort())).toBeUndefined();
});

it('reads no more than there was when the file was opened', async () => {
  const file = await store.open('sub/film.mp4', new AbortController().signal);
  appendFileSync(join(folder, 'media', 'sub', 'film.mp4'), ' goes on');
  expect(file?.size).toBe(4);
  expect(Buffer.from((await file?.read(2, 100)) ?? []).toString()).toBe('lm');
  await file?.close();
});
