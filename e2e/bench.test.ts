import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BenchResult } from '../packages/server/src/app/bench/bench-run.ts';
import { Program } from './support/program.ts';

const SLUICE = fileURLToPath(new URL('../packages/server/bin/sluice.mjs', import.meta.url));

const bench = (...args: string[]): Program => new Program(process.execPath, [SLUICE, 'bench', ...args]);

describe('sluice bench', () => {
  it('measures a server of its own by all protocols', async () => {
    const program = bench('--seconds', '10', '--json');
    expect(await program.exited, program.stderr).toBe(0);
    const result = JSON.parse(program.stdout) as BenchResult;
    expect(result.machine.cores).toBeGreaterThan(0);
    expect(result.protocols.map(({ protocol }) => protocol)).toEqual(['webrtc', 'rtmp', 'hls']);
    for (const { steps, capacity } of result.protocols) {
      const told = JSON.stringify({ steps, capacity });
      expect(steps[0]?.viewers, told).toBeGreaterThanOrEqual(20);
      expect(steps[0]?.missing, told).not.toContain('could not join');
      expect(capacity?.perCore, told).toBeGreaterThan(20);
      expect(capacity?.perGigabit, told).toBeGreaterThan(100);
    }
    expect(program.stderr).toContain('webrtc: 20 viewers join');
  });

  it('prints a table and advice, of the protocols that are wanted', async () => {
    const program = bench('--seconds', '10', '--only', 'rtmp', '--set', 'rtmp_flush_interval=20');
    expect(await program.exited, program.stderr).toBe(0);
    expect(program.stdout).toMatch(/^RTMP +\d+ viewers +\d+ %/m);
    expect(program.stdout).not.toMatch(/^HLS/m);
    expect(program.stdout).toContain('is the limit');
  });

  it('explains what it can not do', async () => {
    const wrong = bench('--only', 'smoke-signals');
    expect(await wrong.exited).toBe(2);
    expect(wrong.stderr).toContain('there is no "smoke-signals"');
    const setting = bench('--set', 'gop_cache_duration=many');
    expect(await setting.exited).toBe(1);
    expect(setting.stderr).toContain('gop_cache_duration');
    const help = bench('--help');
    expect(await help.exited).toBe(0);
    expect(help.stdout).toContain('Usage: sluice bench');
  });
});
