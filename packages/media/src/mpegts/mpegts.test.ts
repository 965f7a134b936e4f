import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Mp4Reader } from '../mp4/reader.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { TS_TIMESTAMP_OFFSET, TsMuxer } from './writer.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-ts-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=3'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=3'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '25', '-pix_fmt', 'yuv420p', '-bf'];
const AAC = ['-c:a', 'aac', '-ac', '2'];

const FILES: Record<string, string[]> = {
  both: [...VIDEO, ...AUDIO, ...X264, '3', ...AAC],
  plain: [...VIDEO, ...AUDIO, ...X264, '0', ...AAC],
  video: [...VIDEO, ...X264, '2'],
  audio: [...AUDIO, ...AAC],
};

async function packetsOf(path: string): Promise<{ tracks: Track[]; packets: MediaPacket[] }> {
  const bytes = new Uint8Array(readFileSync(path));
  const reader = await Mp4Reader.open({
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  });
  const packets: MediaPacket[] = [];
  for await (const packet of reader.readPackets()) packets.push(packet);
  return { tracks: reader.tracks.map(({ track }) => track), packets };
}

function pictureHash(path: string): string {
  const args = ['-v', 'error', '-xerror', '-i', path, '-map', '0:v', '-fps_mode', 'passthrough', '-f', 'md5', '-'];
  return execFileSync('ffmpeg', args, { encoding: 'utf8' });
}

/** Checks sync bytes and that the counters of each PID go on without a gap; returns the number of packets by PID. */
function checkContinuity(bytes: Uint8Array): Map<number, number> {
  const counts = new Map<number, number>();
  expect(bytes.length % 188).toBe(0);
  for (let start = 0; start < bytes.length; start += 188) {
    const [sync = 0, high = 0, low = 0, flags = 0] = bytes.subarray(start, start + 4);
    const pid = ((high & 31) << 8) | low;
    const seen = counts.get(pid) ?? 0;
    if (sync !== 0x47 || (flags & 15) !== (seen & 15)) throw new Error(`broken packet at ${start}`);
    counts.set(pid, seen + 1);
  }
  return counts;
}

test.each(Object.keys(FILES))(
  'ffmpeg reads what was written: %s',
  async (name) => {
    const source = join(directory, `${name}.mp4`);
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...(FILES[name] ?? []), source]);
    const { tracks, packets } = await packetsOf(source);
    const muxer = new TsMuxer(tracks);
    const segments: Uint8Array[] = [];
    for (let second = 0; second < 4; second++) {
      const chosen = packets.filter(({ dtsUs }) => Math.min(3, Math.max(0, Math.floor(dtsUs / 1e6))) === second);
      if (chosen.length > 0) segments.push(muxer.segment(chosen));
    }
    const joined = new Uint8Array(Buffer.concat(segments));
    const counts = checkContinuity(joined);
    expect([counts.get(0), counts.get(0x1000)]).toEqual([segments.length, segments.length]);
    const path = join(directory, `${name}.ts`);
    writeFileSync(path, joined);

    const show = ['-show_packets', '-show_streams', '-of', 'json'];
    const probed = spawnSync('ffprobe', ['-v', 'warning', ...show, path], { encoding: 'utf8', maxBuffer: 1 << 28 });
    expect(probed.stderr).toBe('');
    const decoded = spawnSync('ffmpeg', ['-v', 'warning', '-xerror', '-i', path, '-f', 'null', '-'], {
      encoding: 'utf8',
    });
    expect([decoded.status, decoded.stderr]).toEqual([0, '']);

    const result = JSON.parse(probed.stdout);
    expect(result.streams.map((stream: Record<string, string>) => [stream.codec_name, stream.id])).toEqual(
      tracks.map((track, i) => [track.codec, `0x${(0x100 + i).toString(16)}`]),
    );
    for (const track of tracks) {
      const want = packets.filter((packet) => packet.track === track);
      const got = result.packets.filter((packet: Record<string, number>) => packet.stream_index === track.id);
      expect(got.length).toBe(want.length);
      for (const [i, packet] of want.entries()) {
        const ticks = (us: number): number => us * 0.09 + TS_TIMESTAMP_OFFSET;
        // Frames inside a PES packet have times that the demuxer extrapolates.
        const tolerance = track.kind === 'audio' ? 4 : 0.51;
        expect(Math.abs(got[i].pts - ticks(packet.ptsUs))).toBeLessThan(tolerance);
        expect(Math.abs(got[i].dts - ticks(packet.dtsUs))).toBeLessThan(tolerance);
        expect(got[i].flags.startsWith('K')).toBe(packet.key);
      }
    }
    if (name !== 'audio') expect(pictureHash(path)).toBe(pictureHash(source));
  },
  30_000,
);

/** One picture of `size` bytes, for exact control of stuffing. */
function picture(size: number, us: number): MediaPacket {
  const parameters = [Uint8Array.of(0x67, 1), Uint8Array.of(0x68, 1)];
  const track: Track = { id: 7, kind: 'video', codec: 'h264', clockRate: 90000, parameters };
  const unit = new Uint8Array(size).fill(0x41);
  return { track, units: [unit], ptsUs: us, dtsUs: us, key: false, byteLength: size };
}

test('every amount of stuffing, and times beyond 33 bits', () => {
  const muxer = new TsMuxer([picture(1, 0).track]);
  const segments = [];
  for (let size = 1; size < 400; size++) {
    const segment = muxer.segment([picture(size, 95_443_000_000 + size * 1000)]);
    segments.push(segment);
    // Reassembles the payload after PAT and PMT.
    const payload: number[] = [];
    for (let start = 376; start < segment.length; start += 188) {
      const adaptation = (segment[start + 3] ?? 0) & 0x20 ? 1 + (segment[start + 4] ?? 0) : 0;
      payload.push(...segment.subarray(start + 4 + adaptation, start + 188));
    }
    expect(payload.length).toBe(14 + 6 + 4 + size);
    expect(payload.slice(0, 9)).toEqual([0, 0, 1, 0xe0, 0, 0, 0x84, 0x80, 5]);
    expect(payload.slice(14, 25)).toEqual([0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x41]);
  }
  checkContinuity(new Uint8Array(Buffer.concat(segments)));
});

test('refuses what it cannot carry', () => {
  const opus: Track = { id: 0, kind: 'audio', codec: 'opus', clockRate: 48000, parameters: [] };
  expect(() => new TsMuxer([opus])).toThrow(expect.objectContaining({ code: 'TS_UNSUPPORTED_CODEC' }));
  expect(() => new TsMuxer([])).toThrow(RangeError);
  const muxer = new TsMuxer([{ ...picture(1, 0).track, id: 1 }]);
  expect(() => muxer.segment([picture(1, 0)])).toThrow(RangeError);
});
