import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import type * as fs from 'node:fs/promises';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TestCounters, TestLog } from '../core/testing/hub.ts';
import { Completion } from './completion.ts';
import { Ledger } from './ledger.ts';
import { Recovery } from './recovery.ts';
import { TextFinisher } from './testing/file-finisher.ts';
import { stored } from './testing/recordings.ts';

/** Called before each step on the disk; and whether that has hard links. */
const steps = vi.hoisted(() => ({ before: (_what: string): void => undefined, hardLinks: true }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  const told = (name: 'link' | 'rename' | 'rm' | 'open' | 'mkdir' | 'copyFile' | 'writeFile') =>
    [
      name,
      (...values: never[]): unknown => {
        steps.before(`${name} ${String(values[0])}`);
        if (name === 'link' && !steps.hardLinks)
          return Promise.reject(Object.assign(new Error(name), { code: 'EPERM' }));
        return (real[name] as (...all: never[]) => unknown)(...values);
      },
    ] as const;
  const names = ['link', 'rename', 'rm', 'open', 'mkdir', 'copyFile', 'writeFile'] as const;
  return { ...real, ...Object.fromEntries(names.map(told)) };
});

let root = '';
const folder = (): string => join(root, 'data');
const records = (): string => join(folder(), 'records');
const temp = (id: string): string => join(records(), '.recording', `${id}.mp4`);

interface Setup {
  readonly indexFirst: boolean;
  readonly existingFile: 'keep' | 'overwrite';
}

async function start({ indexFirst, existingFile }: Setup) {
  const log = new TestLog();
  const counters = new TestCounters();
  const ledger = await Ledger.open(folder(), { log, maxEntries: 100 });
  const scripts = {
    ran: [] as string[],
    wants: () => true,
    recorded: ({ entry }: { entry: { id: string } }) => void scripts.ran.push(entry.id),
  };
  const options = { recordDir: records(), indexFirst, existingFile };
  const finisher = new TextFinisher();
  const completion = new Completion({ options, ledger, finisher, scripts, log, counters });
  const recovery = new Recovery({
    recordDir: records(),
    tempDir: join(records(), '.recording'),
    ledger,
    completion,
    log,
    counters,
  });
  return { ledger, completion, recovery, finisher, scripts, log, counters };
}

/** All files of recordings with what is in them. */
function filesIn(path: string, below = ''): Record<string, string> {
  return Object.fromEntries(
    readdirSync(path, { withFileTypes: true }).flatMap((found) => {
      const name = `${below}${found.name}`;
      if (found.isDirectory()) return Object.entries(filesIn(join(path, found.name), `${name}/`));
      return [[name, readFileSync(join(path, found.name), 'utf8')] as const];
    }),
  );
}

/** Two recordings end that want the name of an older one; whatever the disk holds before each step is kept. */
async function recordWithSnapshots(setup: Setup): Promise<string[]> {
  const { ledger, completion } = await start(setup);
  await mkdir(join(records(), '.recording'), { recursive: true });
  await writeFile(join(records(), 'test.mp4'), 'done:old');
  ledger.add(stored('old', { fileName: 'test.mp4', bytes: 8 }, { path: join(records(), 'test.mp4') }));
  for (const id of ['a', 'b']) {
    await writeFile(temp(id), `raw:${id}`);
    ledger.add(stored(id, { state: 'recording' }, { tempPath: temp(id) }));
  }
  await ledger.flushed();
  const snapshots: string[] = [];
  const keep = (): void => {
    const path = join(root, `snapshot-${snapshots.length}`);
    execFileSync('cp', ['-a', folder(), path]);
    snapshots.push(path);
  };
  const flushed = ledger.flushed.bind(ledger);
  vi.spyOn(ledger, 'flushed').mockImplementation(async () => {
    keep();
    return flushed().finally(keep);
  });
  steps.before = keep;
  await Promise.all(['a', 'b'].map((id) => completion.complete(id, { endedAtMs: 1_700_000_010_000 })));
  steps.before = () => undefined;
  keep();
  await ledger.close();
  return snapshots;
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'crashes-'));
});

afterEach(() => {
  steps.before = () => undefined;
  steps.hardLinks = true;
  rmSync(root, { recursive: true });
});

describe('a recording whose server is killed at any step of its completion', { timeout: 60_000 }, () => {
  const cases = [true, false].flatMap((hardLinks) =>
    [true, false].flatMap((indexFirst) =>
      (['keep', 'overwrite'] as const).map((existingFile) => ({ hardLinks, indexFirst, existingFile })),
    ),
  );
  it.each(cases)(
    'has exactly one file after the next start (hard links $hardLinks, index first $indexFirst, same names: $existingFile)',
    async (how) => {
      await mkdir(folder());
      steps.hardLinks = how.hardLinks;
      const snapshots = await recordWithSnapshots(how);
      expect(snapshots.length).toBeGreaterThan(20);
      for (const [step, snapshot] of snapshots.entries()) {
        rmSync(folder(), { recursive: true });
        renameSync(snapshot, folder());
        await expectRecovered(how, step);
      }
    },
  );
});

async function expectRecovered(setup: Setup, step: number): Promise<void> {
  const { ledger, recovery, log } = await start(setup);
  await recovery.run();
  await ledger.close();
  const files = filesIn(records());
  const expected = setup.existingFile === 'keep' ? ['done:a', 'done:b', 'done:old'] : [files['test.mp4']];
  expect(Object.values(files).sort(), `step ${step}: ${JSON.stringify(files)}`).toEqual(expected);
  // What the next start reads is what the disk holds.
  const again = await Ledger.open(folder(), { log, maxEntries: 100 });
  expect(again.entries().length, `step ${step}`).toBe(expected.length);
  for (const { entry, path, finishedPath } of again.all()) {
    expect(entry.state, `step ${step}, ${entry.id}`).toBe('complete');
    expect(path).toBe(join(records(), entry.fileName));
    expect(await readFile(path as string, 'utf8'), `step ${step}, ${entry.id}`).toBe(`done:${entry.id}`);
    expect(finishedPath).toBeUndefined();
  }
  await again.close();
  expect(existsSync(join(records(), 'test.mp4'))).toBe(true);
}
