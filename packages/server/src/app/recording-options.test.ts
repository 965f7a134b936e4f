import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { testHub } from '../core/testing/hub.ts';
import { stored } from '../recording/testing/recordings.ts';
import { makeRecording, type Recording } from './recording-options.ts';
import { loadSettings, type Settings } from './settings/index.ts';

let dir: string;
let recording: Recording | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'recording-'));
  await mkdir(join(dir, 'records'));
});

afterEach(async () => {
  await recording?.close();
  recording = undefined;
  await rm(dir, { recursive: true });
});

function settingsOf(changes: Record<string, string>): Settings {
  return loadSettings({ env: {}, sets: Object.entries(changes).map(([name, value]) => `${name}=${value}`) }).settings;
}

describe('the program of on_record_hook_script', () => {
  const ran = (): Promise<string> => readFile(join(dir, 'ran'), 'utf8').catch(() => '');

  async function startWith(text: string): Promise<Recording> {
    const script = join(dir, 'hook.sh');
    await writeFile(script, `#!/bin/sh\necho "$1" >> ${dir}/ran\n${text}\n`);
    await chmod(script, 0o755);
    recording = await makeRecording(settingsOf({ on_record_hook_script: script }), dir, testHub(0, undefined));
    recording.start();
    return recording;
  }

  it('is run again after the next start when the end of the server cut it short, but not a third time', async () => {
    const { ledger, completion } = await startWith('sleep 1000');
    const path = join(dir, 'records', 'a.mp4');
    await writeFile(path, 'whole');
    ledger.add(stored('a', { state: 'finalising', streamName: 'cam', bytes: 5 }, { path }));
    expect(await completion.complete('a', { endedAtMs: Date.now() })).toBeDefined();
    await vi.waitFor(async () => expect(await ran()).toBe('cam\n'));
    await recording?.close();
    const second = await startWith('exit 0');
    await vi.waitFor(() => expect(second.ledger.get('a')?.scriptDue).toBeUndefined());
    expect(await ran()).toBe('cam\ncam\n');
    await second.close();
    const third = await startWith('exit 0');
    expect(third.scripts.running).toBe(0);
    expect(await ran()).toBe('cam\ncam\n');
  });
});

describe('settings of recordings', () => {
  it.each([
    ['record_rotation', { record_rotation: 'abc' }],
    ['stream_record_policy_template', { stream_record_policy_template: '' }],
    ['stream_record_policy_template', { stream_record_policy_template: ' / ' }],
    ['stream_record_policy_template', { stream_record_policy_template: '../..' }],
  ])('that make no sense are refused at the start by the name of %s: %j', async (name, changes) => {
    await expect(
      makeRecording(settingsOf(changes as Record<string, string>), dir, testHub(0, undefined)),
    ).rejects.toThrow(name);
  });
});
