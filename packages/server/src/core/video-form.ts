/**
 * The form that a picture is to be made into; what is absent follows the source and the settings. Pictures are never
 * made larger than they are.
 */
export interface VideoForm {
  /** Pixels. With one of them the other follows from the shape of the source; both are rounded down to even numbers. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly bitrateBps?: number | undefined;
  /** Pictures a second at most; those in between are left out. */
  readonly fps?: number | undefined;
  /**
   * Pictures between key frames at most. Each key frame of the source is one here too, so that all forms of a source have
   * theirs at the same times.
   */
  readonly keyFrameFrames?: number | undefined;
  /** Speed against quality, by x264's names. */
  readonly preset?: string | undefined;
  /** 66 baseline, 77 main, 88 extended, 100 high (WCS's numbers, functions-4 §9.4). */
  readonly profile?: 66 | 77 | 88 | 100 | undefined;
  /** WCS's `codecImpl`: `FF`, `OPENH264` or the name of hardware; a wish, not a demand. */
  readonly encoder?: string | undefined;
  /** Leave the shape of the source behind when width and height ask for another one. Default: kept, within both. */
  readonly stretch?: boolean | undefined;
}

/** The same text for forms that give the same picture, so that their users share a conversion. */
export function videoFormKey(form: VideoForm | undefined): string {
  if (form === undefined) return '-';
  const { width, height, bitrateBps, fps, keyFrameFrames, preset, profile, encoder, stretch } = form;
  const parts = [width, height, bitrateBps, fps, keyFrameFrames, preset, profile, encoder, stretch || undefined];
  return parts.map((part) => part ?? '-').join(',');
}

/** Size of a picture, pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Size of the picture that comes of a source in that form: never larger than the source, of even numbers. */
export function sizeInForm(source: PictureSize, form: VideoForm): PictureSize {
  const across = Math.min(1, (form.width ?? source.width) / source.width);
  const down = Math.min(1, (form.height ?? source.height) / source.height);
  const stretches = form.stretch === true && form.width !== undefined && form.height !== undefined;
  const both = Math.min(across, down);
  return {
    width: even(source.width * (stretches ? across : both)),
    height: even(source.height * (stretches ? down : both)),
  };
}

function even(pixels: number): number {
  // A product such as 1280 * (720 / 1280) may fall short of the whole number that it stands for.
  return Math.max(2, Math.floor((pixels + 1e-6) / 2) * 2);
}

/** Most that a viewer may ask for: pixels of a side, and kilobits a second. */
const MOST = { width: 8192, height: 8192, bitrate: 200_000 } as const;

/**
 * The form of the picture that an address asks for with `width`, `height` and `bitrate` (kbit/s, as in WCS); undefined when
 * it asks for none, 0 being none too. A text says what is wrong with them.
 */
export function readVideoForm(parameters: URLSearchParams): VideoForm | string | undefined {
  const form: { width?: number; height?: number; bitrateBps?: number } = {};
  for (const name of ['width', 'height', 'bitrate'] as const) {
    const text = parameters.get(name) ?? '0';
    const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (value < 0 || value > MOST[name]) return `${name} is a whole number from 0 to ${MOST[name]}`;
    if (value === 0) continue;
    if (name === 'bitrate') form.bitrateBps = value * 1000;
    else form[name] = value;
  }
  return Object.keys(form).length > 0 ? form : undefined;
}
