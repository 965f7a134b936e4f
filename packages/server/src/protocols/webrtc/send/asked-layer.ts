import type { StreamLayer, VideoForm } from '../../../core/index.ts';

/** What a player asks for of the picture, where it is chosen among the encodings of the publisher. */
export interface AskedPicture {
  /** Pixels. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

/**
 * The encoding that fits a size best: the smallest that is no smaller, else the largest; undefined while the size of none is
 * known. `layers` are best first.
 */
export function fittingLayer(layers: readonly StreamLayer[], asked: AskedPicture): StreamLayer | undefined {
  let best: StreamLayer | undefined;
  for (let i = 0; i < layers.length; i++) {
    const layer = layers[i];
    if (layer?.width === undefined || layer.height === undefined) continue;
    if (best !== undefined && !isEnough(layer, asked)) continue;
    if (best === undefined || !isEnough(best, asked) || pixels(layer) < pixels(best)) best = layer;
  }
  return best;
}

/**
 * True when an encoding can be given to a player in place of a picture that is made: it asks for nothing but a size, and a
 * bitrate that one of them is known to keep to.
 */
export function fitsLayers(layers: readonly StreamLayer[], form: VideoForm): boolean {
  const { width: _, height: __, bitrateBps, ...others } = form;
  if (layers.length < 2 || Object.values(others).some((value) => value !== undefined)) return false;
  if (bitrateBps === undefined) return true;
  return layers.some((layer) => takes(layer) > 0 && takes(layer) <= bitrateBps);
}

function takes({ expectedBps, bitrateBps }: StreamLayer): number {
  return expectedBps ?? bitrateBps;
}

/** The first is there already, and what follows is smaller: a size that is asked for within a pixel or two is there. */
function isEnough({ width = 0, height = 0 }: StreamLayer, asked: AskedPicture): boolean {
  return width + ROUNDING >= (asked.width ?? 0) && height + ROUNDING >= (asked.height ?? 0);
}

const ROUNDING = 2;

function pixels({ width = 0, height = 0 }: StreamLayer): number {
  return width * height;
}
