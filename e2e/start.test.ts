import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, portSettings, ROOT, TestServer } from './support/server.ts';

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end; `until` sends it a signal once its output fits. */
async function run(
  command: string,
  args: readonly string[],
  until?: { pattern: RegExp; signal: NodeJS.Signals },
): Promise<Finished> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let signalled = false;
  const onText = (text: Buffer): void => {
    output += String(text);
    if (until === undefined || signalled || !until.pattern.test(output)) return;
    signalled = true;
    child.kill(until.signal);
  };
  child.stdout.on('data', onText);
  child.stderr.on('data', onText);
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, output };
}

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-start-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('npm start', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'starts, prints what to open, publish to and play, and ends with 0 at %s',
    async (signal) => {
      const ports = await freePorts();
      const { rtmp, hls, http } = ports;
      const sets = Object.entries(portSettings(ports)).flatMap(([name, port]) => ['--set', `${name}=${port}`]);
      const args = ['start', '--', '--data-dir', folder, ...sets];
      const { code, output } = await run('npm', args, { pattern: /Press Ctrl/, signal });
      expect(code, output).toBe(0);
      for (const url of [`http://localhost:${http}/`, `rtmp://localhost:${rtmp}/live`, `:${hls}/demo/demo.m3u8`]) {
        expect(output).toContain(url);
      }
    },
  );

  it('says in one line which port is taken and what to do', async () => {
    const other = createServer().listen(0, '::');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const sets = Object.entries({ ...portSettings(await freePorts()), 'rtmp.port': port });
    const flags = sets.flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    const { code, output } = await run('packages/server/bin/sluice.mjs', ['start', '--data-dir', folder, ...flags]);
    other.close();
    expect(code).toBe(1);
    const lines = output.split('\n').filter((line) => line.startsWith('sluice:'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`${port}.*rtmp\\.port`));
  });
});

describe('the guides', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start({ args: ['--demo'] });
  });

  afterAll(() => server.stop());

  const docs = join(ROOT, 'docs');
  const snippets = readdirSync(docs)
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      const blocks = readFileSync(join(docs, file), 'utf8').matchAll(/```bash test\n([\s\S]*?)```/g);
      return [...blocks].map((block, i) => [`${file} #${i + 1}`, block[1] ?? ''] as const);
    });

  it('have snippets to run', () => expect(snippets.length).toBeGreaterThan(2));

  it.each(snippets)('%s works as written', async (_, text) => {
    await server.untilLive('demo');
    const script = text
      .replaceAll(/\b(localhost|127\.0\.0\.1):1935/g, `127.0.0.1:${server.rtmpPort}`)
      .replaceAll(/\b(localhost|127\.0\.0\.1):8082/g, `127.0.0.1:${server.hlsPort}`)
      .replaceAll(/\b(localhost|127\.0\.0\.1):8081/g, `127.0.0.1:${server.httpPort}`)
      .replaceAll('rtmp://localhost/', `rtmp://127.0.0.1:${server.rtmpPort}/`);
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code, `${script}\n${output}`).toBe(0);
  });
});
