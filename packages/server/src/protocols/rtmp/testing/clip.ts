import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { FlvDemuxer, type MediaPacket } from '@sluice/media';
import { Stream } from '../../../core/index.ts';
import { TestCounters } from '../../../core/testing/hub.ts';
import { DEFAULT_RTMP_OPTIONS } from '../options.ts';
import { RtmpToStream } from '../to-stream.ts';

/** Two seconds of H.264 with B-frames, four groups of pictures, and AAC: packets of a real encoder. */
export async function encodedClip(): Promise<MediaPacket[]> {
  const video = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=25'];
  const audio = ['-f', 'lavfi', '-i', 'sine=sample_rate=48000'];
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '12', '-pix_fmt', 'yuv420p'];
  const args = [
    ...video,
    ...audio,
    '-t',
    '2',
    ...x264,
    '-c:a',
    'aac',
    '-f',
    'flv',
    '-flvflags',
    'no_duration_filesize',
  ];
  const options = { encoding: 'buffer', maxBuffer: 1 << 24 } as const;
  const { stdout } = await promisify(execFile)('ffmpeg', ['-v', 'error', ...args, '-'], options);
  const packets: MediaPacket[] = [];
  const input = new RtmpToStream(new Stream('clip'), {
    counters: new TestCounters(),
    media: DEFAULT_RTMP_OPTIONS.publishMedia,
    maxDecFrameBuffering: -1,
    delayed: false,
    emit: (packet) => packets.push(packet),
  });
  for (const { type, data, timestampMs } of new FlvDemuxer().push(stdout)) {
    if (type === 9) input.video(data, timestampMs);
    else if (type === 8) input.audio(data, timestampMs);
  }
  return packets;
}

/** The same packets at another time of a stream. */
export function shifted(packets: readonly MediaPacket[], byUs: number): MediaPacket[] {
  return packets.map((packet) => ({ ...packet, ptsUs: packet.ptsUs + byUs, dtsUs: packet.dtsUs + byUs }));
}
