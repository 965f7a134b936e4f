import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestCounters, TestLog } from '../../core/testing/hub.ts';
import { Completion, type CompletionOptions } from '../completion.ts';
import { Ledger } from '../ledger.ts';
import { Recovery } from '../recovery.ts';
import type { StoredRecording } from '../stored-recording.ts';
import { TextFinisher } from './file-finisher.ts';

/** All that completes recordings in a new folder of its own. */
export async function completionSetup(options: Partial<CompletionOptions> = {}) {
  const root = mkdtempSync(join(tmpdir(), 'completion-'));
  const recordDir = join(root, 'records');
  const tempDir = join(recordDir, '.recording');
  mkdirSync(tempDir, { recursive: true });
  const log = new TestLog();
  const counters = new TestCounters();
  const ledger = await Ledger.open(root, { log, maxEntries: 1000 });
  const finisher = new TextFinisher();
  const ran: StoredRecording[] = [];
  const completion = new Completion({
    options: { recordDir, indexFirst: true, existingFile: 'keep', ...options },
    ledger,
    finisher,
    scripts: { wants: () => true, recorded: (recording) => ran.push(recording) },
    log,
    counters,
  });
  const newRecovery = (folder = tempDir): Recovery =>
    new Recovery({ recordDir, tempDir: folder, ledger, completion, log, counters });
  return { root, recordDir, tempDir, ledger, finisher, completion, newRecovery, ran, log, counters };
}

export type CompletionSetup = Awaited<ReturnType<typeof completionSetup>>;
