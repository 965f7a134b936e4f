import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinAnnexB, type MediaPacket, opusPacketTicks } from '@sluice/media';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clocksOf } from '../view/segment-clocks.ts';
import { madeClip } from './clip.ts';
import { ClipPlayer } from './clip-player.ts';
import { clockUnit, findClock, unixUs } from './clock.ts';
import { fileClip } from './file-clip.ts';
import { makePictures } from './pictures.ts';
import { aacSilence, opusSilence } from './sound.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-load-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ffmpeg(...args: readonly string[]): string {
  return execFileSync('ffmpeg', ['-v', 'warning', '-y', ...args], { encoding: 'utf8', stdio: 'pipe' });
}

/** A stream of `seconds` as a publisher sends it, in a file. */
function played(name: string, seconds: number): string {
  const form = { width: 320, height: 180, fps: 25, bitrateBps: 200_000, keySeconds: 1 };
  const player = new ClipPlayer(madeClip(form, { codec: 'aac', bitrateBps: 0 }));
  const units: Uint8Array[] = [];
  player.due(seconds * 1e6 - 1, ({ key, track, units: own }) => units.push(...(key ? track.parameters : []), ...own));
  const file = join(folder, name);
  writeFileSync(file, joinAnnexB(units));
  return file;
}

describe('made pictures', () => {
  it.each([
    [1280, 720],
    [640, 360],
    [322, 182],
  ])('of %i by %i are valid H.264 of the bitrate that was asked for', (width, height) => {
    const { track, packets } = makePictures({ width, height, fps: 30, bitrateBps: 1_000_000, keySeconds: 2 });
    const units = packets.flatMap((packet) => [...(packet.key ? track.parameters : []), ...packet.units]);
    const file = join(folder, `${width}.h264`);
    writeFileSync(file, joinAnnexB([...units, ...units]));
    const sums = ffmpeg('-xerror', '-err_detect', 'explode', '-i', file, '-f', 'framemd5', '-');
    const frames = sums.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(sums).toContain(`${width}x${height}`);
    expect(frames).toHaveLength(120);
    // They move.
    expect(new Set(frames.map((line) => line.split(',').at(-1))).size).toBeGreaterThan(50);
    const bytes = packets.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(Math.abs((bytes * 8) / 2 - 1_000_000)).toBeLessThan(50_000);
  });
});

describe('made sound', () => {
  it('in Opus has the bitrate, and decodes to silence', () => {
    for (const bitrateBps of [2000, 32_000, 128_000, 300_000]) {
      const { packets, loopUs } = opusSilence(bitrateBps);
      const [packet] = packets;
      const bytes = packet?.units[0] ?? new Uint8Array(0);
      expect(opusPacketTicks(bytes)).toBe(960);
      expect(loopUs).toBe(20_000);
      expect(bytes.length).toBe(Math.max(5, bitrateBps / 400));
    }
  });

  it('in AAC has frames of 1024 samples', () => {
    expect(aacSilence().loopUs).toBeCloseTo(21_333.33, 1);
    expect(aacSilence().packets[0]?.byteLength).toBeGreaterThan(2);
  });
});

describe('a clip that is played', () => {
  const form = { width: 320, height: 180, fps: 25, bitrateBps: 100_000, keySeconds: 1 };

  it('gives everything at its time, again and again, and tells how late it is', () => {
    const player = new ClipPlayer(madeClip(form, { codec: 'opus', bitrateBps: 32_000 }));
    const sent: MediaPacket[] = [];
    let lateUs = 0;
    for (let nowUs = 0; nowUs < 3_000_000; nowUs += 10_000) {
      lateUs = Math.max(
        lateUs,
        player.due(nowUs, (packet) => sent.push(packet)),
      );
    }
    const video = sent.filter(({ track }) => track.kind === 'video');
    expect(video).toHaveLength(75);
    expect(video.map(({ dtsUs }) => dtsUs)).toEqual(Array.from({ length: 75 }, (_, index) => index * 40_000));
    expect(video.filter(({ key }) => key).map(({ dtsUs }) => dtsUs)).toEqual([0, 1_000_000, 2_000_000]);
    expect(sent).toHaveLength(75 + 150);
    expect(lateUs).toBeLessThan(10_000);
    const numbers = video.map(({ units }) => findClock(Buffer.from(units[0] ?? []))?.number);
    expect(numbers).toEqual(Array.from({ length: 75 }, (_, index) => index));
  });

  it('has clocks as often as is wanted', () => {
    const player = new ClipPlayer(madeClip(form, { codec: 'opus', bitrateBps: 0 }), 10);
    const sent: MediaPacket[] = [];
    player.due(999_999, (packet) => sent.push(packet));
    const numbers = sent.map(({ units }) => findClock(Buffer.from(units[0] ?? []))?.number);
    expect(numbers.filter((number) => number !== undefined)).toEqual([0, 1, 2]);
    expect(numbers[10]).toBe(1);
  });

  it('goes on with a key frame when one is wanted, without a gap in time', () => {
    const player = new ClipPlayer(madeClip(form, { codec: 'opus', bitrateBps: 0 }));
    const sent: MediaPacket[] = [];
    player.due(200_000, (packet) => sent.push(packet));
    player.restart();
    player.due(400_000, (packet) => sent.push(packet));
    expect(sent.map(({ dtsUs }) => dtsUs)).toEqual(Array.from({ length: 11 }, (_, index) => index * 40_000));
    expect(sent.map(({ key }) => key).indexOf(true, 1)).toBe(6);
  });
});

describe('the clock of a picture', () => {
  it('is found again, with its time to a microsecond', () => {
    const sentUs = unixUs();
    const unit = Buffer.from(clockUnit({ sentUs, number: 12_345 }));
    expect(unit.includes(Buffer.of(0, 0))).toBe(false);
    expect(findClock(Buffer.concat([Buffer.alloc(7), unit, unit]))).toMatchObject({ sentUs, number: 12_345 });
    expect(findClock(unit.subarray(0, -3))).toBeUndefined();
    expect(findClock(Buffer.alloc(100))).toBeUndefined();
  });

  it.each(['ts', 'mp4'])('survives ffmpeg and %s, in each picture', (container) => {
    const file = join(folder, `clocks.${container}`);
    const fragmented = container === 'mp4' ? ['-movflags', 'frag_keyframe+empty_moov'] : [];
    ffmpeg('-r', '25', '-i', played('clocks.h264', 3), '-c', 'copy', ...fragmented, file);
    const clocks = clocksOf(readFileSync(file));
    expect(clocks.map(({ number }) => number)).toEqual(Array.from({ length: 75 }, (_, index) => index));
  });
});

describe('a file that is sent', () => {
  it.each(['flv', 'mp4'])('is read whole from %s', async (container) => {
    const file = join(folder, `source.${container}`);
    const inputs = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25', '-f', 'lavfi', '-i', 'sine'];
    ffmpeg(...inputs, '-t', '2', '-c:v', 'libx264', '-bf', '2', '-g', '25', '-c:a', 'aac', file);
    const clip = await fileClip(file);
    expect(clip.video.packets).toHaveLength(50);
    expect(clip.audio?.packets.length).toBeGreaterThan(80);
    expect(clip.video.loopUs).toBe(clip.audio?.loopUs);
    expect(Math.abs(clip.video.loopUs - 2_000_000)).toBeLessThan(150_000);
  });

  it('must have a picture', async () => {
    const file = join(folder, 'sound.mp4');
    ffmpeg('-f', 'lavfi', '-i', 'sine', '-t', '1', '-c:a', 'aac', file);
    await expect(fileClip(file)).rejects.toThrow('has no picture');
  });
});
