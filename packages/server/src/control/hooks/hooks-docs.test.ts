import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOOK_NAMES, SENT_HOOKS } from '@sluice/contract';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hooksReference } from './hooks-reference.ts';
import { AccessRig, request } from './testing/access-rig.ts';

const DOCS = new URL('../../../../../docs/', import.meta.url);
const PAGE = readFileSync(new URL('connect-your-back-end.md', DOCS), 'utf8');

it('docs/reference/hooks.md is what the schemas say', () => {
  const committed = readFileSync(new URL('reference/hooks.md', DOCS), 'utf8');
  expect(committed, 'write it anew: npm run docs:hooks').toBe(hooksReference());
});

it('the guide names hooks that are there', () => {
  const named = [...PAGE.matchAll(/`([a-zA-Z]+(?:Event|Stream|Report|Logs|Debug))`/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !HOOK_NAMES.some((known) => known === name))).toEqual([]);
  for (const hook of ['connect', 'publishStream', 'playStream', 'playHLS', 'OnDataEvent'] as const) {
    expect(SENT_HOOKS).toContain(hook);
    expect(PAGE).toContain(`\`${hook}\``);
  }
});

describe('the back end of the guide', () => {
  let rig: AccessRig;
  let folder: string;
  let program: ChildProcess;
  let said = '';

  beforeEach(async () => {
    rig = await AccessRig.start();
    folder = mkdtempSync(join(tmpdir(), 'guide-'));
    const [, code = ''] = /```js test\n([\s\S]*?)```/.exec(PAGE) ?? [];
    writeFileSync(join(folder, 'back-end.mjs'), code);
    const port = await freePort();
    program = spawn(process.execPath, [join(folder, 'back-end.mjs')], { env: { PORT: String(port) } });
    said = '';
    program.stdout?.on('data', (data: Buffer) => (said += data.toString()));
    program.stderr?.on('data', (data: Buffer) => (said += data.toString()));
    await rig.addApplication('guide', { url: `http://127.0.0.1:${port}` });
  });

  afterEach(async () => {
    program.kill();
    await rig.close();
    rmSync(folder, { recursive: true });
  });

  it('lets one publisher in and refuses others', async () => {
    const client = await vi.waitFor(() => rig.connect({ appKey: 'guide' }), { timeout: 10_000 });
    client.established();
    const access = await client.publish(request({ custom: { token: 'let-me-in' } }));
    access.active(rig.mediaSession());
    for (const custom of [{ token: 'other' }, {}]) {
      await expect(client.publish(request({ custom }))).rejects.toMatchObject({ message: 'Wrong token' });
    }
    expect((await client.play(request({ custom: {} }))).name).toBe('cam');
    await vi.waitFor(() => expect(said).toContain('StreamStatusEvent cam PUBLISHING\n'));
    expect(said).not.toContain('rror');
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
