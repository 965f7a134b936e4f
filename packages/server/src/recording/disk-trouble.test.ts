import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MediaPacket } from '@sluice/media';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type FixtureOptions,
  filesIn,
  moved,
  packetsOf,
  probe,
  type RecordingFixture,
  recordingFixture,
  samplesIn,
  type TestPublication,
  until,
} from './testing/recording-fixture.ts';
import { type OpenFile, openNewFile } from './writing/write-queue.ts';

const DEMO = fileURLToPath(new URL('../../../../assets/demo.mp4', import.meta.url));

let demo: MediaPacket[];
let lengthUs: number;
let fixture: RecordingFixture;
const undo: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  demo = await packetsOf(DEMO);
  lengthUs = Math.max(...demo.map(({ dtsUs }) => dtsUs)) + 40_000;
});

afterEach(async () => {
  await fixture.close();
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(options: FixtureOptions = {}): Promise<void> {
  fixture = await recordingFixture(options);
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-disk-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Plays the clip over and over, a bit at a time, so that disks have time to answer. */
function player(publication: TestPublication): { until(holds: () => boolean, what: string): Promise<number> } {
  const sent = { packets: 0 };
  return {
    async until(holds, what) {
      const startMs = performance.now();
      while (!holds()) {
        if (performance.now() - startMs > 20_000) throw new Error(`in vain: ${what}`);
        for (let i = 0; i < 50; i++, sent.packets++) {
          const round = Math.floor(sent.packets / demo.length);
          const packet = demo[sent.packets % demo.length] as MediaPacket;
          publication.send(moved([packet], round * lengthUs));
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return sent.packets;
    },
  };
}

/** Packets of a publication are in one of its files, or told to be lost. */
async function expectAllAccountedFor(sent: number): Promise<void> {
  const samples = await Promise.all(fixture.completed.map(({ path }) => samplesIn(path)));
  const written = samples.reduce((sum, count) => sum + count, 0);
  const lost = fixture.server.entries().reduce((sum, { lostPackets }) => sum + lostPackets, 0);
  expect(written + lost).toBe(sent);
  expect(fixture.counters.of('recording_lost_packets')).toBe(lost);
}

describe('a disk that is full', () => {
  it('fails the file, which plays to there, and a new one begins when there is room again', async () => {
    const folder = await newFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder]);
    undo.push(() => void execFileSync('umount', [folder]));
    const ballast = join(folder, 'ballast');
    await writeFile(ballast, new Uint8Array(2_000_000));
    await start({ tempDir: folder });
    const publication = fixture.publish('s');
    const play = player(publication);
    await play.until(() => fixture.server.of('session-1')?.trouble !== undefined, 'the disk is full');
    expect(fixture.server.of('session-1')).toMatchObject({ trouble: 'the disk is full (ENOSPC)', id: undefined });
    expect(publication.stream.live).toBe(true);
    await rm(ballast);
    await play.until(() => fixture.server.of('session-1')?.trouble === undefined, 'it goes on');
    const sent = await play.until(() => (fixture.server.of('session-1')?.bytes ?? 0) > 2_200_000, 'more is written');
    publication.end();
    await fixture.server.settled('session-1');
    const [second, first] = fixture.server.entries();
    expect(first).toMatchObject({ state: 'failed', reason: 'the disk is full (ENOSPC)', part: 1 });
    expect(second).toMatchObject({ state: 'complete', part: 2, lostPackets: 0 });
    await expectAllAccountedFor(sent);
    expect(fixture.counters.of('recording_failures')).toBe(1);
    const failed = publication.events.filter(({ type }) => type === 'recordingFailed');
    expect(failed).toMatchObject([{ facts: { reason: 'the disk is full (ENOSPC)' } }]);
  });
});

describe('a folder that is gone', () => {
  it('fails the file when it was removed, and is made anew', async () => {
    const folder = join(await newFolder(), 'recording');
    await start({ tempDir: folder });
    const publication = fixture.publish('s');
    const play = player(publication);
    await play.until(() => (fixture.server.of('session-1')?.bytes ?? 0) > 0, 'something is written');
    await rm(folder, { recursive: true });
    const sent = await play.until(() => fixture.server.entries().length === 2, 'a new file begins');
    publication.end();
    await fixture.server.settled('session-1');
    await expectAllAccountedFor(sent);
    expect(fixture.server.entries().map(({ state }) => state)).toEqual(['complete', 'failed']);
    expect(fixture.server.entries()[1]?.reason).toContain('ENOENT');
  });

  it('fails the file when it was moved away, instead of writing to where nobody looks', async () => {
    const folder = join(await newFolder(), 'recording');
    await start({ tempDir: folder });
    const publication = fixture.publish('s');
    const play = player(publication);
    await play.until(() => (fixture.server.of('session-1')?.bytes ?? 0) > 0, 'something is written');
    await rename(folder, `${folder}-moved`);
    const sent = await play.until(() => fixture.server.entries().length === 2, 'a new file begins');
    publication.end();
    await fixture.server.settled('session-1');
    await expectAllAccountedFor(sent);
    expect(fixture.server.entries().map(({ state }) => state)).toEqual(['complete', 'failed']);
  });

  it('is waited for when something else has its name', async () => {
    const folder = join(await newFolder(), 'recording');
    await writeFile(folder, 'in the way');
    await start({ tempDir: folder });
    const publication = fixture.publish('s');
    const play = player(publication);
    await play.until(() => fixture.server.of('session-1')?.trouble !== undefined, 'it can not be written');
    await rm(folder);
    const sent = await play.until(() => fixture.server.of('session-1')?.trouble === undefined, 'it goes on');
    publication.end();
    await fixture.server.settled('session-1');
    await expectAllAccountedFor(sent);
    expect(fixture.server.entries().map(({ state }) => state)).toEqual(['complete', 'failed']);
    expect(fixture.counters.of('recording_failures')).toBe(1);
  });

  it('leaves nothing of the tries to go on', async () => {
    const folder = await newFolder();
    const failing: OpenFile = async (path) => {
      const file = await openNewFile(path);
      const full = (): never => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      };
      return { writev: full, datasync: full, stat: () => file.stat(), close: () => file.close() };
    };
    await start({ tempDir: folder, openFile: failing });
    const publication = fixture.publish('s');
    const play = player(publication);
    let tries = 0;
    await play.until(() => ++tries > 100, 'it was tried often');
    publication.end();
    await fixture.server.settled('session-1');
    await until(() => fixture.completed.length === 1, 'the one file is ended');
    expect(fixture.server.entries()).toHaveLength(1);
    expect((await filesIn(folder)).length).toBeLessThanOrEqual(1);
  });

  it('ends the recording when that happens too often', async () => {
    const folder = join(await newFolder(), 'recording');
    await start({ tempDir: folder, options: { maxErrors: 2 } });
    const publication = fixture.publish('s');
    const play = player(publication);
    for (let i = 0; i < 3; i++) {
      await play.until(
        () => fixture.server.of('session-1')?.bytes !== 0 && fixture.server.of('session-1')?.trouble === undefined,
        'it is written',
      );
      await mkdir(folder, { recursive: true });
      await rm(folder, { recursive: true });
      await play.until(
        () => fixture.server.of('session-1')?.trouble !== undefined || fixture.server.of('session-1') === undefined,
        'it fails',
      );
    }
    await until(() => fixture.server.of('session-1') === undefined, 'it is given up');
    expect(publication.stream.live).toBe(true);
    expect(publication.stream.readerCount).toBe(0);
    expect(fixture.log.lines.some(({ message }) => message.includes('given up'))).toBe(true);
    publication.end();
  });
});

describe('a slow disk', () => {
  /** A disk that takes nothing until it is let go. */
  function gatedDisk(): { open: OpenFile; release(): void } {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    return {
      release: () => release(),
      open: async (path) => {
        const file = await openNewFile(path);
        return {
          writev: async (buffers: readonly Uint8Array[], position: number) => {
            await released;
            return file.writev(buffers, position);
          },
          datasync: () => file.datasync(),
          stat: () => file.stat(),
          close: () => file.close(),
        };
      },
    };
  }

  it('costs nothing while what waits for it fits into the buffer', async () => {
    const disk = gatedDisk();
    await start({ openFile: disk.open });
    const publication = fixture.publish('s');
    publication.send(demo);
    expect(fixture.server.backlog().unwrittenBytes).toBeGreaterThan(1_000_000);
    disk.release();
    publication.end();
    await fixture.server.settled('session-1');
    expect(fixture.server.entries()[0]?.lostPackets).toBe(0);
    await expectAllAccountedFor(demo.length);
  });

  it('costs whole fragments up to a key frame when it does not, all of which are told', async () => {
    const disk = gatedDisk();
    await start({ openFile: disk.open, writing: { bufferBytes: 600_000 } });
    const publication = fixture.publish('s');
    publication.send(demo);
    expect(fixture.server.backlog().unwrittenBytes).toBeLessThan(700_000);
    disk.release();
    await until(() => fixture.server.backlog().unwrittenBytes === 0, 'the disk has taken all');
    publication.send(moved(demo, lengthUs));
    publication.end();
    await fixture.server.settled('session-1');
    const [entry] = fixture.server.entries();
    expect(entry?.gaps.length).toBeGreaterThan(0);
    expect(entry?.gaps.reduce((sum, { lostPackets }) => sum + lostPackets, 0)).toBe(entry?.lostPackets);
    await expectAllAccountedFor(2 * demo.length);
    const packets = await probe(fixture.completed[0]?.path ?? '');
    const pictures = packets.filter(({ kind }) => kind === 'video');
    const holes = pictures.filter(({ dtsUs }, i) => i > 0 && dtsUs - (pictures[i - 1]?.dtsUs ?? 0) > 500_000);
    expect(holes).toHaveLength(1);
    expect(holes[0]?.key).toBe(true);
  });

  it('that takes a few bytes at a time gets all of them in their order', async () => {
    const stingy: OpenFile = async (path) => {
      const file = await openNewFile(path);
      return {
        writev: (buffers: readonly Uint8Array[], position: number) => {
          const [first] = buffers as readonly [Uint8Array];
          return file.writev([first.subarray(0, Math.ceil(first.length / 3))], position);
        },
        datasync: () => file.datasync(),
        stat: () => file.stat(),
        close: () => file.close(),
      };
    };
    await start({ openFile: stingy });
    const publication = fixture.publish('s');
    publication.send(demo);
    publication.end();
    await fixture.server.settled('session-1');
    await expectAllAccountedFor(demo.length);
    expect(fixture.server.entries()[0]?.lostPackets).toBe(0);
  });
});
