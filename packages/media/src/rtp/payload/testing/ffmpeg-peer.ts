import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { parseRtcp } from '../../rtcp/index.ts';
import { parseRtp, type RtpPacket } from '../../rtp-packet.ts';

const run = promisify(execFile);

/** An RTSP server for one client that sends it these packets over TCP, so that none is lost, and hangs up. */
export async function serveRtsp(
  description: string,
  packets: readonly Uint8Array[],
): Promise<{ url: string; close(): void }> {
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

/** What ffmpeg sends as RTP for these arguments, up to its goodbye, and how it describes it. */
export async function sentByFfmpeg(
  args: readonly string[],
  options: { readonly rtpFlags?: readonly string[]; readonly sdpPath: string },
): Promise<{ sdp: string; packets: RtpPacket[] }> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    socket.setRecvBufferSize(4 * 1024 * 1024);
    const { port } = socket.address();
    const packets: RtpPacket[] = [];
    const bye = new Promise<void>((resolve) => {
      socket.on('message', (datagram: Buffer) => {
        const type = datagram[1] ?? 0;
        if (type < 200 || type > 207) packets.push(parseRtp(new Uint8Array(datagram)));
        else if (parseRtcp(datagram).some(({ kind }) => kind === 'bye')) resolve();
      });
    });
    const flags = ['send_bye', ...(options.rtpFlags ?? [])].join('+');
    const url = `rtp://127.0.0.1:${port}?rtcpport=${port}&pkt_size=1200`;
    const output = ['-strict', '-2', '-f', 'rtp', '-rtpflags', flags, '-sdp_file', options.sdpPath, url];
    await run('ffmpeg', ['-v', 'error', '-y', ...args, ...output]);
    await bye;
    return { sdp: readFileSync(options.sdpPath, 'latin1'), packets };
  } finally {
    socket.close();
  }
}
