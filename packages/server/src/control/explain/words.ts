import { type Codec, codecTitle } from '@sluice/media';

const TITLES: Readonly<Partial<Record<string, string>>> = { video: 'picture', audio: 'sound' };

/** A duration for people: `0.4 s`, `12 s`. */
export function seconds(ms: number): string {
  return `${number(ms / 1000, ms < 10_000 ? 1 : 0)} s`;
}

/** A share of one as percent: `3 %`, `0.4 %`. */
export function percent(share: number): string {
  return `${number(share * 100, share < 0.1 ? 1 : 0)} %`;
}

/** A number with so many digits behind the point, where they say something. */
export function number(value: number, digits = 1): string {
  const scale = 10 ** digits;
  return String(Math.round(value * scale) / scale);
}

/** `one`, `one and two`, `one, two and three`. */
export function list(words: readonly string[], conjunction = 'and'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`;
}

/** `picture` or `sound`. */
export function titleOf(kind: 'video' | 'audio'): string {
  return TITLES[kind] ?? kind;
}

/** A codec by its name among people: `H.264` for `h264`; names that are not known stay. */
export function codecName(codec: string | undefined): string {
  if (codec === undefined) return 'an unknown codec';
  return codecTitle(codec as Codec) ?? codec;
}

/** The same with a capital at its beginning. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
