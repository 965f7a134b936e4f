import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Engine } from './index.ts';
import { isAlive, testEngine } from './testing/run.ts';
import { freeUdpPort, numberedPackets, SrtEnd } from './testing/srt.ts';

const WAIT = { timeout: 10_000, interval: 20 };
const open: Engine[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  const pids = open.flatMap(pidsOf);
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(open.splice(0).map((engine) => engine.close()));
  await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), WAIT);
});

function start(options: Parameters<typeof testEngine>[0] = {}) {
  const parts = testEngine(options);
  open.push(parts.engine);
  return parts;
}

function pidsOf(engine: Engine): number[] {
  return engine.stats().workers.flatMap(({ pid }) => pid ?? []);
}

function run(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  children.push(child);
  return child;
}

/** A listener that receives and a caller that sends, connected. */
async function pair(engine: Engine, more: { passphrase?: string; streamId?: string } = {}) {
  const port = await freeUdpPort();
  const receiver = new SrtEnd(engine.srt, { port, mode: 'listener', passphrase: more.passphrase });
  const sender = new SrtEnd(engine.srt, { port, direction: 'send', ...more });
  await vi.waitFor(() => expect([receiver.connected, sender.connected]).toEqual([true, true]), WAIT);
  return { port, receiver, sender };
}

describe('SRT of the engine', { timeout: 40_000 }, () => {
  test('carries bytes in order from a caller to a listener, and what was written before the end', async () => {
    const { engine } = start();
    const { receiver, sender } = await pair(engine, { passphrase: 'ten letters or more', streamId: "a&b=c:d'e]|f +ü" });
    const sent: Buffer[] = [];
    for (let index = 0; index < 40; index++) {
      sent.push(numberedPackets(1 + (index % 20), index * 100));
      sender.connection.write(sent.at(-1) ?? Buffer.alloc(0));
    }
    sender.connection.close();
    await vi.waitFor(() => expect(receiver.closes).toHaveLength(1), WAIT);
    expect(receiver.closes[0]?.code).toBe('ended');
    expect(receiver.received.equals(Buffer.concat(sent))).toBe(true);
    expect(sender.closes).toEqual([]);
    expect(engine.stats().workers).toMatchObject([{ kind: 'srt', conversions: 0 }]);
  });

  test('sends from a listener to a caller', async () => {
    const { engine } = start();
    const port = await freeUdpPort();
    const sender = new SrtEnd(engine.srt, { port, mode: 'listener', direction: 'send' });
    const receiver = new SrtEnd(engine.srt, { port });
    await vi.waitFor(() => expect(sender.connected).toBe(true), WAIT);
    sender.connection.write(numberedPackets(30));
    await vi.waitFor(() => expect(receiver.received.length).toBe(30 * 188), WAIT);
    receiver.connection.close();
    await vi.waitFor(() => {
      sender.connection.write(numberedPackets(7));
      expect(sender.closes).toMatchObject([{ code: 'ended' }]);
    }, WAIT);
  });

  test('is refused at once for a wrong passphrase', async () => {
    const { engine } = start();
    const port = await freeUdpPort();
    const listener = new SrtEnd(engine.srt, { port, mode: 'listener', passphrase: 'the right passphrase' });
    const caller = new SrtEnd(engine.srt, { port, passphrase: 'a wrong passphrase' });
    await vi.waitFor(() => expect(caller.closes).toMatchObject([{ code: 'refused' }]), WAIT);
    expect(listener.connected || caller.connected).toBe(false);
  });

  test('gives up when nobody answers, or nobody calls', async () => {
    const { engine } = start();
    const open = { connectTimeoutMs: 600 };
    const caller = new SrtEnd(engine.srt, { port: await freeUdpPort(), ...open });
    const ends = [caller];
    for (const direction of ['receive', 'send'] as const)
      ends.push(new SrtEnd(engine.srt, { port: await freeUdpPort(), mode: 'listener', direction, ...open }));
    await vi.waitFor(() => expect(ends.map(({ closes }) => closes[0]?.code)).toEqual(Array(3).fill('timeout')), WAIT);
  });

  test.each(['receive', 'send'] as const)('a listener to %s that is closed gives its port back', async (direction) => {
    const { engine } = start();
    const port = await freeUdpPort();
    const listener = new SrtEnd(engine.srt, { port, mode: 'listener', direction });
    const bind = async () => {
      const socket = createSocket('udp4').bind(port, '127.0.0.1');
      await once(socket, 'listening').finally(() => socket.close());
    };
    await vi.waitFor(() => expect(bind()).rejects.toThrow('EADDRINUSE'), WAIT);
    listener.connection.close();
    await vi.waitFor(bind, WAIT);
    expect(listener.closes).toEqual([]);
  });

  test('asks its owner to wait while much is unsent, and tells when it may go on', async () => {
    const { engine } = start();
    const { receiver, sender } = await pair(engine);
    let written = 0;
    while (sender.connection.write(numberedPackets(70, written))) written += 70;
    expect(sender.connection.queuedBytes).toBeGreaterThan(256 * 1024);
    await vi.waitFor(() => expect(sender.writable).toBe(1), WAIT);
    expect(sender.connection.queuedBytes).toBeLessThan(64 * 1024);
    await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(100_000), WAIT);
  });

  test('ends its connections when their process is killed; new ones get another', async () => {
    const { engine, counters } = start();
    const { receiver, sender } = await pair(engine);
    const [pid] = pidsOf(engine);
    process.kill(pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => expect([receiver, sender].map(({ closes }) => closes.length)).toEqual([1, 1]), WAIT);
    expect(receiver.closes[0]).toMatchObject({ code: 'failed', reason: expect.stringContaining('SIGKILL') });
    expect(counters.of('engine_worker_deaths')).toBe(1);
    const next = await pair(engine);
    next.sender.connection.write(numberedPackets(7));
    await vi.waitFor(() => expect(next.receiver.received.length).toBe(7 * 188), WAIT);
    expect(pidsOf(engine)).not.toContain(pid);
  });

  test('fills a process before it starts another, and refuses more connections than it may have', async () => {
    const { engine } = start({ srtPerWorker: 2, srtConnections: 3 });
    const ends: SrtEnd[] = [];
    for (let index = 0; index < 4; index++)
      ends.push(new SrtEnd(engine.srt, { port: await freeUdpPort(), mode: 'listener' }));
    expect(engine.stats().workers.map(({ conversions }) => conversions)).toEqual([2, 1]);
    await vi.waitFor(() => expect(ends[3]?.closes).toMatchObject([{ code: 'failed' }]), WAIT);
  });

  test('takes what ffmpeg sends, and gives it to srt-live-transmit', async () => {
    const { engine } = start();
    const [from, to] = [await freeUdpPort(), await freeUdpPort()];
    const receiver = new SrtEnd(engine.srt, { port: from, mode: 'listener', passphrase: 'correct horse' });
    const clip = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=60', '-c:v', 'mpeg2video', '-f', 'mpegts'];
    run('ffmpeg', ['-v', 'error', ...clip, `srt://127.0.0.1:${from}?passphrase=correct horse&pbkeylen=32`]);
    await vi.waitFor(() => expect(receiver.received.length).toBeGreaterThan(20_000), WAIT);
    expect(receiver.received[0]).toBe(0x47);
    const player = run('srt-live-transmit', ['-q', `srt://:${to}?mode=listener`, 'file://con']);
    let [played, bytes] = [0, 0];
    player.stdout?.on('data', (chunk: Buffer) => {
      played += chunk.length;
    });
    const sender = new SrtEnd(engine.srt, { port: to, direction: 'send', connectTimeoutMs: 5000 });
    await vi.waitFor(() => {
      bytes += 188 * 14;
      sender.connection.write(numberedPackets(14));
      expect([played > 30_000, bytes >= played]).toEqual([true, true]);
    }, WAIT);
  });
});
