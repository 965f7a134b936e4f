import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderUrls } from './serve.ts';
import { renderSettingsReference } from './settings/index.ts';

const MAIN = fileURLToPath(new URL('../../dist/app/main.js', import.meta.url));
const BIN = fileURLToPath(new URL('../../bin/sluice.mjs', import.meta.url));
/** No listeners at all: such a start does not depend on free ports. */
const NO_PORTS = [
  'http.port',
  'https.port',
  'hls.port',
  'hls.https.port',
  'rtmp.port',
  'ws.port',
  'wss.port',
  'rtsp.port',
  'srt.port',
  'media_port_from',
  'turn_port',
  'turns_port',
].flatMap((name) => ['--set', `${name}=0`]);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function launch(args: readonly string[], env: Record<string, string> = {}, program = MAIN) {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (texts.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (texts.err += data.toString()));
  const outcome = once(child, 'close').then(
    ([code]: unknown[]): Outcome => ({ code: code as number | null, ...texts }),
  );
  return { child, texts, outcome };
}

const sluice = (...args: string[]): Promise<Outcome> => launch(args).outcome;

async function started(args: readonly string[], env: Record<string, string> = {}) {
  const run = launch(['start', ...args], env);
  while (!run.texts.out.includes('is running') && run.child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return run;
}

/** Stops a server that a failed test may have left. */
function kill(child: ChildProcess): void {
  if (child.exitCode === null) child.kill('SIGKILL');
}

describe('the commands that need no server', () => {
  test('version, in every spelling and through the bin file', async () => {
    for (const args of [['version'], ['--version'], ['-v']]) {
      expect(await sluice(...args)).toEqual({
        code: 0,
        out: expect.stringMatching(/^sluice \d+\.\d+\.\d+\n$/),
        err: '',
      });
    }
    expect(await launch(['version'], {}, BIN).outcome).toMatchObject({ code: 0, err: '' });
  });

  test('every command has help', async () => {
    const commands = [
      [],
      ['start'],
      ['config'],
      ['config', 'print'],
      ['config', 'check'],
      ['config', 'docs'],
      ['version'],
    ];
    for (const command of commands) {
      const { code, out } = await sluice(...command, '--help');
      expect({ code, usage: out.includes(`Usage: ${['sluice', ...command].join(' ')}`) }).toEqual({
        code: 0,
        usage: true,
      });
    }
  });

  test('no command at all shows the help and fails', async () => {
    expect(await sluice()).toEqual({ code: 2, out: '', err: expect.stringContaining('Usage: sluice <command>') });
  });

  test('config docs prints the reference page', async () => {
    expect(await sluice('config', 'docs')).toEqual({ code: 0, out: renderSettingsReference(), err: '' });
  });

  test('config print reads the named file, the environment and --set', async () => {
    const file = join(folder, 'named.properties');
    writeFileSync(file, 'rtmp.port=1111\nhls.port=2222\nzzz=1\n');
    const env = { SLUICE_HLS_PORT: '3333' };
    const { code, out, err } = await launch(['config', 'print', '--config', file, '--set', 'http.port=4444'], env)
      .outcome;
    expect(code).toBe(0);
    expect(out).toContain(`# from ${file}:1\nrtmp.port=1111\n`);
    expect(out).toContain('# from SLUICE_HLS_PORT\nhls.port=3333\n');
    expect(out).toContain('# from --set\nhttp.port=4444\n');
    expect(err).toBe(`warning: ${file}:3: zzz is no known setting; it is passed over\n`);
  });

  test('the file in the data folder is read when no other is named', async () => {
    const dataDir = mkdtempSync(join(folder, 'data-'));
    writeFileSync(join(dataDir, 'sluice.properties'), 'rtmp.port=1234\n');
    expect((await sluice('config', 'print', '--data-dir', dataDir)).out).toContain('rtmp.port=1234\n');
    const byVariable = await launch(['config', 'print'], { SLUICE_DATA_DIR: dataDir }).outcome;
    expect(byVariable).toMatchObject({ code: 0, out: expect.stringContaining('rtmp.port=1234\n'), err: '' });
  });

  test('config check says that all is well, or each thing that is not', async () => {
    expect(await sluice('config', 'check')).toMatchObject({ code: 0, out: expect.stringContaining('can be used') });
    expect(await sluice('config', 'check', '--set', 'rtmp.port=x', '--set', 'hls_container=x')).toEqual({
      code: 1,
      out: '',
      err: [
        'sluice: --set: rtmp.port: "x" is not allowed; it must be a port from 1 to 65535, or 0 for off',
        'sluice: --set: hls_container: "x" is not allowed; it must be one of fmp4, ts',
        '',
      ].join('\n'),
    });
  });
});

describe('mistakes on the command line', () => {
  test.each([
    [['strat'], 2, 'there is no command "strat"; did you mean "start"? (see sluice --help)'],
    [['config', 'prnt'], 2, 'there is no command "config prnt"; did you mean "config print"? (see sluice --help)'],
    [['start', '--confg', 'x'], 2, 'there is no option --confg; did you mean --config? (see sluice --help)'],
    [['start', '--nonsense'], 2, 'there is no option --nonsense (see sluice --help)'],
    [['version', '--demo'], 2, '--demo does not go with "version"; see sluice version --help'],
    [['config', 'docs', '--set', 'a=b'], 2, '--set does not go with "config docs"; see sluice config docs --help'],
    [['start', '--config', 'none.properties'], 1, 'none.properties: can not be read: there is no such file'],
    [['start', '--set', 'rtmp.port'], 1, '--set "rtmp.port": write it as --set name=value'],
  ])('%j is answered in one line', async (args, code, message) => {
    expect(await sluice(...args)).toEqual({ code, out: '', err: `sluice: ${message}\n` });
  });

  test('an option without its value is answered in one line', async () => {
    const { code, err } = await sluice('start', '--config');
    expect(code).toBe(2);
    expect(err).toMatch(/^sluice: .*--config.*\n$/);
  });
});

describe('start', () => {
  test('makes the data folder, prints a table, and ends with 0 at a signal', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const dataDir = join(folder, `state-${signal}`, 'deep');
      const { child, texts, outcome } = await started(['--data-dir', dataDir, ...NO_PORTS]);
      try {
        expect(texts.out).toMatch(/^\nSluice \d+\.\d+\.\d+ is running\n/);
        child.kill(signal);
        child.kill(signal); // npm and a terminal may both pass it on
        const began = performance.now();
        expect((await outcome).code).toBe(0);
        expect(performance.now() - began).toBeLessThan(5000);
      } finally {
        kill(child);
      }
    }
  });

  test('logs JSON lines when it is no terminal, warnings of the settings among them', async () => {
    const { child, outcome } = await started([...NO_PORTS, '--set', 'recrd=1']);
    child.kill('SIGTERM');
    const { err } = await outcome;
    const lines = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: number; msg: string });
    expect(lines[0]).toMatchObject({ level: 40, msg: '--set: recrd is no known setting; it is passed over' });
    expect(lines.at(-1)).toMatchObject({ level: 30, msg: 'stopped' });
  });

  test('a port in use is one line and exit code 1', async () => {
    const taken: Server = createServer();
    taken.listen(0);
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const { code, out, err } = await sluice('start', ...NO_PORTS, '--set', `http.port=${port}`);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toMatch(new RegExp(`^sluice: .*${port}.*\\n$`));
    } finally {
      taken.close();
    }
  });

  test('a data folder that can not be made is one line and exit code 1', async () => {
    const inTheWay = join(folder, 'a-file');
    writeFileSync(inTheWay, '');
    const { code, err } = await sluice('start', ...NO_PORTS, '--data-dir', join(inTheWay, 'below'));
    expect(code).toBe(1);
    expect(err).toMatch(/^sluice: .*the data folder can not be made: .*\n$/);
  });

  test('the table of URLs is aligned', () => {
    const urls = [
      { what: 'Open', url: 'http://h/' },
      { what: 'Publish', url: 'rtmp://h/' },
    ];
    expect(renderUrls('1.2.3', urls)).toContain('\n  Open     http://h/\n  Publish  rtmp://h/\n');
  });
});
