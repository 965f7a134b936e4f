import { execFileSync } from 'node:child_process';
import { ffmpeg } from './clips.ts';

/** A colour as red, green and blue, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/** A picture file, decoded by the system's ffmpeg. */
export interface DecodedPicture {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  /** The colour at a place, both from 0 to 1. */
  at(x: number, y: number): Colour;
}

/** Decodes a picture file. */
export function decodePicture(file: Uint8Array): DecodedPicture {
  const wanted = ['-show_entries', 'stream=codec_name,width,height', '-of', 'csv=p=0'];
  const [format = '', width, height] = execFileSync('ffprobe', ['-v', 'error', ...wanted, '-'], { input: file })
    .toString()
    .trim()
    .split(',');
  const [columns, lines] = [Number(width), Number(height)];
  const rgb = ffmpeg(['-i', '-', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], file);
  return {
    format,
    width: columns,
    height: lines,
    at: (x, y) => {
      const place = 3 * (Math.floor(y * (lines - 1)) * columns + Math.floor(x * (columns - 1)));
      return [rgb[place] ?? -1, rgb[place + 1] ?? -1, rgb[place + 2] ?? -1];
    },
  };
}

/** How far two colours are apart in the component where they differ most. */
export function distance(one: Colour, other: Colour): number {
  return Math.max(...one.map((value, index) => Math.abs(value - (other[index] ?? 0))));
}

/** Quarters of a picture: red, green, blue and white, as a filter of ffmpeg. */
export function quarters(size: string, rate: number, seconds: number): string {
  const [width = 0, height = 0] = size.split('x').map(Number);
  const box = (x: number, y: number, colour: string) =>
    `drawbox=x=${(x * width) / 2}:y=${(y * height) / 2}:w=${width / 2}:h=${height / 2}:c=${colour}:t=fill`;
  const boxes = [box(0, 0, '0xff0000'), box(1, 0, '0x00ff00'), box(0, 1, '0x0000ff'), box(1, 1, '0xffffff')];
  return `color=black:s=${size}:r=${rate}:d=${seconds},format=rgb24,${boxes.join()}`;
}

export const RED: Colour = [255, 0, 0];
export const GREEN: Colour = [0, 255, 0];
export const BLUE: Colour = [0, 0, 255];
export const WHITE: Colour = [255, 255, 255];
