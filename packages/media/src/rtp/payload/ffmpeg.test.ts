import { execFile, execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Dictionary, FFmpegError, FormatContext, Packet } from 'node-av/lib';
import { afterAll, describe, expect, test } from 'vitest';
import { canonicalTemporalUnit, isVp8Key, isVp9Key } from '../../codec/index.ts';
import { g711Track, g722Track } from '../../codec/telephony.ts';
import { vp8Track } from '../../codec/vp8.ts';
import { vp9Track } from '../../codec/vp9.ts';
import type { ByteSource } from '../../file-plan.ts';
import { Mp4Reader } from '../../mp4/index.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import { joinBytes } from '../bytes.ts';
import { parseRtcp } from '../rtcp/index.ts';
import { parseRtp, type RtpPacket, writeRtp } from '../rtp-packet.ts';
import {
  av1Depacketizer,
  av1Packetizer,
  h264Depacketizer,
  h264Packetizer,
  h265Depacketizer,
  h265Packetizer,
  opusDepacketizer,
  opusPacketizer,
  type RtpDepacketizer,
  type RtpPacketizer,
  rawAudioDepacketizer,
  rawAudioPacketizer,
  rtpClockRate,
  vp8Depacketizer,
  vp8Packetizer,
  vp9Depacketizer,
  vp9Packetizer,
} from './index.ts';
import { serveRtsp } from './testing/ffmpeg-peer.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'sluice-rtp-'));
afterAll(() => rmSync(directory, { recursive: true }));

const MAX_PAYLOAD_BYTES = 1000;
/** Encoders take their time on a busy machine. */
const SLOW = { timeout: 60_000 };

interface Clip {
  readonly title: string;
  readonly file: string;
  readonly encode: readonly string[];
  readonly packets: (path: string) => Promise<MediaPacket[]>;
  readonly rtpmap: string;
  readonly depacketizer: (parameters: readonly Uint8Array[]) => RtpDepacketizer;
  readonly packetizer: () => RtpPacketizer;
  /** What ffmpeg must be told about a file without header. */
  readonly input?: readonly string[];
  /** The ffmpeg of the system may be too old for it; the one in node-av is not. */
  readonly byLibrary?: true;
  /** Options of ffmpeg's packetizer. */
  readonly rtpFlags?: string;
}

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=1'];
const AUDIO = ['-f', 'lavfi', '-i', 'aevalsrc=sin(880*t*PI)|sin(600*t*PI):s=48000:d=1'];
const H264 = ['-c:v', 'libx264', '-g', '10', '-bf', '2'];

const RAW_FORMAT = { pcma: 'alaw', pcmu: 'mulaw', g722: 'g722' } as const;

const CLIPS: readonly Clip[] = [
  {
    title: 'H.264',
    file: 'h264.mp4',
    encode: [...VIDEO, ...H264],
    packets: mp4Packets,
    rtpmap: 'H264/90000\r\na=fmtp:96 packetization-mode=1',
    depacketizer: h264Depacketizer,
    packetizer: () => h264Packetizer(1),
  },
  {
    title: 'H.264 of many slices',
    file: 'h264-slices.mp4',
    encode: [...VIDEO, ...H264, '-slices', '12'],
    packets: mp4Packets,
    rtpmap: 'H264/90000\r\na=fmtp:96 packetization-mode=1',
    depacketizer: h264Depacketizer,
    packetizer: () => h264Packetizer(1),
  },
  {
    title: 'H.264 in mode 0',
    file: 'h264-mode0.mp4',
    encode: [...VIDEO, ...H264, '-slice-max-size', '900'],
    packets: mp4Packets,
    rtpmap: 'H264/90000\r\na=fmtp:96 packetization-mode=0',
    depacketizer: h264Depacketizer,
    packetizer: () => h264Packetizer(0),
    rtpFlags: 'h264_mode0',
  },
  {
    title: 'VP8',
    file: 'vp8.ivf',
    encode: [...VIDEO, '-c:v', 'libvpx', '-g', '10', '-b:v', '1M', '-deadline', 'realtime', '-cpu-used', '8'],
    packets: async (path) => ivfPackets(path, vp8Track(1), isVp8Key),
    rtpmap: 'VP8/90000',
    depacketizer: vp8Depacketizer,
    packetizer: () => vp8Packetizer(0x7ffa),
  },
  {
    title: 'VP9',
    file: 'vp9.ivf',
    encode: [...VIDEO, '-c:v', 'libvpx-vp9', '-g', '10', '-b:v', '1M', '-deadline', 'realtime', '-cpu-used', '8'],
    packets: async (path) => ivfPackets(path, vp9Track(1, undefined), isVp9Key),
    rtpmap: 'VP9/90000',
    depacketizer: vp9Depacketizer,
    packetizer: () => vp9Packetizer(0x7ffa),
  },
  {
    title: 'H.265',
    file: 'h265.mp4',
    encode: [...VIDEO, '-c:v', 'libx265', '-x265-params', 'log-level=error:keyint=10:slices=2', '-preset', 'ultrafast'],
    packets: mp4Packets,
    rtpmap: 'H265/90000',
    depacketizer: h265Depacketizer,
    packetizer: h265Packetizer,
  },
  {
    title: 'AV1',
    file: 'av1.mp4',
    encode: [...VIDEO, '-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-g', '10'],
    packets: mp4Packets,
    rtpmap: 'AV1/90000',
    depacketizer: av1Depacketizer,
    packetizer: av1Packetizer,
    byLibrary: true,
  },
  {
    title: 'Opus',
    file: 'opus.mp4',
    encode: [...AUDIO, '-c:a', 'libopus'],
    packets: mp4Packets,
    rtpmap: 'opus/48000/2',
    depacketizer: () => opusDepacketizer(),
    packetizer: opusPacketizer,
  },
  rawClip('G.711 A-law', 'pcma', 'PCMA/8000'),
  rawClip('G.711 mu-law', 'pcmu', 'PCMU/8000'),
  rawClip('G.722', 'g722', 'G722/8000'),
];

/** A clip of telephone sound, in packets of 20 ms. */
function rawClip(title: string, codec: 'pcma' | 'pcmu' | 'g722', rtpmap: string): Clip {
  const track = codec === 'g722' ? g722Track(1) : g711Track(1, codec);
  const input = ['-f', RAW_FORMAT[codec], ...(codec === 'g722' ? [] : ['-ar', '8000', '-ac', '1'])];
  return {
    title,
    file: codec,
    encode: [...AUDIO, '-ar', String(track.clockRate), '-ac', '1', '-f', RAW_FORMAT[codec]],
    input,
    packets: async (path) => {
      const bytes = new Uint8Array(readFileSync(path));
      return Array.from({ length: Math.ceil(bytes.length / 160) }, (_, index) => {
        const unit = bytes.subarray(index * 160, index * 160 + 160);
        return packetOf(track, unit, { ptsUs: index * 20_000, key: true });
      });
    },
    rtpmap,
    depacketizer: () => rawAudioDepacketizer(),
    packetizer: rawAudioPacketizer,
  };
}

function packetOf(track: Track, unit: Uint8Array, about: { ptsUs: number; key: boolean }): MediaPacket {
  const { ptsUs, key } = about;
  return { track, units: [unit], ptsUs, dtsUs: ptsUs, key, byteLength: unit.length };
}

/** The frames of an IVF file with 25 pictures a second. */
function ivfPackets(path: string, track: Track, isKey: (frame: Uint8Array) => boolean): MediaPacket[] {
  const file = new Uint8Array(readFileSync(path));
  const packets: MediaPacket[] = [];
  for (let position = 32; position + 12 <= file.length; ) {
    const size = new DataView(file.buffer, position).getUint32(0, true);
    const frame = file.subarray(position + 12, position + 12 + size);
    packets.push(packetOf(track, frame, { ptsUs: packets.length * 40_000, key: isKey(frame) }));
    position += 12 + size;
  }
  return packets;
}

async function mp4Packets(path: string): Promise<MediaPacket[]> {
  const bytes = new Uint8Array(readFileSync(path));
  const source: ByteSource = { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(source)).readPackets()) packets.push(packet);
  return packets;
}

/** Encodes a clip, once, and gives the path of its file. */
function encode({ file, encode }: Clip): string {
  const path = join(directory, file);
  if (existsSync(path)) return path;
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...encode, path]);
  return path;
}

/** What ffmpeg sends for a file, up to its goodbye. */
async function sentByFfmpeg(path: string, { input = [], rtpFlags, byLibrary }: Clip): Promise<RtpPacket[]> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    socket.setRecvBufferSize(4 * 1024 * 1024);
    const { port } = socket.address();
    const packets: RtpPacket[] = [];
    const bye = new Promise<void>((resolve) => {
      socket.on('message', (datagram) => {
        const type = datagram[1] ?? 0;
        if (type < 200 || type > 207) packets.push(parseRtp(new Uint8Array(datagram)));
        else if (parseRtcp(datagram).some(({ kind }) => kind === 'bye')) resolve();
      });
    });
    const flags = ['send_bye', ...(rtpFlags === undefined ? [] : [rtpFlags])].join('+');
    const url = `rtp://127.0.0.1:${port}?rtcpport=${port}&pkt_size=1200`;
    if (byLibrary) await withInput(path, {}, (file) => sendByLibrary(file, { url, rtpflags: flags }));
    else {
      await run('ffmpeg', [
        '-v',
        'error',
        ...input,
        '-i',
        path,
        '-c',
        'copy',
        '-strict',
        '-2',
        '-f',
        'rtp',
        '-rtpflags',
        flags,
        url,
      ]);
    }
    await bye;
    return packets;
  } finally {
    socket.close();
  }
}

function check(result: number, what: string): void {
  FFmpegError.throwIfError(result, what);
}

/** Opens an input while `use` runs. */
async function withInput<T>(url: string, options: Record<string, string>, use: (input: FormatContext) => Promise<T>) {
  const input = new FormatContext();
  try {
    check(await input.openInput(url, null, Dictionary.fromObject(options)), 'openInput');
    check(await input.findStreamInfo(null), 'findStreamInfo');
    return await use(input);
  } finally {
    await input[Symbol.asyncDispose]();
  }
}

/** Sends a file's video as `ffmpeg -c copy -f rtp` does. */
async function sendByLibrary(
  input: FormatContext,
  { url, rtpflags }: { url: string; rtpflags: string },
): Promise<void> {
  const output = new FormatContext();
  try {
    check(output.allocOutputContext2(null, 'rtp', url), 'allocOutputContext2');
    const source = input.streams[0] ?? expect.fail();
    const stream = output.newStream(null);
    check(source.codecpar.copy(stream.codecpar), 'copy');
    check(await output.openOutput(), 'openOutput');
    check(await output.writeHeader(Dictionary.fromObject({ strict: 'experimental', rtpflags })), 'writeHeader');
    for await (const packet of packetsByLibrary(input)) {
      packet.rescaleTs(source.timeBase, stream.timeBase);
      check(await output.writeFrame(packet), 'writeFrame');
    }
    check(await output.writeTrailer(), 'writeTrailer');
  } finally {
    await output[Symbol.asyncDispose]();
  }
}

/** The packets of an input; each is gone when the next one is read. */
async function* packetsByLibrary(input: FormatContext): AsyncGenerator<Packet> {
  using packet = new Packet();
  packet.alloc();
  for (; (await input.readFrame(packet)) >= 0; packet.unref()) yield packet;
}

/** The temporal units that ffmpeg's depacketizer gives, without the delimiters that it adds. */
async function unitsByLibrary(input: FormatContext): Promise<string[]> {
  const units: string[] = [];
  for await (const { data } of packetsByLibrary(input)) {
    units.push(Buffer.from(canonicalTemporalUnit(new Uint8Array(data ?? [])).data).toString('hex'));
  }
  return units;
}

/**
 * Checksums of the decoded pictures, or of all the sound as it was encoded (whose division into packets is free, as is
 * what a decoder leaves out at the start); and what ffmpeg complained of.
 */
async function checksums(kind: 'video' | 'audio', ...input: string[]): Promise<{ sums: string[]; complaints: string }> {
  const output = kind === 'video' ? ['-fps_mode', 'passthrough', '-f', 'framemd5'] : ['-c', 'copy', '-f', 'md5'];
  const { stdout, stderr } = await run('ffmpeg', ['-v', 'warning', ...input, ...output, '-']);
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return { sums: lines.map((line) => line.split(',').at(-1)?.trim() ?? ''), complaints: stderr };
}

describe.each(CLIPS)('$title', (clip) => {
  test('that ffmpeg packetizes comes out as it was encoded', SLOW, async () => {
    const path = encode(clip);
    const wanted = await clip.packets(path);
    const { track } = wanted[0] ?? expect.fail();
    const depacketizer = clip.depacketizer(track.parameters);

    const frames = (await sentByFfmpeg(path, clip)).flatMap((packet) => depacketizer.push(packet, false) ?? []);

    expect(frames.filter(({ broken }) => broken)).toEqual([]);
    const unitsOf = (all: readonly { readonly units: readonly Uint8Array[] }[]) => all.flatMap(({ units }) => units);
    if (clip.input !== undefined) {
      expect(joinBytes(unitsOf(frames))).toEqual(joinBytes(unitsOf(wanted)));
      return;
    }
    expect(frames.map(({ key }) => key)).toEqual(wanted.map(({ key }) => key));
    expect(unitsOf(frames)).toEqual(unitsOf(wanted));
    const timeOf = (index: number) =>
      (((wanted[index]?.ptsUs ?? 0) - (wanted[0]?.ptsUs ?? 0)) * rtpClockRate(track)) / 1e6;
    for (const [index, { timestamp }] of frames.entries()) {
      expect(Math.abs(((timestamp - (frames[0]?.timestamp ?? 0)) | 0) - timeOf(index))).toBeLessThan(2);
    }
  });

  test('that we packetize is the same pictures or sound for ffmpeg', SLOW, async () => {
    const path = encode(clip);
    const packets = await clip.packets(path);
    const { track } = packets[0] ?? expect.fail();
    const packetizer = clip.packetizer();
    let sequence = 65_500;
    const sent = packets.flatMap((packet) =>
      packetizer.packetize(packet, MAX_PAYLOAD_BYTES).map(({ payload, marker, timestampOffset }) => {
        expect(payload.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
        sequence += 1;
        const timestamp = Math.round((packet.ptsUs * rtpClockRate(track)) / 1e6) + timestampOffset;
        return writeRtp({ payloadType: 96, marker, sequence, timestamp, ssrc: 7 }, payload);
      }),
    );
    const description = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=-', 't=0 0', `m=${track.kind} 0 RTP/AVP 96`];
    description.push(`a=rtpmap:96 ${clip.rtpmap}`, 'a=control:track', '');
    const server = await serveRtsp(description.join('\r\n'), sent);
    try {
      if (clip.byLibrary) {
        const wanted = packets.map(({ units }) => Buffer.from(units[0] ?? []).toString('hex'));
        expect(await withInput(server.url, { rtsp_transport: 'tcp' }, unitsByLibrary)).toEqual(wanted);
        return;
      }
      const got = await checksums(track.kind, '-rtsp_transport', 'tcp', '-i', server.url);
      const wanted = await checksums(track.kind, ...(clip.input ?? []), '-i', path);
      expect(wanted.sums).toHaveLength(track.kind === 'video' ? 25 : 1);
      expect(got.sums).toEqual(wanted.sums);
      expect(got.complaints).not.toMatch(/error|corrupt|missed|invalid/i);
    } finally {
      server.close();
    }
  });
});
