import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TransportStreamInput, TransportStreamStart } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { testEngine } from '../../../engine/testing/run.ts';
import { Ticker } from '../../../io/index.ts';
import { TransportStreamServer } from '../server.ts';
import { srtInputs } from './srt-input.ts';
import { SCENE, WAIT } from './testing/srt-rig.ts';

const { engine } = testEngine();
const children: ChildProcess[] = [];
let hub: ReturnType<typeof testHub>;
let server: TransportStreamServer;

beforeEach(() => {
  hub = testHub();
  const deps = { ...hub, ticker: new Ticker() };
  const openSrt = srtInputs({ ...deps, srt: engine.srt });
  server = new TransportStreamServer(
    { ...deps, openSrt },
    { address: '127.0.0.1', ports: { from: 0, to: 0 }, timeoutMs: 20_000 },
  );
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await server.close();
  expect([server.all().length, hub.streams.size, hub.sessions.size]).toEqual([0, 0, 0]);
});
afterAll(() => engine.close());

function startup(more: Partial<TransportStreamStart> = {}): Promise<TransportStreamInput> {
  return server.startup({ streamName: 'cam', transport: 'srt', latencyMs: 40, ...more });
}

function publish(uri: string, more = ''): ChildProcess {
  const child = spawn('ffmpeg', ['-v', 'error', ...SCENE, `${uri}${more}`], { stdio: ['pipe', 'ignore', 'ignore'] });
  children.push(child);
  return child;
}

async function receiving(): Promise<void> {
  await vi.waitFor(() => {
    const [facts] = server.all();
    expect(facts).toMatchObject({ receiving: true, hasVideo: true, hasAudio: true });
  }, WAIT);
}

describe('ports for one SRT publisher', { timeout: 40_000 }, () => {
  it('take it whatever its stream id, nobody beside it, and end with it', async () => {
    const { uri, protocol } = await startup();
    expect([uri, protocol]).toEqual([expect.stringMatching(/^srt:\/\/127\.0\.0\.1:\d+$/), 'srt']);
    const publisher = publish(uri, '?streamid=anything');
    await receiving();
    const second = publish(uri);
    await vi.waitFor(() => expect(second.exitCode).not.toBeNull(), WAIT);
    expect(server.all()).toHaveLength(1);
    publisher.kill('SIGINT');
    await vi.waitFor(() => expect(server.all()).toEqual([]), WAIT);
    expect(hub.streams.get('cam')).toBeUndefined();
  });

  it('go on waiting after somebody with a wrong passphrase', async () => {
    await expect(startup({ passphrase: 'too short' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const { uri } = await startup({ passphrase: 'correct horse' });
    const wrong = publish(uri, '?passphrase=battery staple');
    await vi.waitFor(() => expect(wrong.exitCode).not.toBeNull(), WAIT);
    expect(server.all()[0]?.receiving).toBe(false);
    const refused = hub.log.lines.filter(({ message }) => message === 'SRT caller refused');
    expect(refused).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ reason: 'its passphrase is wrong' }) }),
    );
    publish(uri, '?passphrase=correct horse');
    await receiving();
  });

  it('turn away who is not in the list', async () => {
    const { uri } = await startup({ allowedList: ['192.0.2.0/24'] });
    const denied = publish(uri);
    await vi.waitFor(() => expect(denied.exitCode).not.toBeNull(), WAIT);
    expect([server.all()[0]?.receiving, hub.counters.of('mpegts_denied')]).toEqual([false, 1]);
    expect(server.end(() => true, 'test')).toBe(1);
    const open = await startup({ allowedList: ['127.0.0.0/8'] });
    publish(open.uri);
    await receiving();
  });

  it('end when the process of the library is killed', async () => {
    const { uri } = await startup();
    const publisher = publish(uri);
    await receiving();
    for (const { pid } of engine.stats().workers) process.kill(pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => expect(server.all()).toEqual([]), WAIT);
    await vi.waitFor(() => expect(publisher.exitCode).not.toBeNull(), { timeout: 4000 });
  });

  it('are taken by one input each', async () => {
    const { uri } = await startup();
    const port = Number(uri.split(':').at(-1));
    await expect(startup({ streamName: 'other', port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    server.end(({ streamName }) => streamName === 'cam', 'test');
    await vi.waitFor(() => startup({ streamName: 'other', port }), WAIT);
  });
});
