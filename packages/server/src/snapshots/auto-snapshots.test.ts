import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { feedInto, H264, OPUS } from '../core/testing/adaptation-fixture.ts';
import { AutoSnapshots } from './auto-snapshots.ts';
import type { AutoSnapshotOptions } from './options.ts';
import { folderName, SnapshotFolder, trimFolders } from './snapshot-folder.ts';
import { newScene, until } from './testing/scene.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-snapshots-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const options = (more: Partial<AutoSnapshotOptions> = {}): AutoSnapshotOptions => ({
  ...{ dir, rateMs: 20, naming: 'number', format: 'png', retention: 3, maxFolders: 100, ...more },
});
const filesOf = (streamName: string) => readdir(join(dir, folderName(streamName))).catch((): string[] => []);

describe('the folder of a stream', { timeout: 60_000 }, () => {
  it('has the name of the stream where a folder can have it', () => {
    for (const name of ['demo', 'caméra 1', 'a.b-c_d']) expect(folderName(name)).toBe(name);
  });

  it('is inside of the folder of all, and another one for each name', () => {
    const names = ['a/b', 'a_b', '..', '../../etc/passwd', '.', 'nul', 'nul.png', 'x ', 'x.', '\u202ex', 'a\\b', '/'];
    names.push('é', 'e\u0301', 'é'.repeat(1000), `${'é'.repeat(999)}e`, '~', '\ud800', '\ud801');
    const folders = names.map(folderName);
    expect(new Set(folders).size).toBe(names.length);
    for (const folder of folders) {
      expect(dirname(resolve(dir, folder))).toBe(dir);
      expect(basename(folder)).toBe(folder);
      expect(Buffer.byteLength(folder)).toBeLessThanOrEqual(255);
    }
  });

  it('keeps the newest files, also those of a run before, and sweeps what a crash left', async () => {
    const first = new SnapshotFolder('s', options());
    for (let i = 1; i <= 5; i++) await first.add(Uint8Array.of(i));
    expect((await filesOf('s')).sort()).toEqual(['3.png', '4.png', '5.png']);
    await writeFile(join(dir, 's', '.6.png.tmp'), '');
    await writeFile(join(dir, 's', 'notes.txt'), 'not ours');
    const second = new SnapshotFolder('s', options({ format: 'jpeg', retention: 2 }));
    await second.add(Uint8Array.of(6));
    expect((await filesOf('s')).sort()).toEqual(['5.png', '6.jpg', 'notes.txt']);
    expect(await readFile(join(dir, 's', '6.jpg'))).toEqual(Buffer.of(6));
  });

  it('names files by the time, each later than the one before', async () => {
    const before = Date.now();
    const folder = new SnapshotFolder('s', options({ naming: 'timestamp', retention: 10 }));
    for (let i = 0; i < 5; i++) await folder.add(Uint8Array.of(i));
    const numbers = (await filesOf('s')).map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
    expect(numbers).toHaveLength(5);
    expect(numbers[0]).toBeGreaterThanOrEqual(before);
    expect(numbers[4]).toBeLessThan(Date.now() + 10);
  });

  it('goes when there are too many and its stream is gone for the longest, but for files that are not ours', async () => {
    for (const [i, name] of ['live', 'old', 'older', 'new'].entries()) {
      await new SnapshotFolder(name, options()).add(Uint8Array.of(i));
      await utimes(join(dir, name), i, name === 'older' ? 0.5 : i);
    }
    await writeFile(join(dir, 'older', 'notes.txt'), 'not ours');
    await utimes(join(dir, 'older'), 0, 0.5);
    await trimFolders(dir, 4, new Set());
    expect((await readdir(dir)).sort()).toEqual(['live', 'new', 'old', 'older']);
    await trimFolders(dir, 2, new Set(['live']));
    expect((await readdir(dir)).sort()).toEqual(['live', 'new', 'older']);
    expect(await readdir(join(dir, 'older'))).toEqual(['notes.txt']);
  });

  it('is made anew when somebody takes it away', async () => {
    const folder = new SnapshotFolder('s', options());
    await folder.add(Uint8Array.of(1));
    await rm(dir, { recursive: true });
    await folder.add(Uint8Array.of(2)).catch(() => undefined);
    await folder.add(Uint8Array.of(3));
    expect(await filesOf('s')).not.toEqual([]);
  });
});

describe('pictures in files', { timeout: 60_000 }, () => {
  const FILE = Uint8Array.of(7);

  it('are kept of each stream with pictures, again and again', async () => {
    const scene = newScene();
    scene.pictures.answer = () => FILE;
    const auto = new AutoSnapshots(scene, options());
    await auto.start();
    for (const name of ['one', 'two/three']) feedInto(scene.publish(name), { video: H264 }, { from: 0, to: 200 });
    feedInto(scene.publish('sound'), { audio: OPUS }, { from: 0, to: 200 });
    await until(() => scene.pictures.asked.length > 12, 'pictures are taken');
    await auto.close();
    for (const name of ['one', 'two/three']) expect(await filesOf(name)).toHaveLength(3);
    expect((await readdir(dir)).sort()).toEqual([folderName('one'), folderName('two/three')].sort());
    expect(scene.pictures.asked[0]?.form.format).toBe('png');
    const { length } = scene.pictures.asked;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(scene.pictures.asked).toHaveLength(length);
  });

  it('are taken a few at a time, and not again while one is not ready', async () => {
    const scene = newScene();
    const auto = new AutoSnapshots(scene, options());
    await auto.start();
    for (let i = 0; i < 20; i++) feedInto(scene.publish(`s${i}`), { video: H264 }, { from: 0, to: 200 });
    await until(() => scene.snapshots.pending === 4, 'four are taken');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(scene.pictures.asked).toHaveLength(4);
    scene.pictures.answer = () => FILE;
    for (const { settle } of [...scene.pictures.asked]) settle(FILE);
    await until(() => scene.pictures.asked.length >= 24, 'the others have their turn');
    await auto.close();
  });

  it('that can not be written are told about once a second, and tried again', async () => {
    const scene = newScene();
    scene.pictures.answer = () => FILE;
    const blocked = join(dir, 'file');
    await writeFile(blocked, '');
    const auto = new AutoSnapshots(scene, options({ dir: blocked }));
    await auto.start();
    feedInto(scene.publish('s'), { video: H264 }, { from: 0, to: 200 });
    await until(() => scene.counters.of('snapshots_failed') > 2, 'it has failed');
    const told = scene.log.lines.filter(({ level }) => level === 'warn');
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(scene.counters.of('snapshots_failed') + 1);
    await rm(blocked);
    await until(() => scene.counters.of('snapshots_taken') > 5, 'it goes on');
    await auto.close();
    expect((await readdir(join(blocked, 's'))).length).toBeGreaterThan(0);
  });
});
