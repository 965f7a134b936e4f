import type * as fs from 'node:fs';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MediaPacket } from '@sluice/media';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { decode, mediaPackets, writeLikeRecording } from '../testing/written-file.ts';
import { finishFile } from './finish-file.ts';

/** A disk that takes so many bytes more, from finishing only. */
const disk = vi.hoisted(() => ({ freeBytes: Number.POSITIVE_INFINITY, onDelete: (): void => undefined }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  type Place = readonly [offset: number, length: number, position: number];
  const writeSync = (descriptor: number, bytes: Uint8Array, ...[offset, length, position]: Place): number => {
    const count = Math.min(length, disk.freeBytes);
    if (count === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    disk.freeBytes -= count;
    return real.writeSync(descriptor, bytes, offset, count, position);
  };
  const rmSync = (...values: Parameters<typeof real.rmSync>): void => {
    disk.onDelete();
    real.rmSync(...values);
  };
  return { ...real, writeSync, rmSync };
});

const media = mkdtempSync(join(tmpdir(), 'finish-media-'));
let packets: MediaPacket[];
let folder = '';

beforeAll(async () => {
  packets = await mediaPackets('h264-aac', 4, media);
}, 60_000);
afterAll(() => rmSync(media, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'finish-'));
});

afterEach(() => {
  disk.freeBytes = Number.POSITIVE_INFINITY;
  disk.onDelete = () => undefined;
  rmSync(folder, { recursive: true });
});

describe('finishing on a disk that becomes full', { timeout: 60_000 }, () => {
  const source = () => join(folder, 'source.mp4');
  const target = () => join(folder, 'target.new');
  const finish = () =>
    finishFile(
      { kind: 'finish', source: source(), container: 'mp4', target: target(), indexFirst: true },
      () => undefined,
    );

  it('goes back to finishing the file where it is', async () => {
    writeLikeRecording(source(), 'mp4', packets);
    disk.freeBytes = 100_000;
    disk.onDelete = () => {
      disk.freeBytes = 100_000;
    };
    const file = await finish();
    expect(file).toMatchObject({ form: 'in place', path: source() });
    expect(file.note).toMatch(/^its index is not at the front: ENOSPC/);
    expect(existsSync(target())).toBe(false);
    decode(source());
  });

  it('keeps the file as it was written when not even an index has room, and finishes it when there is room again', async () => {
    writeLikeRecording(source(), 'mp4', packets);
    const before = readFileSync(source());
    for (const freeBytes of [0, 1, 1000]) {
      disk.freeBytes = freeBytes;
      const file = await finish();
      expect(file).toMatchObject({ form: 'as written', path: source(), bytes: before.length });
      expect(file.note).toMatch(/^its index is not at the front: ENOSPC.*; it has no index: ENOSPC/);
      expect(file.tracks.map(({ kind, samples }) => `${kind} ${samples}`)).toEqual(['video 120', expect.any(String)]);
      expect(Math.abs(file.durationUs / 1e6 - 4)).toBeLessThan(0.1);
      expect(readFileSync(source()).equals(before)).toBe(true);
      decode(source());
    }
    disk.freeBytes = Number.POSITIVE_INFINITY;
    expect(await finish()).toMatchObject({ form: 'rewritten', path: target() });
    decode(target());
  });
});
