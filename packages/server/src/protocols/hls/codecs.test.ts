import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MediaPacket, Mp4Reader } from '@sluice/media';
import { afterAll, describe, expect, test } from 'vitest';
import { Stream } from '../../core/index.ts';
import { resolveHlsOptions } from './options.ts';
import { HlsPackager } from './packager.ts';
import { fakeCounters, fakeLog, PUBLISHER } from './testing/fakes.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-hls-codecs-'));
afterAll(() => rmSync(directory, { recursive: true }));

const SECONDS = 6.5;
/** A white picture and a tone at the same moment, so that the ear and the eye can be compared. */
const FLASH = `color=black:s=160x120:r=30:d=${SECONDS},drawbox=c=white:t=fill:enable='between(t,4,4.5)'`;
const TONE = `aevalsrc='if(between(t,4,4.5),0.5*sin(2*PI*1000*t),0)':s=48000:d=${SECONDS}`;
const INPUTS = ['-f', 'lavfi', '-i', FLASH, '-f', 'lavfi', '-i', TONE, '-g', '30', '-pix_fmt', 'yuv420p'];

const H264 = ['-c:v', 'libx264', '-bf', '2', '-sc_threshold', '0'];
const H265 = [
  '-c:v',
  'libx265',
  '-preset',
  'ultrafast',
  '-tag:v',
  'hvc1',
  '-x265-params',
  'log-level=none:bframes=2:scenecut=0:open-gop=0',
];
const AV1 = ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-row-mt', '1'];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8'];
const AAC = ['-c:a', 'aac', '-ac', '2'];
const OPUS = ['-c:a', 'libopus', '-ac', '2'];

async function makePackets(path: string, args: readonly string[]): Promise<MediaPacket[]> {
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...INPUTS, ...args, path]);
  const bytes = new Uint8Array(readFileSync(path));
  const reader = await Mp4Reader.open({
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  });
  const packets: MediaPacket[] = [];
  for await (const packet of reader.readPackets()) packets.push(packet);
  return packets;
}

/** Publishes all of it, and writes what viewers could fetch into a folder; the path of the master playlist. */
function packageInto(folder: string, packets: readonly MediaPacket[]) {
  const stream = new Stream('test');
  stream.attachPublisher(PUBLISHER);
  const log = fakeLog();
  const options = resolveHlsOptions({ listSize: 10, maxSegmentMs: 10_000, maxBytes: 1e8 });
  const packager = new HlsPackager({ stream, log, counters: fakeCounters() }, options);
  packager.start();
  for (const track of new Set(packets.map((packet) => packet.track))) stream.setTrack(track);
  for (const packet of packets) stream.publish(packet);
  stream.end('over');
  mkdirSync(folder);
  const media = packager.mediaPlaylist({ query: '' });
  writeFileSync(join(folder, 'test.m3u8'), media);
  for (const [uri, number] of [...media.matchAll(/^test_(\d+)\.m4s$/gm)].map((m) => [m[0], Number(m[1])] as const)) {
    writeFileSync(join(folder, uri), Buffer.concat(packager.window.segment(number)?.pieces('main') ?? []));
  }
  const [map, number] = /test_init_(\d+)\.mp4/.exec(media) ?? [];
  writeFileSync(join(folder, map ?? 'none'), packager.window.init(Number(number)) ?? '');
  const master = packager.masterPlaylist('');
  writeFileSync(join(folder, 'index.m3u8'), master);
  expect(log.problems).toEqual([]);
  return { path: join(folder, 'index.m3u8'), master, segments: packager.window.listed };
}

const READ = ['-v', 'warning', '-xerror', '-allowed_extensions', 'ALL'];

/** The time stamps of the first white picture and of the tone, in milliseconds, as ffmpeg gives them. */
function moments(playlist: string): { flashMs: number; toneMs: number } {
  const input = [...READ, '-v', 'error', '-i', playlist];
  const first = (filter: string, option: string, isIt: (value: number) => boolean): number => {
    const args = [...input, option, filter, '-f', 'null', '-'];
    const text = execFileSync('ffmpeg', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
    const entries = [...text.matchAll(/pts_time:(\S+)\s+lavfi\.[\w.]+=(\S+)/g)];
    const entry = entries.find((match) => isIt(Number(match[2])));
    return Number(entry?.[1]) * 1000;
  };
  const picture = 'signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-';
  // A millisecond at a time.
  const sound =
    'atrim=3.9:4.2,asetnsamples=48,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.Peak_level:file=-';
  return {
    flashMs: first(picture, '-vf', (luma) => luma > 128),
    toneMs: first(sound, '-af', (decibels) => decibels > -20),
  };
}

describe('streams of other codecs', () => {
  const cases = [
    { name: 'H.265 and Opus', args: [...H265, ...OPUS], codecs: /hvc1\.1\.6\.L60\.90,opus/ },
    { name: 'AV1 and AAC', args: [...AV1, ...AAC], codecs: /av01\.0\.00M\.08,mp4a\.40\.2/ },
    { name: 'VP9 and Opus', args: [...VP9, ...OPUS], codecs: /vp09\.00\.10\.08,opus/ },
    { name: 'H.264 and Opus', args: [...H264, ...OPUS], codecs: /avc1\.[0-9A-F]{6},opus/ },
  ];

  test.each(cases)('$name: ffmpeg decodes every picture in time with the sound', { timeout: 60_000 }, async (of) => {
    const name = of.name.replaceAll(' ', '-');
    const source = join(directory, `${name}.mp4`);
    const { path, master, segments } = packageInto(join(directory, name), await makePackets(source, of.args));
    expect(/CODECS="([^"]+)"/.exec(master)?.[1]).toMatch(new RegExp(`^${of.codecs.source}$`));
    expect(master).toContain('RESOLUTION=160x120');
    expect(segments.map((segment) => Math.round(segment.durationUs / 1e5))).toEqual([20, 20, 20, 5]);

    const args = [
      ...READ,
      '-nostats',
      '-progress',
      'pipe:1',
      '-i',
      path,
      '-fps_mode',
      'passthrough',
      '-f',
      'null',
      '-',
    ];
    const result = spawnSync('ffmpeg', args, { encoding: 'utf8' });
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect([...result.stdout.matchAll(/frame=(\d+)/g)].at(-1)?.[1]).toBe(String(SECONDS * 30));

    const { flashMs, toneMs } = moments(path);
    expect(Math.abs(flashMs - 4000)).toBeLessThan(10);
    // FFmpeg takes the pre-skip of Opus into account, and so do the times that it gives to the packets.
    expect(Math.abs(flashMs - toneMs)).toBeLessThanOrEqual(1);
  });
});
