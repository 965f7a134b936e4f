import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { parsePacketSums } from './ffmpeg.ts';
import { toneMs, type Watched } from './watched.ts';

const RATE = 48_000;
type Pictures = Watched['pictures'];

/** Decodes a file with ffmpeg; a file that is missing, empty or broken has nothing. */
export function readRecording(file: string): Omit<Watched, 'log'> {
  const input = ['-v', 'error', '-i', file];
  const video = ['-map', '0:v', '-vsync', 'passthrough', '-enc_time_base', '1:1000', '-copyts', '-f', 'framemd5', '-'];
  const audio = ['-map', '0:a', '-ac', '1', '-ar', String(RATE), '-f', 's16le', '-'];
  const sums = parsePacketSums(String(ffmpeg([...input, ...video])));
  const pictures = sums.map(({ pts, hash }) => ({ timeMs: pts, hash }));
  return { pictures, toneMs: toneOf(ffmpeg([...input, ...audio])) };
}

/** Duration of the tone in raw 48 kHz 16-bit mono. */
export function tonePcmMs(file: string): number {
  return existsSync(file) ? toneOf(readFileSync(file)) : 0;
}

/** Duration of the tone in a 16-bit WAV file, whose header may say a wrong length. */
export function toneWavMs(file: string): number {
  if (!existsSync(file)) return 0;
  const bytes = readFileSync(file);
  const [format, data] = [bytes.indexOf('fmt '), bytes.indexOf('data')];
  if (format < 0 || data < 0 || bytes.readUInt16LE(format + 22) !== 16) return 0;
  const [channels, rate] = [bytes.readUInt16LE(format + 10), bytes.readUInt32LE(format + 12)];
  return toneMs(samplesOf(bytes.subarray(data + 8)), rate, channels);
}

/** The pictures of a YUV4MPEG2 file in 4:2:0; it has no times. One that is shown again at once counts once. */
export function readY4mPictures(file: string): Pictures {
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  const headerEnd = bytes.indexOf('\n');
  const size = /W(\d+) H(\d+)/.exec(bytes.toString('latin1', 0, Math.max(0, headerEnd)));
  if (size === null) return [];
  const [width, height] = [Number(size[1]), Number(size[2])];
  const length = width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
  const pictures: { hash: string }[] = [];
  for (let at = headerEnd + 1; ; ) {
    const start = bytes.indexOf('\n', at) + 1;
    if (start === 0 || start + length > bytes.length) return pictures;
    const hash = createHash('md5')
      .update(bytes.subarray(start, start + length))
      .digest('hex');
    if (hash !== pictures.at(-1)?.hash) pictures.push({ hash });
    at = start + length;
  }
}

/** Output of ffmpeg up to its first error. */
function ffmpeg(args: readonly string[]): Buffer {
  try {
    return execFileSync('ffmpeg', args, { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
  } catch (error) {
    const { stdout } = error as { stdout?: Buffer };
    return stdout ?? Buffer.alloc(0);
  }
}

function toneOf(pcm: Buffer): number {
  return toneMs(samplesOf(pcm), RATE, 1);
}

function samplesOf(bytes: Buffer): Int16Array {
  const copy = Uint8Array.from(bytes.subarray(0, bytes.length & ~1));
  return new Int16Array(copy.buffer);
}
