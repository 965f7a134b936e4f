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
