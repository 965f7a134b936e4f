import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MediaPacket } from '../packet.ts';
import { planMp4Cut } from './plan-cut.ts';
import { Mp4Reader } from './reader.ts';
import { checkMp4 } from './testing/check-mp4.ts';
import { memorySource, record, rewritten } from './testing/recorded.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-mp4-cut-'));
afterAll(() => rmSync(directory, { recursive: true }));
const pathOf = (name: string): string => join(directory, `${name}.mp4`);
const files = new Map<string, Uint8Array>();

beforeAll(async () => {
  const input = [
    ...['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=6'],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=6'],
  ];
  const encoded = [
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-g',
    '60',
    '-bf',
    '2',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
  ];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, ...encoded, pathOf('progressive')]);
  const progressive = readFileSync(pathOf('progressive'));
  const packets = await read(progressive);
  files.set('progressive', progressive);
  files.set('recorded', record(packets.map((packet) => later(packet, 200_000))));
}, 30_000);

function later(packet: MediaPacket, us: number): MediaPacket {
  return { ...packet, dtsUs: packet.dtsUs + us, ptsUs: packet.ptsUs + us };
}

async function read(file: Uint8Array): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(memorySource(file))).readPackets()) packets.push(packet);
  return packets;
}

function decodeErrors(file: Uint8Array, name: string): string {
  writeFileSync(pathOf(name), file);
  const args = ['-v', 'warning', '-xerror', '-i', pathOf(name), '-f', 'null', '-'];
  const result = spawnSync('ffmpeg', args, { encoding: 'utf8' });
  return result.status === 0 ? result.stderr : `status ${result.status}: ${result.stderr}`;
}

/** Presentation times in milliseconds of all frames that a player shows. */
function shown(path: string, stream: string): number[] {
  const args = ['-v', 'error', '-select_streams', stream, '-show_entries', 'frame=pts_time', '-of', 'csv=p=0', path];
  const lines = execFileSync('ffprobe', args, { encoding: 'utf8' }).trim().split('\n');
  // Other lines are of side data.
  return lines.filter((line) => /^\d/.test(line)).map((line) => Math.round(Number.parseFloat(line) * 1000));
}

describe.each(['progressive', 'recorded'])('a part of a file: %s', (name) => {
  test('begins at the wanted time and ends at the wanted time', async () => {
    const file = files.get(name) ?? new Uint8Array();
    const all = await read(file);
    for (const [startUs, endUs] of [
      [2_500_000, 4_100_000],
      [1_000_000, 1_500_000],
      [100_000, 900_000],
      [4_700_000, 60_000_000],
      [0, 60_000_000],
    ] as const) {
      const cut = rewritten(file, await planMp4Cut(memorySource(file), { startUs, endUs }));
      const where = `${startUs} to ${endUs}`;
      expect(checkMp4(cut), where).toEqual([]);
      expect(decodeErrors(cut, name), where).toBe('');
      const pictures = shown(pathOf(name), 'v');
      const expected = all
        .filter(({ track, ptsUs }) => track.kind === 'video' && ptsUs >= startUs && ptsUs < endUs)
        .map(({ ptsUs }) => (ptsUs - startUs) / 1000)
        .toSorted((a, b) => a - b);
      // Those that are shown before the end may need some that are shown after it.
      expect(pictures.length - expected.length, where).toBeGreaterThanOrEqual(0);
      expect(pictures.length - expected.length, where).toBeLessThanOrEqual(2);
      for (const [i, ms] of expected.entries()) expect(Math.abs(ms - (pictures[i] ?? 0)), where).toBeLessThan(2);
      const sound = shown(pathOf(name), 'a');
      const lastSoundMs = (Math.min(endUs, all.at(-1)?.ptsUs ?? 0) - startUs) / 1000;
      expect(sound[0], where).toBeLessThan(name === 'recorded' && startUs < 200_000 ? 250 : 30);
      expect(Math.abs((sound.at(-1) ?? 0) - lastSoundMs), where).toBeLessThan(60);
    }
  });

  test('keeps sound and picture together', async () => {
    const file = files.get(name) ?? new Uint8Array();
    const all = await read(file);
    const packets = await read(
      rewritten(file, await planMp4Cut(memorySource(file), { startUs: 3_333_333, endUs: 5_000_000 })),
    );
    // The key frame before, and what is hidden from there to the start.
    expect(packets[0]?.key).toBe(true);
    expect(packets[0]?.ptsUs).toBeLessThan(0);
    for (const packet of packets) {
      const same = all.find(
        ({ track, byteLength, ptsUs }) =>
          track.kind === packet.track.kind &&
          byteLength === packet.byteLength &&
          Math.abs(ptsUs - 3_333_333 - packet.ptsUs) < 30,
      );
      expect(same, `${packet.track.kind} at ${packet.ptsUs}`).toBeDefined();
    }
  });

  test('is refused when there is nothing in it', async () => {
    const source = memorySource(files.get(name) ?? new Uint8Array());
    for (const [startUs, endUs] of [
      [60_000_000, 61_000_000],
      [2_000_000, 1_000_000],
    ] as const) {
      await expect(planMp4Cut(source, { startUs, endUs })).rejects.toMatchObject({ code: 'MP4_EMPTY_CUT' });
    }
  });
});
