import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Pictures are numbered by so many bits, and begin anew after the last of these numbers. */
export const NUMBER_BITS = 12;
/** Bars are so high a part of the picture: at its top the number, at its bottom its complement. */
const BAR_PART = 8;
/** While the server's clock is hardly moved, a picture is so near to its place beside the one before. */
const SAME_MS = 3;
/** So many pictures tell where what came begins in what was sent. */
const FIRST_PICTURES = 40;
/** By the server's clock while it is moved. */
const MOST_STRETCHED = 1.5;
const BITS = Array.from({ length: NUMBER_BITS }, (_, bit) => bit);

/** How a source of numbered pictures looks. */
export interface NumberedSource {
  readonly size: string;
  readonly rate: number;
  /** Strength of noise over the picture, which makes an encoder need its bitrate; 0 to 100. */
  readonly noise: number;
}

/** Input of ffmpeg in real time whose pictures have their numbers in bars, and a tone. */
export function numberedInput({ size, rate, noise }: NumberedSource): string[] {
  const box = `w=iw/${NUMBER_BITS}:h=ih/${BAR_PART}:t=fill`;
  const bars = BITS.flatMap((bit) => {
    const x = `x=${bit}*iw/${NUMBER_BITS}`;
    const isOne = `gte(mod(n\\,${2 ** (bit + 1)})\\,${2 ** bit})`;
    return [
      `drawbox=${x}:y=0:${box}:color=white:enable='${isOne}'`,
      `drawbox=${x}:y=0:${box}:color=black:enable='not(${isOne})'`,
      `drawbox=${x}:y=ih-ih/${BAR_PART}:${box}:color=black:enable='${isOne}'`,
      `drawbox=${x}:y=ih-ih/${BAR_PART}:${box}:color=white:enable='not(${isOne})'`,
    ];
  });
  const picture = [`testsrc2=s=${size}:r=${rate}`, ...(noise > 0 ? [`noise=alls=${noise}:allf=t`] : []), ...bars];
  return ['-re', '-f', 'lavfi', '-i', picture.join(','), '-re', '-f', 'lavfi', '-i', 'sine=440:r=48000'];
}

/**
 * The number in a picture's bars, from its luma at `NUMBER_BITS` columns and two rows (the upper bars, then the lower
 * ones); undefined where bars contradict each other, as in a picture that is not whole. Runs in pages as well.
 */
export function numberOf(luma: ArrayLike<number>, columns: number): number | undefined {
  let number = 0;
  for (let bit = 0; bit < columns; bit++) {
    const isOne = (luma[bit] ?? 0) > 128;
    if (isOne === (luma[columns + bit] ?? 0) > 128) return undefined;
    if (isOne) number += 2 ** bit;
  }
  return number;
}

/** Numbers of the pictures of a file, in the order of their showing; undefined for one that is not whole. */
export async function numbersOf(file: string): Promise<(number | undefined)[]> {
  const rows = ['crop=iw:ih/16:0:ih/32', 'crop=iw:ih/16:0:ih-ih/32-ih/16'].map(
    (crop, i) => `[${i}]${crop},scale=${NUMBER_BITS}:1:flags=area,format=gray[row${i}]`,
  );
  const graph = ['split=2[0][1]', ...rows, '[row0][row1]vstack'].join(';');
  const { stdout } = await run(
    'ffmpeg',
    ['-v', 'fatal', '-i', file, '-an', '-vsync', 'passthrough', '-vf', graph, '-f', 'rawvideo', '-'],
    { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
  );
  const bytes = 2 * NUMBER_BITS;
  return Array.from({ length: stdout.length / bytes }, (_, i) =>
    numberOf(stdout.subarray(i * bytes, (i + 1) * bytes), NUMBER_BITS),
  );
}

/** Times of the pictures of a file, milliseconds, in the order of their showing. */
export async function timesOf(file: string): Promise<number[]> {
  const show = ['-show_entries', 'packet=pts_time', '-of', 'csv=p=0'];
  const { stdout } = await run('ffprobe', ['-v', 'error', '-select_streams', 'v:0', ...show, file]);
  const times = stdout.split(/[\n,]/).filter((text) => text !== '');
  return times.map((time) => Number(time) * 1000).sort((a, b) => a - b);
}

/** How many pictures were sent from the first to the last that came, and how many came. */
export interface Arrived {
  readonly sent: number;
  readonly came: number;
}

/**
 * Sets the times of pictures that came, which count from anywhere, against those that were sent. The server may make time go
 * half as fast again to bring sound and picture together: what came after a longer step has others missing before it.
 */
export function arrivedOf(sentMs: readonly number[], cameMs: readonly number[]): Arrived {
  const first = firstOf(sentMs, cameMs);
  let at = first;
  for (let i = 1; i < cameMs.length; i++) {
    const stepMs = (cameMs[i] ?? 0) - (cameMs[i - 1] ?? 0);
    const beforeMs = sentMs[at] ?? 0;
    at++;
    while (at < sentMs.length - 1 && stepMs > ((sentMs[at] ?? 0) - beforeMs) * MOST_STRETCHED + SAME_MS) at++;
  }
  return { sent: Math.min(at, sentMs.length - 1) - first + 1, came: cameMs.length };
}

/** Which of those that were sent came first, by the distances between it and those after it. */
function firstOf(sentMs: readonly number[], cameMs: readonly number[]): number {
  const came = cameMs.slice(0, FIRST_PICTURES);
  let found = { same: 0, at: 0 };
  for (const at of sentMs.keys()) {
    const same = sameFrom(sentMs.slice(at, at + 2 * FIRST_PICTURES), came);
    if (same > found.same) found = { same, at };
  }
  return found.at;
}

/** How many pictures came at the times at which they were sent, when the first of one is the first of the other. */
function sameFrom(sentMs: readonly number[], cameMs: readonly number[]): number {
  let offsetMs = (sentMs[0] ?? 0) - (cameMs[0] ?? 0);
  let [same, next] = [0, 0];
  for (const timeMs of sentMs) {
    while ((cameMs[next] ?? Number.POSITIVE_INFINITY) + offsetMs < timeMs - SAME_MS) next++;
    const cameAtMs = cameMs[next] ?? Number.POSITIVE_INFINITY;
    if (Math.abs(cameAtMs + offsetMs - timeMs) > SAME_MS) continue;
    // The server's clock moves a little all the time.
    offsetMs = timeMs - cameAtMs;
    same++;
    next++;
  }
  return same;
}
