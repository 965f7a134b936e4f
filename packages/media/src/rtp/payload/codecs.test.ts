import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isVp8Key, isVp9Key } from '../../codec/index.ts';
import { g711Track, g722Track } from '../../codec/telephony.ts';
import { vp8Track } from '../../codec/vp8.ts';
import { vp9Track } from '../../codec/vp9.ts';
import type { ByteSource } from '../../file-plan.ts';
import { Mp4Reader } from '../../mp4/index.ts';
import { type MediaPacket, ProtocolError, type Track } from '../../packet.ts';
import { mutate, prng } from '../../testing/mutate.ts';
import { type DepacketizedFrame, isRtpStartPoint, type RtpCodec, rtpDepacketizer, rtpPacketizer } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-payload-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=0.8'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=800:duration=0.8'];

interface Clip {
  readonly codec: RtpCodec;
  readonly packets: () => Promise<MediaPacket[]>;
}

const CLIPS: readonly Clip[] = [
  { codec: 'h264', packets: () => mp4('h264.mp4', [...VIDEO, '-c:v', 'libx264', '-g', '8', '-slices', '4']) },
  {
    codec: 'h265',
    packets: () =>
      mp4('h265.mp4', [
        ...VIDEO,
        '-c:v',
        'libx265',
        '-x265-params',
        'log-level=error:keyint=8:slices=3',
        '-preset',
        'ultrafast',
      ]),
  },
  {
    codec: 'av1',
    packets: () => mp4('av1.mp4', [...VIDEO, '-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-g', '8']),
  },
  {
    codec: 'vp8',
    packets: () =>
      ivf('vp8.ivf', ['-c:v', 'libvpx', '-g', '8', '-deadline', 'realtime', '-cpu-used', '8'], {
        track: vp8Track(1),
        isKey: isVp8Key,
      }),
  },
  {
    codec: 'vp9',
    packets: () =>
      ivf('vp9.ivf', ['-c:v', 'libvpx-vp9', '-g', '8', '-cpu-used', '8'], {
        track: vp9Track(1, undefined),
        isKey: isVp9Key,
      }),
  },
  { codec: 'opus', packets: () => mp4('opus.mp4', [...AUDIO, '-c:a', 'libopus']) },
  { codec: 'pcma', packets: async () => raw(g711Track(1, 'pcma')) },
  { codec: 'g722', packets: async () => raw(g722Track(1)) },
];

async function mp4(name: string, args: readonly string[]): Promise<MediaPacket[]> {
  const path = join(directory, name);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, path]);
  const bytes = new Uint8Array(readFileSync(path));
  const source: ByteSource = { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(source)).readPackets()) packets.push(packet);
  return packets;
}

interface FrameKind {
  readonly track: Track;
  readonly isKey: (frame: Uint8Array) => boolean;
}

async function ivf(name: string, args: readonly string[], { track, isKey }: FrameKind): Promise<MediaPacket[]> {
  const path = join(directory, name);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...VIDEO, ...args, path]);
  const file = new Uint8Array(readFileSync(path));
  const packets: MediaPacket[] = [];
  for (let position = 32; position + 12 <= file.length; ) {
    const size = new DataView(file.buffer, position).getUint32(0, true);
    const unit = file.subarray(position + 12, position + 12 + size);
    packets.push(packetOf(track, unit, isKey(unit)));
    position += 12 + size;
  }
  return packets;
}

function raw(track: Track): MediaPacket[] {
  const random = prng(7);
  return Array.from({ length: 20 }, () =>
    packetOf(
      track,
      Uint8Array.from({ length: 160 }, () => random() * 256),
      true,
    ),
  );
}

function packetOf(track: Track, unit: Uint8Array, key: boolean): MediaPacket {
  return { track, units: [unit], ptsUs: 0, dtsUs: 0, key, byteLength: unit.length };
}

/** The units in a form that compares fast. */
function text(units: readonly Uint8Array[]): string[] {
  return units.map((unit) => Buffer.from(unit).toString('latin1'));
}

interface Sent {
  readonly payload: Uint8Array;
  readonly marker: boolean;
  /** Number of the frame. */
  readonly timestamp: number;
}

function send(codec: RtpCodec, packets: readonly MediaPacket[], maxPayloadBytes: number): Sent[] {
  const packetizer = rtpPacketizer(codec, { firstPictureId: 0x7ffc });
  return packets.flatMap((packet, timestamp) =>
    packetizer.packetize(packet, maxPayloadBytes).map(({ payload, marker }) => ({ payload, marker, timestamp })),
  );
}

describe.each(CLIPS)('$codec', ({ codec, packets: load }) => {
  const loaded = load();

  test.each([100, 500, 1200])('is the same after packets of at most %i bytes', async (maxPayloadBytes) => {
    const packets = await loaded;
    expect(packets.length).toBeGreaterThan(15);
    const sent = send(codec, packets, maxPayloadBytes);
    // An Opus packet can't be divided.
    const limit = codec === 'opus' ? 1275 : maxPayloadBytes;
    expect(Math.max(...sent.map(({ payload }) => payload.length))).toBeLessThanOrEqual(limit);
    const depacketizer = rtpDepacketizer(codec);

    const frames = sent.flatMap((packet) => depacketizer.push(packet, false) ?? []);

    expect(text(frames.flatMap(({ units }) => units)).join('')).toBe(
      text(packets.flatMap(({ units }) => units)).join(''),
    );
    expect(frames.every(({ broken }) => !broken)).toBe(true);
    if (codec === 'pcma' || codec === 'g722') return;
    expect(frames.map(({ timestamp }) => timestamp)).toEqual(packets.map((_, index) => index));
    expect(frames.map(({ units }) => units.length)).toEqual(packets.map(({ units }) => units.length));
    expect(frames.map(({ key }) => key)).toEqual(packets.map(({ key }) => key));
    expect(frames.filter(({ parameters }) => parameters !== undefined)).toHaveLength(codec === 'vp8' ? 0 : 1);
    if (codec === 'h264' || codec === 'h265') expect(frames[0]?.parameters).toEqual(packets[0]?.track.parameters);
  });

  test('has its start points where key frames begin, and its markers where frames end', async () => {
    const packets = await loaded;
    const packetizer = rtpPacketizer(codec);
    for (const packet of packets) {
      const payloads = packetizer.packetize(packet, 500);
      expect(payloads.map(({ startPoint }) => startPoint)).toEqual(
        payloads.map((_, index) => packet.track.kind === 'audio' || (packet.key && index === 0)),
      );
      const [first] = payloads;
      expect(isRtpStartPoint(codec, first?.payload ?? new Uint8Array(0))).toBe(packet.key);
      if (packet.track.kind === 'audio') continue;
      expect(payloads.map(({ marker }) => marker)).toEqual(payloads.map((_, index) => index === payloads.length - 1));
      if (!packet.key) expect(payloads.some(({ payload }) => isRtpStartPoint(codec, payload))).toBe(false);
    }
  });

  test('gives after losses only frames that are whole, or marked as broken', async () => {
    const packets = await loaded;
    const sent = send(codec, packets, 300);
    const random = prng(9);
    let given = 0;
    let broken = 0;
    for (let round = 0; round < 20; round += 1) {
      const depacketizer = rtpDepacketizer(codec);
      let lost = false;
      for (const packet of sent) {
        if (random() < 0.05) {
          lost = true;
          continue;
        }
        const frame = depacketizer.push(packet, lost);
        lost = false;
        if (frame === undefined) continue;
        given += 1;
        const { units, key } = packets[frame.timestamp] ?? expect.fail();
        if (frame.broken) {
          broken += 1;
          expect(text(units)).toEqual(expect.arrayContaining(text(frame.units)));
        } else if (codec === 'pcma' || codec === 'g722')
          expect(text(units).join('')).toContain(text(frame.units).join(''));
        else expect([text(frame.units), frame.key]).toEqual([text(units), key]);
      }
    }
    expect(given).toBeGreaterThan(20);
    expect(broken > 0).toBe(codec === 'h264' || codec === 'h265');
  });

  test('throws only ProtocolError for damaged payloads, and takes the next key frame whole', async () => {
    const packets = await loaded;
    const key = packets.findIndex((packet) => packet.key);
    const sent = send(codec, packets.slice(0, 10), 300);
    const whole = send(codec, packets.slice(key, key + 1), 300);
    const random = prng(11);
    const depacketizer = rtpDepacketizer(codec);
    const push = (packet: Sent, lost: boolean): DepacketizedFrame | undefined => {
      try {
        return depacketizer.push(packet, lost);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        return undefined;
      }
    };
    for (let round = 0; round < 400; round += 1) {
      for (const { payload, marker, timestamp } of sent.slice(0, 60)) {
        const damaged = random() < 0.3 ? mutate(payload, random) : payload;
        isRtpStartPoint(codec, damaged);
        push({ payload: damaged, marker: random() < 0.1 !== marker, timestamp }, random() < 0.1);
      }
      if (round % 40 !== 0) continue;
      const frames = whole.flatMap((packet) => push({ ...packet, timestamp: 1000 + round }, false) ?? []);
      expect(frames.at(-1)).toMatchObject({ timestamp: 1000 + round, key: true, broken: false });
      expect(text(frames.at(-1)?.units ?? [])).toEqual(text(packets[key]?.units ?? []));
    }
  });
});
