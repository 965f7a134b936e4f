import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Every second the picture is white and a tone sounds, together, for this long. */
export const FLASH_SECONDS = 0.2;
export const BEEP_HZ = 1000;

/** Arguments of ffmpeg for a source that flashes and beeps once a second. */
export const FLASH_INPUT = [
  ...['-re', '-f', 'lavfi', '-i'],
  `color=black:size=320x240:rate=25,drawbox=color=white:t=fill:enable='lt(mod(t,1),${FLASH_SECONDS})'`,
  ...['-re', '-f', 'lavfi', '-i'],
  `aevalsrc='0.5*sin(2*PI*${BEEP_HZ}*t)*lt(mod(t,1),${FLASH_SECONDS})|0.5*sin(2*PI*${BEEP_HZ}*t)*lt(mod(t,1),${FLASH_SECONDS})':s=48000`,
];

/** When flashes and beeps begin, in milliseconds on one clock. */
export interface Onsets {
  readonly flashes: readonly number[];
  readonly beeps: readonly number[];
}

/** Finds the beginnings in a recorded file, by decoding it. */
export async function onsetsOf(file: string): Promise<Onsets> {
  const luma = await run('ffprobe', [
    ...['-v', 'error', '-f', 'lavfi', '-i', `movie=${file},signalstats`],
    ...['-show_entries', 'frame=pts_time:frame_tags=lavfi.signalstats.YAVG', '-of', 'csv=p=0'],
  ]);
  const pictures = luma.stdout.split('\n').flatMap((line) => {
    const [time, average] = line.split(',').map(Number);
    return time === undefined || average === undefined ? [] : [{ timeMs: time * 1000, on: average > 120 }];
  });
  const rate = 8000;
  const { stdout } = await run(
    'ffmpeg',
    [
      ...['-v', 'error', '-i', file, '-map', '0:a:0', '-ac', '1', '-ar', String(rate)],
      ...['-af', 'aresample=async=1:first_pts=0', '-f', 's16le', '-'],
    ],
    { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
  );
  const sound = levels(stdout, rate);
  return { flashes: risesOf(pictures), beeps: risesOf(sound) };
}

/** Loudness in steps of 10 ms. */
function levels(pcm: Buffer, rate: number): { timeMs: number; on: boolean }[] {
  const step = rate / 100;
  const result: { timeMs: number; on: boolean }[] = [];
  for (let from = 0; (from + step) * 2 <= pcm.length; from += step) {
    let sum = 0;
    for (let i = 0; i < step; i++) sum += Math.abs(pcm.readInt16LE((from + i) * 2));
    result.push({ timeMs: (from / rate) * 1000, on: sum / step > 1000 });
  }
  return result;
}

/** Times at which something goes on that was off for a while before. */
function risesOf(samples: readonly { readonly timeMs: number; readonly on: boolean }[]): number[] {
  const rises: number[] = [];
  let lastOnMs = Number.NEGATIVE_INFINITY;
  let seenOff = false;
  for (const { timeMs, on } of samples) {
    if (on && seenOff && timeMs - lastOnMs > 400) rises.push(timeMs);
    if (on) lastOnMs = timeMs;
    else seenOff = true;
  }
  return rises;
}

/** Median of how much later the beeps are than the flashes, milliseconds; NaN without pairs. */
export function offsetMs({ flashes, beeps }: Onsets): number {
  const offsets = flashes.flatMap((flash) => {
    const near = beeps.map((beep) => beep - flash).filter((offset) => Math.abs(offset) < 500);
    return near.length === 0 ? [] : [near.reduce((a, b) => (Math.abs(a) < Math.abs(b) ? a : b))];
  });
  offsets.sort((a, b) => a - b);
  return offsets[Math.floor(offsets.length / 2)] ?? Number.NaN;
}
