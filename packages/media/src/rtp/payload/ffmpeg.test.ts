import { execFile, execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type ByteSource, Mp4Reader } from '../../mp4/index.ts';
import type { MediaPacket } from '../../packet.ts';
import { parseRtcp } from '../rtcp/index.ts';
import { parseRtp, type RtpPacket, writeRtp } from '../rtp-packet.ts';
import { h264Depacketizer, h264Packetizer, type RtpDepacketizer, type RtpPacketizer } from './index.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'sluice-rtp-'));
afterAll(() => rmSync(directory, { recursive: true }));

const MAX_PAYLOAD_BYTES = 1000;

interface Clip {
  readonly title: string;
  readonly file: string;
  readonly encode: readonly string[];
  readonly packets: (path: string) => Promise<MediaPacket[]>;
  readonly clockRate: number;
  readonly rtpmap: string;
  readonly depacketizer: (parameters: readonly Uint8Array[]) => RtpDepacketizer;
  readonly packetizer: () => RtpPacketizer;
  /** Options of ffmpeg's packetizer. */
  readonly rtpFlags?: string;
}

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=1'];
const H264 = ['-c:v', 'libx264', '-g', '10', '-bf', '2'];

const CLIPS: readonly Clip[] = [
  {
    title: 'H.264',
    file: 'h264.mp4',
    encode: [...VIDEO, ...H264],
    packets: mp4Packets,
    clockRate: 90_000,
    rtpmap: 'H264/90000\r\na=fmtp:96 packetization-mode=1',
    depacketizer: h264Depacketizer,
    packetizer: () => h264Packetizer(1),
  },
  {
    title: 'H.264 of many slices',
    file: 'h264-slices.mp4',
    encode: [...VIDEO, ...H264, '-slices', '12'],
    packets: mp4Packets,
    clockRate: 90_000,
    rtpmap: 'H264/90000\r\na=fmtp:96 packetization-mode=1',
    depacketizer: h264Depacketizer,
    packetizer: () => h264Packetizer(1),
  },
  {
    title: 'H.264 in mode 0',
    file: 'h264-mode0.mp4',
    encode: [...VIDEO, ...H264, '-slice-max-size', '900'],
    packets: mp4Packets,
    clockRate: 90_000,
    rtpmap: 'H264/90000\r\na=fmtp:96 packetization-mode=0',
    depacketizer: h264Depacketizer,
    packetizer: () => h264Packetizer(0),
    rtpFlags: 'h264_mode0',
  },
];

async function mp4Packets(path: string): Promise<MediaPacket[]> {
  const bytes = new Uint8Array(readFileSync(path));
  const source: ByteSource = { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(source)).readSamples()) packets.push(packet);
  return packets;
}

/** Encodes a clip and gives the path of its file. */
function encode({ file, encode }: Clip): string {
  const path = join(directory, file);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...encode, path]);
  return path;
}

/** What ffmpeg sends for a file, up to its goodbye. */
async function sentByFfmpeg(path: string, flags: string | undefined): Promise<RtpPacket[]> {
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
    const rtpFlags = ['send_bye', ...(flags === undefined ? [] : [flags])].join('+');
    const url = `rtp://127.0.0.1:${port}?rtcpport=${port}&pkt_size=1200`;
    await run('ffmpeg', [
      '-v',
      'error',
      '-i',
      path,
      '-c',
      'copy',
      '-strict',
      '-2',
      '-f',
      'rtp',
      '-rtpflags',
      rtpFlags,
      url,
    ]);
    await bye;
    return packets;
  } finally {
    socket.close();
  }
}

/** An RTSP server for one client that sends it these packets over TCP, so that none is lost, and hangs up. */
async function serveRtsp(description: string, packets: readonly Uint8Array[]): Promise<{ url: string; close(): void }> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      const request = data.toString('latin1');
      const reply = (...lines: string[]): void => {
        const cseq = /CSeq: (\d+)/.exec(request)?.[1] ?? '0';
        socket.write(['RTSP/1.0 200 OK', `CSeq: ${cseq}`, 'Session: 1', ...lines].join('\r\n'));
      };
      if (request.startsWith('DESCRIBE')) {
        reply('Content-Type: application/sdp', `Content-Length: ${description.length}`, '', description);
      } else if (request.startsWith('SETUP')) reply('Transport: RTP/AVP/TCP;unicast;interleaved=0-1', '', '');
      else if (request.startsWith('PLAY')) {
        reply('', '');
        for (const packet of packets) {
          socket.write(Uint8Array.of(0x24, 0, packet.length >> 8, packet.length & 0xff));
          socket.write(packet);
        }
        socket.end();
      } else if (request.startsWith('OPTIONS')) reply('Public: DESCRIBE, SETUP, PLAY', '', '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `rtsp://127.0.0.1:${port}/clip`, close: () => server.close() };
}

/** Checksums of the decoded frames of a file or URL, and what ffmpeg complained of. */
async function decoded(...input: string[]): Promise<{ sums: string[]; complaints: string }> {
  const args = ['-v', 'warning', ...input, '-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  const { stdout, stderr } = await run('ffmpeg', args);
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return { sums: lines.map((line) => line.split(',').at(-1)?.trim() ?? ''), complaints: stderr };
}

describe.each(CLIPS)('$title', (clip) => {
  test('that ffmpeg packetizes comes out as it was encoded', async () => {
    const path = encode(clip);
    const wanted = await clip.packets(path);
    const parameters = wanted[0]?.track.parameters ?? [];
    const depacketizer = clip.depacketizer(parameters);

    const frames = (await sentByFfmpeg(path, clip.rtpFlags)).flatMap(
      (packet) => depacketizer.push(packet, false) ?? [],
    );

    expect(frames.map(({ key }) => key)).toEqual(wanted.map(({ key }) => key));
    const first = frames[0]?.timestamp ?? 0;
    for (const [index, frame] of frames.entries()) {
      const packet = wanted[index] ?? expect.fail();
      expect(frame.units).toEqual(packet.units);
      expect(frame.broken).toBe(false);
      const ticks = ((packet.ptsUs - (wanted[0]?.ptsUs ?? 0)) * clip.clockRate) / 1e6;
      expect(Math.abs(((frame.timestamp - first) | 0) - ticks)).toBeLessThan(2);
    }
  });

  test('that we packetize is decoded by ffmpeg to the same pictures or samples', async () => {
    const path = encode(clip);
    const packets = await clip.packets(path);
    const packetizer = clip.packetizer();
    let sequence = 65_500;
    const sent = packets.flatMap((packet) =>
      packetizer.packetize(packet, MAX_PAYLOAD_BYTES).map(({ payload, marker }) => {
        expect(payload.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
        sequence += 1;
        const timestamp = Math.round((packet.ptsUs * clip.clockRate) / 1e6);
        return writeRtp({ payloadType: 96, marker, sequence, timestamp, ssrc: 7 }, payload);
      }),
    );
    const kind = packets[0]?.track.kind;
    const description = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=-', 't=0 0', `m=${kind} 0 RTP/AVP 96`];
    description.push(`a=rtpmap:96 ${clip.rtpmap}`, 'a=control:track', '');
    const server = await serveRtsp(description.join('\r\n'), sent);
    try {
      const got = await decoded('-rtsp_transport', 'tcp', '-i', server.url);
      const wanted = await decoded('-i', path);
      expect(wanted.sums.length).toBeGreaterThan(20);
      expect(got.sums).toEqual(wanted.sums);
      expect(got.complaints).not.toMatch(/error|corrupt|missed|invalid/i);
    } finally {
      server.close();
    }
  });
});
