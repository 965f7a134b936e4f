import type { PlayChoice } from './play-protocol.ts';

/** What a page that embeds a stream may choose. */
export interface EmbedChoice {
  readonly stream: string;
  readonly protocol: PlayChoice;
  /** Empty for the picture as it is published. */
  readonly quality: string;
  readonly autoplay: boolean;
  readonly muted: boolean;
  readonly controls: boolean;
  readonly poster: boolean;
  readonly fit: 'contain' | 'cover' | 'fill';
  /** Pixels of the frame; 0 for as wide as there is room. */
  readonly width: number;
  readonly height: number;
}

/** The address of the page to embed; what is as usual is left out. */
export function embedAddress(origin: string, choice: EmbedChoice): string {
  const { stream, protocol, quality, autoplay, muted, controls, poster, fit } = choice;
  const query = new URLSearchParams({ stream });
  if (protocol !== 'auto') query.set('protocols', protocol);
  if (quality !== '') query.set('quality', quality);
  for (const [name, isOn] of Object.entries({ autoplay, muted, controls, poster })) if (!isOn) query.set(name, '0');
  if (fit !== 'contain') query.set('fit', fit);
  return `${origin}/embed?${query}`;
}

/** What to copy into another page. */
export function embedCode(origin: string, choice: EmbedChoice): string {
  const { width, height, stream } = choice;
  const size =
    width > 0 && height > 0
      ? `width="${width}" height="${height}" style="border: 0"`
      : 'style="width: 100%; aspect-ratio: 16 / 9; border: 0"';
  const address = escaped(embedAddress(origin, choice));
  return `<iframe src="${address}" title="${escaped(stream)}" ${size} allow="autoplay; fullscreen" allowfullscreen></iframe>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
