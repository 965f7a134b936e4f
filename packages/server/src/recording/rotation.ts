import { MediaServerError } from '../core/index.ts';

/** When a recording begins a new file: after so much media or so many bytes, at the next key frame. */
export interface Rotation {
  readonly afterUs: number;
  readonly afterBytes: number;
}

/** One file, however long. */
export const NO_ROTATION: Rotation = { afterUs: Number.POSITIVE_INFINITY, afterBytes: Number.POSITIVE_INFINITY };

const MEGABYTE = 1024 * 1024;

/**
 * Reads `record_rotation` and `rotation` of REST (rest-api.md §4): `disabled`, seconds (`60`) or megabytes (`20M`).
 * @throws MediaServerError RECORDING_CONFIG_INVALID
 */
export function parseRotation(text: string): Rotation {
  const wish = text.trim();
  if (wish === '' || wish.toLowerCase() === 'disabled') return NO_ROTATION;
  const match = /^(\d{1,9})([mM]?)$/.exec(wish);
  const amount = Number(match?.[1] ?? 0);
  if (match === null || amount === 0)
    throw new MediaServerError(
      'RECORDING_CONFIG_INVALID',
      `rotation "${wish.slice(0, 40)}" is not disabled, 60 or 20M`,
    );
  return match[2] === ''
    ? { ...NO_ROTATION, afterUs: amount * 1e6 }
    : { ...NO_ROTATION, afterBytes: amount * MEGABYTE };
}

/** True when files follow each other by plan, and so are numbered from 1. */
export function rotates(rotation: Rotation): boolean {
  return rotation.afterUs !== Number.POSITIVE_INFINITY || rotation.afterBytes !== Number.POSITIVE_INFINITY;
}
