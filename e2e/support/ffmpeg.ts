import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Program } from './program.ts';

/** Makes a clip of a test picture with a tone. */
export function makeClip(
  file: string,
  options: { seconds: number; bframes?: number; gop?: number; size?: string; sampleRate?: number; args?: string[] },
): void {
  const { size = '640x360', sampleRate = 48_000 } = options;
  const inputs = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25`, '-f', 'lavfi', '-i', `sine=440:r=${sampleRate}`];
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', String(options.gop ?? 50)];
  const rest = ['-bf', String(options.bframes ?? 0), '-c:a', 'aac', '-b:a', '96k', '-t', String(options.seconds)];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, ...video, ...rest, ...(options.args ?? []), file]);
}

/** A running ffmpeg whose messages are kept. */
export class Ffmpeg extends Program {
  constructor(args: readonly string[]) {
    super('ffmpeg', ['-hide_banner', '-nostdin', ...args]);
  }
}

/** One packet as `-f framemd5` tells it. */
export interface PacketSum {
  readonly stream: number;
  readonly dts: number;
  readonly pts: number;
  readonly size: number;
  readonly hash: string;
}

/** Reads a file that ffmpeg wrote with `-f framemd5`. */
export function readPacketSums(file: string): PacketSum[] {
  return parsePacketSums(readFileSync(file, 'utf8'));
}

/** Reads what ffmpeg writes with `-f framemd5`. */
export function parsePacketSums(text: string): PacketSum[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [stream, dts, pts, , size, hash] = line.split(',').map((cell) => cell.trim());
      return { stream: Number(stream), dts: Number(dts), pts: Number(pts), size: Number(size), hash: hash ?? '' };
    });
}
