import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** 1 Mbit/s: 30 pictures and 43 packets of sound a second, a key frame every two seconds. */
export function makeClip(folder, seconds = 10) {
  const file = join(folder, 'clip.flv');
  const inputs = ['-f', 'lavfi', '-i', 'testsrc2=s=1280x720:r=30', '-f', 'lavfi', '-i', 'sine=440:r=44100'];
  const rate = ['-b:v', '900k', '-maxrate', '1000k', '-bufsize', '1000k'];
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '60', '-bf', '0', ...rate];
  const audio = ['-c:a', 'aac', '-b:a', '96k'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, ...video, ...audio, '-t', String(seconds), file]);
  return file;
}
