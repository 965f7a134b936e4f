import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FinishError } from './finish/finish-error.ts';
import type { StoredRecording } from './stored-recording.ts';
import { type CompletionSetup, completionSetup } from './testing/completion-setup.ts';
import { stored } from './testing/recordings.ts';

let setup: CompletionSetup;
const END = { endedAtMs: 1_700_000_010_000 };

beforeEach(async () => {
  setup = await completionSetup();
});

afterEach(async () => {
  await setup.ledger.close();
  await rm(setup.root, { recursive: true });
});

/** A recording whose writing has ended; its file has that text. */
async function written(id: string, internal: Partial<Omit<StoredRecording, 'entry'>> = {}, text = `raw:${id}`) {
  const tempPath = join(setup.tempDir, `${id}.mp4`);
  await writeFile(tempPath, text);
  const made = stored(id, { state: 'recording' }, { tempPath, ...internal });
  setup.ledger.add(made);
  return made;
}

const named = (template: string): Pick<StoredRecording, 'naming'> => ({
  naming: { template, encoding: 'none', excludedCharacters: '', extension: 'mp4' },
});

describe('Completion', () => {
  it('gives a file the name that its end tells, and tells the ledger, the script and whoever listens', async () => {
    const { names } = stored('a');
    await written('a', {
      ...named('{streamName}/{startTime}-{endTime}-{duration}-{videoCodec}'),
      names: { ...names, startTime: 500 },
    });
    const told: string[] = [];
    setup.completion.events.on('completed', ({ entry }) => told.push(entry.id));
    const [name, same] = await Promise.all([setup.completion.complete('a', END), setup.completion.complete('a', END)]);
    expect(name).toBe('test/500-10500-10000-h264.mp4');
    expect(same).toBe(name);
    expect(await readFile(join(setup.recordDir, name as string), 'utf8')).toBe('done:a');
    expect(await readdir(setup.tempDir)).toEqual([]);
    expect(setup.ledger.entry('a')).toMatchObject({
      state: 'complete',
      fileName: name,
      durationMs: 10_000,
      bytes: 6,
      sha256: 'sha of done:a',
      endedAtMs: END.endedAtMs,
    });
    expect(setup.ledger.entry('a')?.progress).toBeUndefined();
    expect(setup.ran.map(({ path }) => path)).toEqual([join(setup.recordDir, name as string)]);
    expect(told).toEqual(['a']);
    expect(setup.counters.of('recording_files')).toBe(1);
    expect(setup.finisher.jobs).toBe(1);
  });

  it('keeps all files that want the same name, the newest under it', async () => {
    for (const id of ['a', 'b', 'c']) {
      await written(id);
      expect(await setup.completion.complete(id, END)).toBe('test.mp4');
    }
    const texts = await Promise.all(
      ['test.mp4', 'test~1.mp4', 'test~2.mp4'].map((name) => readFile(join(setup.recordDir, name), 'utf8')),
    );
    expect(texts).toEqual(['done:c', 'done:a', 'done:b']);
    expect(['a', 'b', 'c'].map((id) => setup.ledger.entry(id)?.fileName)).toEqual([
      'test~1.mp4',
      'test~2.mp4',
      'test.mp4',
    ]);
  });

  it('keeps twenty files that want the same name at the same time', async () => {
    const ids = Array.from({ length: 20 }, (_none, i) => `r${i}`);
    await Promise.all(ids.map((id) => written(id)));
    await Promise.all(ids.map((id) => setup.completion.complete(id, END)));
    for (const id of ids) {
      expect(await readFile(setup.ledger.get(id)?.path as string, 'utf8')).toBe(`done:${id}`);
    }
    expect(new Set(ids.map((id) => setup.ledger.entry(id)?.fileName)).size).toBe(20);
  });

  it('does not touch a folder that has the name, nor follow links out of the folder of recordings', async () => {
    const outside = join(setup.root, 'outside');
    await mkdir(outside);
    await mkdir(join(setup.recordDir, 'test.mp4'));
    await symlink(outside, join(setup.recordDir, 'link'));
    await writeFile(join(setup.recordDir, 'file'), 'x');
    await written('a');
    await written('b', named('link/{streamName}'));
    await written('c', named('file/{streamName}'));
    expect(await setup.completion.complete('a', END)).toBe('test~1.mp4');
    expect(await setup.completion.complete('b', END)).toBe('link_test.mp4');
    expect(await setup.completion.complete('c', END)).toBe('file_test.mp4');
    expect(await readdir(outside)).toEqual([]);
  });

  it('finishes what was written before a failure, and says why it failed', async () => {
    await written('a');
    expect(await setup.completion.complete('a', { ...END, failure: 'the disk is full' })).toBe('test.mp4');
    expect(setup.ledger.entry('a')).toMatchObject({
      state: 'failed',
      reason: 'the disk is full',
      bytes: 6,
      durationMs: 10_000,
    });
    expect(setup.counters.of('recording_failures')).toBe(1);
    expect(setup.counters.of('recording_files')).toBe(0);
  });

  it('keeps as it was written what can not be finished', async () => {
    await written('a');
    setup.finisher.before = () => {
      throw new FinishError('DIED', 'its thread ended');
    };
    expect(await setup.completion.complete('a', END)).toBe('test.mp4');
    expect(await readFile(join(setup.recordDir, 'test.mp4'), 'utf8')).toBe('raw:a');
    expect(setup.ledger.entry('a')).toMatchObject({ state: 'failed', reason: 'its thread ended', bytes: 5 });
  });

  it('leaves nothing of a file without media, and says so', async () => {
    await written('a', {}, '');
    const failed: string[] = [];
    setup.completion.events.on('failed', ({ entry }) => failed.push(entry.id));
    expect(await setup.completion.complete('a', END)).toBeUndefined();
    expect(setup.ledger.entry('a')).toMatchObject({ state: 'failed', reason: 'nothing was recorded' });
    expect(await readdir(setup.tempDir)).toEqual([]);
    expect(failed).toEqual(['a']);
    expect(setup.ran).toEqual([]);
  });

  it('goes on at the next start when the server ends meanwhile', async () => {
    await written('a');
    setup.finisher.before = () => {
      throw new FinishError('CLOSED', 'the server ends');
    };
    expect(await setup.completion.complete('a', END)).toBeUndefined();
    expect(setup.ledger.entry('a')?.state).toBe('finalising');
    setup.finisher.before = () => undefined;
    await setup.newRecovery().run();
    expect(setup.ledger.entry('a')).toMatchObject({ state: 'complete', endedAtMs: END.endedAtMs });
  });

  it('joins the files of several streams, and leaves none of them', async () => {
    const members = ['m1', 'm2'].map((id) => ({
      tempPath: join(setup.tempDir, `${id}.mp4`),
      offsetUs: 0,
      mediaSessionId: id,
    }));
    for (const { tempPath, mediaSessionId } of members) await writeFile(tempPath, mediaSessionId);
    const tempPath = join(setup.tempDir, 'a.mp4');
    setup.ledger.add(stored('a', { state: 'recording' }, { tempPath, members, multipleUri: 'multi-recorder://x' }));
    expect(await setup.completion.complete('a', END)).toBe('test.mp4');
    expect(await readFile(join(setup.recordDir, 'test.mp4'), 'utf8')).toBe('done:m1+m2');
    expect(await readdir(setup.tempDir)).toEqual([]);
  });
});

describe('Recovery', () => {
  it('finishes what was being recorded when the server was killed', async () => {
    const { tempPath } = await written('a');
    await utimes(tempPath, 1_700_000_100, 1_700_000_100);
    await setup.newRecovery().run();
    expect(setup.ledger.entry('a')).toMatchObject({
      state: 'complete',
      reason: 'recovered after a crash',
      fileName: 'test.mp4',
      endedAtMs: 1_700_000_100_000,
    });
    expect(setup.counters.of('recording_recovered')).toBe(1);
    expect(setup.ran).toHaveLength(1);
  });

  it('says of a recording whose file is missing that it failed, once', async () => {
    setup.ledger.add(stored('a', { state: 'recording', bytes: 5 }, { tempPath: join(setup.tempDir, 'a.mp4') }));
    await setup.newRecovery().run();
    const reason = 'recovered after a crash; its file is missing';
    expect(setup.ledger.entry('a')).toMatchObject({ state: 'failed', reason });
    await setup.newRecovery().run();
    expect(setup.ledger.entry('a')).toMatchObject({ state: 'failed', reason });
    expect(setup.counters.of('recording_failures')).toBe(1);
  });

  it('finishes files that the ledger does not know, and deletes new ones that were half made', async () => {
    await writeFile(join(setup.tempDir, 'lost.mp4'), 'raw:lost');
    await writeFile(join(setup.tempDir, '{endTime}.webm'), 'raw:odd');
    await writeFile(join(setup.tempDir, 'half.new'), 'don');
    await writeFile(join(setup.tempDir, 'notes.txt'), 'mine');
    await past();
    await setup.newRecovery().run();
    expect((await readdir(setup.recordDir)).sort()).toEqual([
      '.recording',
      'recovered-lost.mp4',
      'recovered-{endTime}.webm',
    ]);
    expect(await readdir(setup.tempDir)).toEqual(['notes.txt']);
    expect(setup.ledger.entries().map(({ state, reason }) => `${state} ${reason}`)).toEqual([
      'complete recovered after a crash',
      'complete recovered after a crash',
    ]);
  });

  it('leaves alone files of others, and finished ones, in a folder that is not its own', async () => {
    const lost = 'ac666dce-1948-4e55-9f38-633577e698d9';
    await written('a', named('0a1b2c3d-1948-4e55-9f38-633577e698d9'));
    await setup.completion.complete('a', END);
    const others = ['holiday.mp4', 'main.ts', 'update.new'];
    for (const name of [...others, `${lost}.mp4`, `${lost}.new`])
      await writeFile(join(setup.recordDir, name), `raw:${name}`);
    await past(setup.recordDir);
    await setup.newRecovery(setup.recordDir).run();
    const own = ['.recording', '0a1b2c3d-1948-4e55-9f38-633577e698d9.mp4', `recovered-${lost}.mp4`];
    expect((await readdir(setup.recordDir)).sort()).toEqual([...own, ...others].sort());
  });

  it('leaves alone what is recorded while it runs', async () => {
    await written('old');
    await past();
    const recovery = setup.newRecovery();
    await written('new');
    await writeFile(join(setup.tempDir, 'newer.mp4'), 'raw:newer');
    await writeFile(join(setup.tempDir, 'newer.new'), 'don');
    await recovery.run();
    expect(setup.ledger.entry('old')?.state).toBe('complete');
    expect(setup.ledger.entry('new')?.state).toBe('recording');
    expect((await readdir(setup.tempDir)).sort()).toEqual(['new.mp4', 'newer.mp4', 'newer.new']);
  });

  it('tries again what could not be given its name', async () => {
    await written('a', named('folder/x'));
    const blocked = join(setup.recordDir, 'folder');
    vi.spyOn(setup.ledger, 'withPath').mockImplementationOnce(() => {
      throw new Error('the disk is gone');
    });
    await mkdir(blocked);
    await writeFile(join(blocked, 'x.mp4'), 'mine');
    expect(await setup.completion.complete('a', END)).toBeUndefined();
    expect(setup.ledger.entry('a')).toMatchObject({ state: 'failed', reason: 'the disk is gone' });
    expect(existsSync(join(setup.tempDir, 'a.new'))).toBe(true);
    await past();
    await setup.newRecovery().run();
    expect(setup.ledger.entry('a')?.fileName).toBe('folder/x.mp4');
    expect(await readFile(join(blocked, 'x.mp4'), 'utf8')).toBe('done:a');
    expect(await readFile(join(blocked, 'x~1.mp4'), 'utf8')).toBe('mine');
    expect(await readdir(setup.tempDir)).toEqual([]);
  });
});

/** Makes all files of a folder old. */
async function past(folder = setup.tempDir): Promise<void> {
  for (const name of await readdir(folder)) await utimes(join(folder, name), 1_700_000_000, 1_700_000_000);
}
