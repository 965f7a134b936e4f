import { isValidStreamName, type PictureForm } from '../core/index.ts';

/** Path that pictures are served under. */
export const SNAPSHOT_PREFIX = '/snapshot/';

const FORMATS: Readonly<Record<string, PictureForm['format']>> = { '.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png' };
/** Sizes that there are: what is asked for gets the next larger one, so that pages share pictures. */
const SIDES = [32, 64, 96, 128, 160, 240, 320, 480, 640, 720, 960, 1080, 1280, 1440, 1920, 2560, 3840, 4096] as const;
const LARGEST_SIDE = 4096;
/** Steps of the quality, for the same reason. */
const QUALITY_STEP = 10;
const DEFAULT_QUALITY = 80;
/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;
/** WCS's application key of clients that name none. */
const DEFAULT_APP_KEY = 'defaultApp';

/** What a URL asks for. */
export interface SnapshotTarget {
  readonly streamName: string;
  readonly appKey: string;
  readonly form: PictureForm;
  /** Parameters of the URL but for those that are meant for us. */
  readonly custom: Readonly<Record<string, string>>;
}

/** Why a request is not answered with a picture; `message` says what to do. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/**
 * Reads `/snapshot/<stream>.jpg?width=320&height=240&quality=80`, or `.png`. The stream's name is percent-decoded as a
 * whole and may contain slashes and dots. Total: what can't be read gives a refusal.
 */
export function parseTarget(url: string): SnapshotTarget | Refusal {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const [, encoded, ending] = /^(.+)(\.[a-z]{3,4})$/i.exec(path.slice(SNAPSHOT_PREFIX.length)) ?? [];
  const format = ending === undefined ? undefined : FORMATS[ending.toLowerCase()];
  if (!path.startsWith(SNAPSHOT_PREFIX) || encoded === undefined || format === undefined)
    return {
      status: 404,
      message: `the address of a picture is ${SNAPSHOT_PREFIX}NAME.jpg or ${SNAPSHOT_PREFIX}NAME.png`,
    };
  const streamName = decode(encoded);
  if (streamName === undefined) return { status: 400, message: 'the percent-encoding of the stream name is broken' };
  if (!isValidStreamName(streamName))
    return { status: 400, message: 'a stream name has 1 to 1024 characters and no control characters' };
  const parameters = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  const form = formOf(format, parameters);
  if (typeof form === 'string') return { status: 400, message: form };
  const appKey = parameters.get('appKey') || DEFAULT_APP_KEY;
  for (const name of ['width', 'height', 'quality', 'appKey']) parameters.delete(name);
  const custom = Object.fromEntries([...parameters].slice(0, MAX_PARAMETERS));
  return { streamName, appKey, form, custom };
}

/** The same text for the same form. */
export function formKey({ format, width, height, quality }: PictureForm): string {
  return `${format} ${width ?? ''}x${height ?? ''} ${quality ?? ''}`;
}

/** The form, or a sentence that says what is wrong with the parameters. */
function formOf(format: PictureForm['format'], parameters: URLSearchParams): PictureForm | string {
  const width = numberOf(parameters.get('width'), LARGEST_SIDE);
  const height = numberOf(parameters.get('height'), LARGEST_SIDE);
  if (width === 'wrong' || height === 'wrong') return `width and height are numbers from 1 to ${LARGEST_SIDE}`;
  const quality = numberOf(parameters.get('quality'), 100) ?? DEFAULT_QUALITY;
  if (quality === 'wrong') return 'quality is a number from 1 to 100';
  return {
    format,
    width: width && stepUp(width),
    height: height && stepUp(height),
    quality: format === 'png' ? undefined : Math.ceil(quality / QUALITY_STEP) * QUALITY_STEP,
  };
}

function numberOf(text: string | null, most: number): number | 'wrong' | undefined {
  if (text === null || text === '') return undefined;
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= most ? value : 'wrong';
}

function stepUp(side: number): number {
  return SIDES.find((step) => step >= side) ?? LARGEST_SIDE;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
