import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder with clips that FFmpeg made: a moving picture and a tone. */
export class ClipFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-vod-'));

  /** Makes a clip of `seconds`, 25 pictures a second, with those options of its codecs and container. */
  make(name: string, seconds: number, ...options: readonly string[]): string {
    const inputs = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-f', 'lavfi', '-i', 'sine=440:r=48000'];
    const path = join(this.path, name);
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, '-t', String(seconds), ...options, path]);
    return path;
  }

  /** Puts a clip as it is into another container. */
  copy(from: string, to: string, ...options: readonly string[]): void {
    const paths = [from, to].map((name) => join(this.path, name)) as [string, string];
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', paths[0], '-c', 'copy', ...options, paths[1]]);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** H.264 and AAC with a key frame each second. */
export const H264_AAC = [
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '25', '-keyint_min', '25'],
  ...['-c:a', 'aac'],
];
/** The same with B-frames. */
export const H264_B_FRAMES = [...H264_AAC, '-x264-params', 'bframes=2:b-adapt=0'];
/** VP8 and Opus, as WebM has them, with a key frame each second. */
export const VP8_OPUS = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '25', '-c:a', 'libopus'];
