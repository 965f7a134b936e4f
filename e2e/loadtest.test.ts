import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import type { GroupReport, LoadReport } from '../packages/loadtest/src/report/report.ts';
import { lineTo } from './support/impairment/lines.ts';
import { Program, pause } from './support/program.ts';
import { freePort, TestServer } from './support/server.ts';

const SLUICE_LOAD = fileURLToPath(new URL('../packages/loadtest/bin/sluice-load.mjs', import.meta.url));
/** Other tests run on this machine at the same time, and hold up everybody. */
const FREEZE_MS = 5000;

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await TestServer.start();
  folder = mkdtempSync(join(tmpdir(), 'sluice-load-'));
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A run of the tool, with small pictures, that has begun. */
class Load {
  readonly program: Program;
  readonly #reportFile: string;

  constructor(name: string, args: readonly string[]) {
    this.#reportFile = join(folder, `${name}.json`);
    const small = ['--size', '320x180', '--fps', '25', '--bitrate', '200', '--key', '1'];
    const all = [SLUICE_LOAD, ...args, ...small, '--report', this.#reportFile, '--join-timeout', '40'];
    this.program = new Program(process.execPath, all);
  }

  /** Its report once it has ended. */
  async report(exitCode = 0): Promise<LoadReport> {
    expect(await this.program.exited, this.program.stderr + this.program.stdout).toBe(exitCode);
    return JSON.parse(readFileSync(this.#reportFile, 'utf8')) as LoadReport;
  }

  /** Waits until a line of progress fits. */
  async until(pattern: RegExp): Promise<void> {
    await vi.waitFor(() => expect(this.program.stderr).toMatch(pattern), { timeout: 40_000, interval: 50 });
  }
}

function groupOf(report: LoadReport, protocol: string, role = 'view'): GroupReport {
  const group = report.groups.find((one) => one.protocol === protocol && one.role === role);
  if (group === undefined) throw new Error(`no ${protocol} in the report`);
  return group;
}

describe('the load tool', () => {
  it('publishes by RTMP and WHIP, views by all protocols, and tells what viewers saw', async () => {
    const views = [
      server.rtmp('load{n}'),
      server.http('/flv/load{n}.flv'),
      server.http('/whep/load{n}'),
      `ws://127.0.0.1:${server.ports.ws}/load{n}`,
      server.hls('load').replaceAll('load', 'load{n}'),
      `ll-hls:${server.hls('load').replaceAll('load', 'load{n}')}`,
    ];
    const publish = ['--publish', server.rtmp('load'), '--publish', server.http('/whip/other')];
    const report = await new Load('all', [
      'run',
      ...publish,
      ...['--publishers', '2', '--publishers', '1', '--viewers', '5', '--time', '5', '--check-every', '2'],
      ...['--freeze', String(FREEZE_MS), '--metrics', server.http('/metrics'), '--pid', String(server.pid)],
      ...views.flatMap((url) => ['--view', url]),
    ]).report();
    expect(report.groups).toHaveLength(8);
    for (const group of report.groups) {
      const told = JSON.stringify(group);
      expect(group.joined, told).toBe(group.asked);
      expect([group.failed, group.ended, group.lost, group.freezes, group.undecryptable], told).toEqual([
        0, 0, 0, 0, 0,
      ]);
      expect(group.firstPictureMs?.p50, told).toBeGreaterThan(0);
      expect(group.problems).toEqual({});
      // About 200 kbit/s each, and as much again for sound and headers.
      expect(group.mbitPerSecond / group.joined, told).toBeGreaterThan(0.1);
      expect(group.mbitPerSecond / group.joined, told).toBeLessThan(0.6);
      if (group.role === 'publish') continue;
      expect(group.picturesMissing, told).toBe(0);
      expect(group.delayMs?.count, told).toBeGreaterThan(0);
      // Segments of a second or two take as long to come together; everything else is there at once.
      expect(group.delayMs?.p50, told).toBeLessThan(group.protocol === 'hls' ? 12_000 : 3000);
    }
    expect(groupOf(report, 'hls').delayMs?.p50).toBeGreaterThan(groupOf(report, 'll-hls').delayMs?.p50 ?? 0);
    expect(groupOf(report, 'hls').requestsPerSecond).toBeGreaterThan(0);
    expect(report.server?.cpu).toBeGreaterThan(0);
    expect(report.server?.loopP99Ms).toBeDefined();
    expect(report.server?.processes).toBeGreaterThan(0);
    expect(report.tool.cpuPercentPerViewer).toBeGreaterThan(0);
  });

  it('tells of packets that the network loses', async (test) => {
    const line = await lineTo(test, server, { changes: { loss: 0.05, delayMs: 10 } });
    const load = new Load('loss', [
      'run',
      ...['--publish', server.http('/whip/lossy'), '--view', line.before.http('/whep/lossy')],
      ...['--viewers', '5', '--time', '5', '--freeze', String(FREEZE_MS)],
    ]);
    const report = await load.report();
    const group = groupOf(report, 'whep');
    const dropped = line.udp.counters('down').lost;
    const told = `${JSON.stringify(group)}, ${dropped} dropped`;
    expect(dropped, told).toBeGreaterThan(30);
    // Pictures are asked for again, sound is not. Datagrams beside sound and pictures got lost as well.
    expect(group.repaired, told).toBeGreaterThan(0);
    expect(group.lost, told).toBeGreaterThan(0);
    expect(group.lost + group.repaired, told).toBeGreaterThan(dropped * 0.5);
    expect(group.lost, told).toBeLessThan(dropped);
  });

  it('tells of a server that stands still', async () => {
    const load = new Load('still', [
      'run',
      ...['--publish', server.rtmp('still'), '--view', server.rtmp('still'), '--view', server.http('/whep/still')],
      ...['--viewers', '2', '--time', '6', '--freeze', '1500'],
    ]);
    await load.until(/viewing 4\/4/);
    process.kill(server.pid, 'SIGSTOP');
    await pause(3000);
    process.kill(server.pid, 'SIGCONT');
    const report = await load.report();
    for (const protocol of ['rtmp', 'whep']) {
      const group = groupOf(report, protocol);
      const told = JSON.stringify(group);
      expect(group.joined, told).toBe(2);
      expect(group.freezes, told).toBeGreaterThanOrEqual(2);
      expect(group.frozenMs, told).toBeGreaterThan(2 * 2500);
    }
    expect(groupOf(report, 'rtmp').delayMs?.max).toBeGreaterThan(2000);
  });

  it('fails when not all can join, and says why', async () => {
    const args = ['view', '--from', server.http('/whep/nobody'), '--count', '3', '--quiet'];
    const load = new Load('nobody', args);
    const allowed = new Load('allowed', [...args, '--allow-failures']);
    const group = groupOf(await load.report(1), 'whep');
    expect(group).toMatchObject({ asked: 3, joined: 0, failed: 3, pictures: 0, bytes: 0 });
    expect(Object.keys(group.problems).join()).toContain('there is no stream "nobody"');
    expect(load.program.stdout).toContain('0 of 3, 3 failed');
    expect(load.program.stderr).toBe('');
    await allowed.report(0);
  });

  it('explains a command line that makes no sense', async () => {
    const wrong = new Program(process.execPath, [SLUICE_LOAD, 'view', '--from', 'http://127.0.0.1/what']);
    expect(await wrong.exited).toBe(2);
    expect(wrong.stderr).toContain('which protocol is this?');
    const help = new Program(process.execPath, [SLUICE_LOAD, '--help']);
    expect(await help.exited).toBe(0);
    expect(help.stdout).toContain('sluice-load run --publish');
  });
});

describe('the load tool at another server', () => {
  it('publishes to nginx-rtmp and views there', async (test) => {
    const { port, pid } = await startNginx(test);
    const url = `rtmp://127.0.0.1:${port}/live/load`;
    const report = await new Load('nginx', [
      'run',
      ...['--publish', url, '--publishers', '2', '--view', `${url}{n}`, '--viewers', '5'],
      ...['--time', '5', '--freeze', String(FREEZE_MS), '--pid', String(pid)],
    ]).report();
    const viewers = groupOf(report, 'rtmp');
    const told = JSON.stringify(report);
    expect(groupOf(report, 'rtmp', 'publish').joined, told).toBe(2);
    expect(viewers).toMatchObject({ joined: 5, failed: 0, ended: 0, freezes: 0, picturesMissing: 0 });
    expect(viewers.delayMs?.p50, told).toBeLessThan(3000);
    // The master and its worker.
    expect(report.server?.processes, told).toBe(2);
    expect(report.server?.residentBytes, told).toBeGreaterThan(2 ** 20);
  });
});

/** nginx with its module for RTMP, ended with the test. */
async function startNginx(test: TestContext): Promise<{ port: number; pid: number }> {
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; worker_processes 1; pid ${join(folder, 'nginx.pid')}; error_log ${join(folder, 'nginx.log')} error;
events { worker_connections 256; }
rtmp { access_log off; server { listen 127.0.0.1:${port}; application live { live on; } } }
`,
  );
  const child = spawn('nginx', ['-c', config, '-p', folder], { stdio: 'ignore' });
  test.onTestFinished(async () => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
  });
  await vi.waitFor(() => expect(() => readFileSync(join(folder, 'nginx.pid'))).not.toThrow(), { timeout: 20_000 });
  return { port, pid: child.pid ?? 0 };
}
