import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { dropsOf, ownUdpDrops } from './own-sockets.ts';
import { usageOf } from './processes.ts';
import { parseMetrics } from './prometheus.ts';
import { UsageWatch } from './usage-watch.ts';

const METRICS = `# HELP process_cpu_seconds_total help
process_cpu_seconds_total 12.5
process_resident_memory_bytes 1048576
nodejs_eventloop_lag_p99_seconds 0.004
http_requests{code="200"} 7
broken
odd NaN
`;

describe('metrics of a server', () => {
  it('are read where they have no labels', () => {
    expect([...parseMetrics(METRICS).keys()]).toEqual([
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
    ]);
  });

  it('become CPU between two looks, and the worst of all else', async () => {
    let cpu = 1;
    let late = 0.009;
    const server = createServer((_request, response) => {
      cpu += 0.5;
      late -= 0.002;
      response.end(`process_cpu_seconds_total ${cpu}\nnodejs_eventloop_lag_p99_seconds ${late}\n`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const watch = new UsageWatch({ metricsUrl: `http://127.0.0.1:${port}/metrics`, insecure: false, pids: [] });
    await watch.begin();
    await watch.look();
    await watch.look();
    const usage = watch.usage();
    expect((usage?.server?.cpu ?? 0) * (usage?.seconds ?? 0)).toBeCloseTo(1, 6);
    expect(usage?.server?.loopP99Ms).toBeCloseTo(5, 6);
    server.close();
    server.closeAllConnections();
    await watch.look();
    expect(watch.problem).toContain('ECONNREFUSED');
  });
});

describe('processes', () => {
  it('count with those that they have started', async () => {
    const before = usageOf([process.pid]);
    const child = spawn('sh', ['-c', 'sleep 60 & wait'], { detached: true });
    await once(child, 'spawn');
    await vi.waitFor(() => expect(usageOf([process.pid]).processes).toBeGreaterThanOrEqual(before.processes + 2));
    expect(usageOf([child.pid ?? 0]).processes).toBe(2);
    expect(before.residentBytes).toBeGreaterThan(2 ** 20);
    // The group, so that its own child ends too.
    process.kill(-(child.pid ?? 0));
    await once(child, 'exit');
    expect(usageOf([2 ** 22 + 1])).toEqual({ cpuS: 0, residentBytes: 0, processes: 0 });
  });
});

describe('datagrams that this process did not read in time', () => {
  it('are told by the system, by socket', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 10: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 777 2 0000000000000000 41
 11: 0100007F:1F91 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 778 2 0000000000000000 5
`;
    expect(dropsOf(table, new Set(['777', '9']))).toBe(41);
    expect(dropsOf(table, new Set())).toBe(0);
  });

  it('are counted for its own sockets', async () => {
    const [reader, writer] = [createSocket('udp4'), createSocket('udp4')];
    reader.bind(0, '127.0.0.1');
    await once(reader, 'listening');
    reader.setRecvBufferSize(1);
    const { port } = reader.address();
    const before = ownUdpDrops();
    // Nothing is read while this loop runs.
    for (let i = 0; i < 2000; i++) writer.send(Buffer.alloc(1400), port, '127.0.0.1');
    await vi.waitFor(() => expect(ownUdpDrops()).toBeGreaterThan(before));
    reader.close();
    writer.close();
  });
});
