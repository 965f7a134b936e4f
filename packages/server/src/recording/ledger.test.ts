import { appendFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TestLog } from '../core/testing/hub.ts';
import { Ledger } from './ledger.ts';
import { stored } from './testing/recordings.ts';

let folder = '';
let log: TestLog;
const opened: Ledger[] = [];
const path = (): string => join(folder, 'recordings.jsonl');
const lines = async (): Promise<string[]> => (await readFile(path(), 'utf8')).split('\n').filter((line) => line !== '');
const ids = (ledger: Ledger): string[] => ledger.entries().map(({ id }) => id);

async function open(maxEntries = 1000, dataDir = folder): Promise<Ledger> {
  const ledger = await Ledger.open(dataDir, { log, maxEntries, retryMs: 5 });
  opened.push(ledger);
  return ledger;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ledger-'));
  log = new TestLog();
});

afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close();
  await rm(folder, { recursive: true });
});

describe('Ledger', () => {
  it('knows after a restart what it knew before, the newest first', async () => {
    const ledger = await open();
    ledger.add(stored('a', { state: 'recording' }, { tempPath: '/tmp/a' }));
    ledger.add(stored('b', { gaps: [{ atMs: 5, lostPackets: 2 }] }));
    ledger.add(stored('c'));
    ledger.update('a', { path: '/records/a.mp4', entry: { state: 'complete', fileName: 'a.mp4', bytes: 7 } });
    ledger.remove('c');
    expect(await ledger.flushed()).toBe(true);
    const again = await open();
    expect(ids(again)).toEqual(['b', 'a']);
    expect(again.get('a')).toEqual(ledger.get('a'));
    expect(again.get('b')).toEqual(ledger.get('b'));
    expect(again.entry('a')).toMatchObject({ state: 'complete', bytes: 7 });
    expect(log.lines).toEqual([]);
  });

  it('forgets a field that a change sets to undefined, also on disk', async () => {
    const ledger = await open();
    ledger.add(stored('a', { reason: 'disk full' }, { uploadState: 'part 3' }));
    ledger.update('a', { uploadState: undefined, entry: { reason: undefined } });
    await ledger.flushed();
    const again = await open();
    expect(again.get('a')?.uploadState).toBeUndefined();
    expect(again.entry('a')?.reason).toBeUndefined();
  });

  it('tells each change after it was made', async () => {
    const ledger = await open();
    const told: string[] = [];
    ledger.events.on('added', ({ entry }) => told.push(`added ${entry.id}`));
    ledger.events.on('updated', (after, before) => told.push(`${before.entry.bytes} to ${after.entry.bytes}`));
    ledger.events.on('removed', ({ entry }) =>
      told.push(`removed ${entry.id} ${ledger.entry(entry.id) === undefined}`),
    );
    ledger.add(stored('a'));
    ledger.update('a', { entry: { bytes: 5 } });
    ledger.remove('a');
    expect(ledger.update('a', {})).toBeUndefined();
    expect(ledger.remove('a')).toBe(false);
    expect(told).toEqual(['added a', '0 to 5', 'removed a true']);
  });

  it('does not write what changes every second', async () => {
    const ledger = await open();
    ledger.add(stored('a', { state: 'recording' }));
    await ledger.flushed();
    for (let i = 1; i <= 50; i++) ledger.update('a', { entry: { bytes: i, durationMs: i, progress: i } });
    await ledger.flushed();
    expect(await lines()).toHaveLength(1);
    ledger.update('a', { entry: { state: 'finalising' } });
    await ledger.flushed();
    expect((await open()).entry('a')).toMatchObject({ state: 'finalising', bytes: 50, durationMs: 50 });
  });

  it('leaves out lines that it can not read, with one line in the log, and keeps the others', async () => {
    const ledger = await open();
    ledger.add(stored('a'));
    await ledger.close();
    const bad = [
      'no json',
      '[]',
      '{"put":{}}',
      '{"put":{"entry":{"id":"x"}}}',
      '{"id":"unknown","change":{}}',
      '\0\xff',
    ];
    await appendFile(path(), `${bad.join('\n')}\n`);
    await appendFile(path(), `{"id":"a","change":{"entry":"text"}}\n{"id":"a","change":{"entry":{"state":"odd"}}}\n`);
    await appendFile(path(), `${JSON.stringify({ put: stored('b') })}\n`);
    const again = await open();
    expect(ids(again)).toEqual(['b', 'a']);
    expect(log.lines.map(({ level, fields }) => ({ level, fields }))).toEqual([
      { level: 'warn', fields: { path: path(), badLines: 8 } },
    ]);
  });

  it('goes on after a last line that is torn at any byte', async () => {
    const ledger = await open();
    ledger.add(stored('a'));
    await ledger.flushed();
    const whole = (await stat(path())).size;
    ledger.add(stored('b'));
    await ledger.close();
    const all = await readFile(path());
    for (let length = whole; length <= all.length; length += 13) {
      await writeFile(path(), all.subarray(0, length));
      const torn = await open();
      expect(ids(torn)).toContain('a');
      torn.add(stored('c'));
      await torn.close();
      expect(ids(await open())).toEqual(ids(torn));
    }
    // All of it but the line feed: nothing is lost.
    await writeFile(path(), all.subarray(0, -1));
    const unended = await open();
    unended.add(stored('c'));
    await unended.close();
    expect(ids(await open())).toEqual(['c', 'b', 'a']);
  });

  it('is written anew when most of it is history', async () => {
    const ledger = await open();
    ledger.add(stored('a'));
    ledger.add(stored('b'));
    for (let i = 0; i < 5000; i++) ledger.update('a', { entry: { bytes: i } });
    await ledger.flushed();
    ledger.update('b', { entry: { bytes: 77 } });
    await ledger.flushed();
    expect((await lines()).length).toBeLessThan(1100);
    const again = await open();
    expect(again.entry('a')?.bytes).toBe(4999);
    expect(again.entry('b')?.bytes).toBe(77);
  });

  it('loses nothing when it is killed while it is written anew', async () => {
    const ledger = await open();
    ledger.add(stored('a'));
    await ledger.close();
    await writeFile(`${path()}.new`, 'half a li');
    expect(ids(await open())).toEqual(['a']);
    await expect(stat(`${path()}.new`)).rejects.toThrow('ENOENT');
  });

  it('forgets the oldest that are finished when there are too many', async () => {
    const ledger = await open(3);
    ledger.add(stored('runs', { state: 'recording' }));
    for (const id of ['a', 'b', 'c', 'd']) ledger.add(stored(id));
    expect(ids(ledger)).toEqual(['d', 'c', 'runs']);
    await ledger.flushed();
    expect(ids(await open(2))).toEqual(['d', 'runs']);
  });

  it('keeps all in memory while the disk takes nothing, and writes it when it does', async () => {
    const gone = join(folder, 'gone');
    await mkdir(gone);
    const ledger = await open(1000, gone);
    ledger.add(stored('a'));
    await ledger.flushed();
    await rm(gone, { recursive: true });
    await ledger.flushed();
    const again = await open(1000, gone);
    again.add(stored('b'));
    expect(await again.flushed()).toBe(false);
    again.update('b', { entry: { bytes: 9 } });
    expect(again.entry('b')?.bytes).toBe(9);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    await mkdir(gone);
    await vi.waitFor(async () => expect(await readFile(join(gone, 'recordings.jsonl'), 'utf8')).toContain('"bytes":9'));
    expect((await open(1000, gone)).entry('b')?.bytes).toBe(9);
  });

  it('writes all of it anew when its file was cut behind its back', async () => {
    const ledger = await open();
    for (let i = 0; i < 10; i++) ledger.add(stored(`a${i}`));
    await ledger.close();
    const again = await open();
    await truncate(path(), 10);
    again.add(stored('b'));
    await again.flushed();
    await vi.waitFor(async () => expect(await lines()).toHaveLength(11));
    expect((await open()).entries()).toHaveLength(11);
  });

  it('opens with 100 000 entries in less than two seconds of work', { timeout: 30_000 }, async () => {
    const line = (i: number): string => `${JSON.stringify({ put: stored(`id-${i}`) })}\n`;
    let text = '';
    for (let i = 0; i < 100_000; i++) text += line(i);
    await writeFile(path(), text);
    const before = process.cpuUsage();
    const ledger = await open(100_000);
    // Not by the clock: other tests run beside this one.
    const { user, system } = process.cpuUsage(before);
    expect(ledger.entries()).toHaveLength(100_000);
    expect((user + system) / 1000).toBeLessThan(2000);
  });
});
