import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TestCounters, TestLog } from '../core/testing/hub.ts';
import { type HookScriptOptions, HookScripts } from './hook-script.ts';
import { stored } from './testing/recordings.ts';

let folder = '';
let log: TestLog;
let counters: TestCounters;
let scripts: HookScripts;

async function script(text: string, mode = 0o755): Promise<string> {
  const path = join(folder, 'hook.sh');
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, mode);
  return path;
}

function runner(options: Partial<HookScriptOptions>, onRun = (_id: string): unknown => undefined): HookScripts {
  const parts = { log, counters, onRun: (id: string) => void onRun(id) };
  scripts = new HookScripts({ script: '', multipleScript: '', timeoutMs: 10_000, ...options }, parts);
  return scripts;
}

const output = (): Promise<string> => readFile(join(folder, 'out'), 'utf8').catch(() => '');
const recording = (streamName: string, internal = {}) =>
  stored('a', { streamName, durationMs: 42 }, { path: '/records/a b.mp4', ...internal });

/** State of a process; one that nobody has waited for is a zombie (Z) still. */
const stateOf = (pid: number): Promise<string> =>
  readFile(`/proc/${pid}/stat`, 'utf8').then(
    (text) => text.slice(text.lastIndexOf(')') + 2)[0] as string,
    () => 'gone',
  );

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hook-'));
  log = new TestLog();
  counters = new TestCounters();
});

afterEach(async () => {
  await scripts.close();
  await rm(folder, { recursive: true });
});

describe('HookScripts', { timeout: 30_000 }, () => {
  it('gives the name of the stream and the path as arguments, whatever is in them, and little of the environment', async () => {
    process.env.SECRET_OF_TEST = 'secret';
    const path = await script(`printf '%s|' "$#" "$1" "$2" "$SECRET_OF_TEST" > ${folder}/out`);
    delete process.env.SECRET_OF_TEST;
    runner({ script: path }).recorded(recording('$(id); "x" `id`\n-rf \0 é'));
    await vi.waitFor(async () => expect(await output()).toBe('2|$(id); "x" `id`\n-rf  é|/records/a b.mp4||'));
    expect(counters.of('recording_hook_failures')).toBe(0);
  });

  it('gives path, time, duration and address for a recording of several streams', async () => {
    const path = await script(`printf '%s|' "$@" > ${folder}/out`);
    runner({ multipleScript: path }).recorded(recording('x', { multipleUri: 'multi-recorder://t' }));
    await vi.waitFor(async () => expect(await output()).toBe('/records/a b.mp4|1700000000000|42|multi-recorder://t|'));
  });

  it('ends a program that takes too long, and what that has started', async () => {
    const path = await script(`trap '' TERM\nsleep 1000 &\necho $! > ${folder}/out\nwait; sleep 1000`);
    runner({ script: path, timeoutMs: 300 }).recorded(recording('x'));
    await vi.waitFor(() => expect(counters.of('recording_hook_failures')).toBe(1), { timeout: 10_000 });
    expect(log.lines.at(-1)?.fields).toMatchObject({ reason: 'it took longer than 300 ms' });
    const pid = Number(await output());
    await vi.waitFor(async () => expect(await stateOf(pid)).toMatch(/^(gone|Z)$/));
  });

  it('counts a program that fails, with the end of what it said in the log', async () => {
    const path = await script('head -c 1000000 /dev/zero | tr "\\0" x\necho last words >&2\nexit 3');
    runner({ script: path }).recorded(recording('x'));
    await vi.waitFor(() => expect(counters.of('recording_hook_failures')).toBe(1));
    const { fields } = log.lines.at(-1) as { fields: { reason: string; output: string } };
    expect(fields.reason).toBe('it ended with code 3');
    expect(fields.output.length).toBeLessThanOrEqual(4096);
    expect(fields.output).toContain('last words');
  });

  it('tells at the start of a program that can not be run, and after recordings at most once a second', async () => {
    const path = await script('true', 0o644);
    runner({ script: path, multipleScript: join(folder, 'missing') }).start();
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'error']);
    for (let i = 0; i < 50; i++) scripts.recorded(recording('x'));
    await vi.waitFor(() => expect(counters.of('recording_hook_failures')).toBe(50));
    expect(log.lines.length).toBeLessThan(6);
  });

  it('runs a few at a time, in order, and does not wait for what a program left behind', async () => {
    const path = await script(`echo "$1" >> ${folder}/out\nsleep 0.05\nsleep 5 &`);
    runner({ script: path, maxAtOnce: 2 });
    for (let i = 0; i < 6; i++) scripts.recorded(recording(String(i)));
    expect(scripts.running).toBe(2);
    await vi.waitFor(
      async () => expect((await output()).trim().split('\n').sort()).toEqual(['0', '1', '2', '3', '4', '5']),
      {
        timeout: 10_000,
      },
    );
    await vi.waitFor(() => expect(scripts.running).toBe(0), { timeout: 3000 });
    expect(counters.of('recording_hook_failures')).toBe(0);
  });

  it('ends what runs when the server ends', async () => {
    const path = await script(`echo $$ > ${folder}/out\nsleep 1000`);
    const ran: string[] = [];
    runner({ script: path, maxAtOnce: 1 }, (id) => ran.push(id));
    scripts.recorded(recording('x'));
    scripts.recorded(recording('y'));
    await vi.waitFor(async () => expect(await output()).not.toBe(''));
    const pid = Number(await output());
    await scripts.close();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(scripts.running).toBe(0);
    expect(ran).toEqual([]);
  });
});
