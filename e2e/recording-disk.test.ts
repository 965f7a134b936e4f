import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Copier, ofKind, stepsMs } from './support/copied.ts';
import { makeClip } from './support/ffmpeg.ts';
import { decodeWhole, finishedRecordings, packetsOf } from './support/recordings.ts';
import { readTags, ScriptedPublisher } from './support/scripted-publisher.ts';
import { TestServer } from './support/server.ts';

const DISK_BYTES = 8 * 1024 * 1024;
/** What is left of it: a few seconds of the clip. */
const FREE_BYTES = 512 * 1024;
const PICTURE_STEP_MS = 40;

let disk: string;
let server: TestServer;

beforeAll(async () => {
  disk = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  // Takes root, as the installation of what the tests need does.
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'sluice-test', disk]);
  server = await TestServer.start({
    settings: {
      record_flash_published_streams: 'true',
      stream_record_policy: 'streamName',
      record_dir: disk,
      record_retry_interval: 1,
    },
  });
});

afterAll(async () => {
  await server.stop();
  execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true });
});

interface Running {
  readonly streamName: string;
  readonly trouble?: string;
  readonly bytes: number;
}

async function running(): Promise<Running | undefined> {
  const response = await fetch(server.http('/rest-api/recorder/find_all'));
  return response.status === 200 ? ((await response.json()) as Running[])[0] : undefined;
}

describe('a disk that is full', () => {
  it('costs the recording what it can not hold; the stream goes on, and the recording too when there is room', async () => {
    const clip = join(server.folder, 'clip.flv');
    makeClip(clip, {
      seconds: 60,
      gop: 25,
      args: ['-b:v', '1M', '-minrate', '1M', '-maxrate', '1M', '-bufsize', '1M'],
    });
    const filler = join(disk, 'filler');
    writeFileSync(filler, Buffer.alloc(DISK_BYTES - FREE_BYTES));
    const publisher = await ScriptedPublisher.start(server.rtmpPort, 'full');
    let over = false;
    const sending = publisher.send(readTags(clip)).catch((error: unknown) => {
      if (!over) throw error;
    });
    await server.untilLive('full');
    const viewer = new Copier(server.rtmp('full'), join(server.folder, 'viewer.md5'));
    const patience = { timeout: 30_000, interval: 100 };
    const trouble = await vi.waitFor(async () => {
      const text = (await running())?.trouble;
      expect(text).toBeDefined();
      return text;
    }, patience);
    expect(trouble).toMatch(/no space|full/i);
    expect(server.output).toMatch(/no space|full|ENOSPC/i);
    rmSync(filler);
    await vi.waitFor(async () => expect((await running())?.trouble).toBeUndefined(), patience);
    const resumedAtMs = publisher.sentMs;
    await vi.waitFor(() => expect(publisher.sentMs).toBeGreaterThan(resumedAtMs + 4000), patience);
    over = true;
    await publisher.stop();
    await sending;
    const [first, second] = await finishedRecordings(server, { streamName: 'full' }, { count: 2 });
    expect(first).toMatchObject({ part: 1, state: 'failed', reason: expect.stringMatching(/no space|full/i) });
    expect(second).toMatchObject({ part: 2, state: 'complete' });
    const source = packetsOf(clip).filter(({ kind }) => kind === 'video');
    for (const recording of [first, second]) {
      const file = join(disk, recording?.fileName ?? '');
      decodeWhole(file);
      const pictures = packetsOf(file).filter(({ kind }) => kind === 'video');
      const from = source.findIndex(({ hash }) => hash === pictures[0]?.hash);
      expect(pictures.length).toBeGreaterThan(25);
      expect(pictures.map(({ hash }) => hash)).toEqual(
        source.slice(from, from + pictures.length).map(({ hash }) => hash),
      );
    }
    const seen = ofKind(await viewer.finish(5000), 'video');
    expect(Math.max(...stepsMs(seen))).toBeLessThanOrEqual(PICTURE_STEP_MS + 1);
  });
});
