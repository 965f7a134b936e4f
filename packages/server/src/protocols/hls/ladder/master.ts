import type { Rendition } from '../../../core/index.ts';
import type { PackagedContent } from '../packaging/content.ts';

/** One quality of a master playlist. */
export interface MasterVariant {
  readonly rendition: Rendition;
  /** What is in its files, when it runs. */
  readonly content: PackagedContent | undefined;
}

export interface LadderMaster {
  /** Best first. */
  readonly variants: readonly MasterVariant[];
  /** Codec of the sound that all of them share; undefined when there is none. */
  readonly audioCodec: string | undefined;
  readonly audioChannels: number | undefined;
  /** `?…` or empty, on each URI. */
  readonly query: string;
}

/** Name of the shared rendition of sound, of its group, its folder and its playlist. */
export const AUDIO_NAME = 'audio';

/** Address of the media playlist of a quality, from the master playlist. */
export function variantUri(name: string): string {
  const encoded = encodeURIComponent(name);
  return `${encoded}/${encoded}.m3u8`;
}

/** Renders the master playlist of a ladder: a variant for each quality, one rendition of sound for all. */
export function renderLadderMaster({ variants, audioCodec, audioChannels, query }: LadderMaster): string {
  const lines = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-INDEPENDENT-SEGMENTS'];
  if (audioCodec !== undefined) {
    const channels = audioChannels === undefined ? '' : `,CHANNELS="${audioChannels}"`;
    lines.push(
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${AUDIO_NAME}",NAME="${AUDIO_NAME}",DEFAULT=YES,AUTOSELECT=YES${channels},` +
        `URI="${variantUri(AUDIO_NAME)}${query}"`,
    );
  }
  for (const variant of variants) {
    lines.push(
      `#EXT-X-STREAM-INF:${attributesOf(variant, audioCodec).join()}`,
      variantUri(variant.rendition.name) + query,
    );
  }
  return `${lines.join('\n')}\n`;
}

function attributesOf({ rendition, content }: MasterVariant, audioCodec: string | undefined): string[] {
  const { bandwidthBps, size, fps, original } = rendition;
  // Of what passes through, more is known than what it was expected to take.
  const measured = original ? content?.peakBandwidth : undefined;
  const average = original ? content?.averageBandwidth : undefined;
  const attributes = [`BANDWIDTH=${Math.max(1, Math.ceil(Math.max(measured ?? 0, bandwidthBps)))}`];
  if (average !== undefined && average > 0) attributes.push(`AVERAGE-BANDWIDTH=${Math.ceil(average)}`);
  const codecs = [content?.video ?? expectedCodec(rendition), audioCodec].filter((codec) => codec !== undefined);
  attributes.push(`CODECS="${codecs.join()}"`);
  const shown = content?.size ?? size;
  if (shown !== undefined) attributes.push(`RESOLUTION=${shown.width}x${shown.height}`);
  if (fps !== undefined) attributes.push(`FRAME-RATE=${fps.toFixed(3)}`);
  if (audioCodec !== undefined) attributes.push(`AUDIO="${AUDIO_NAME}"`);
  return attributes;
}

const PROFILES: Readonly<Record<number, string>> = { 66: '42C0', 77: '4D40', 88: '5800', 100: '6400' };
/** Levels of H.264 by macroblocks of a picture and a second (table A-1), that players decide by. */
const LEVELS: readonly (readonly [frame: number, second: number, level: string])[] = [
  [1620, 40_500, '1E'],
  [3600, 108_000, '1F'],
  [8192, 245_760, '28'],
  [8704, 522_240, '2A'],
  [36_864, 983_040, '33'],
];

/** The codec string of what the engine is about to make, as far as that can be known. */
function expectedCodec({ acceptance, size, fps = 30 }: Rendition): string {
  const profile = PROFILES[acceptance.videoOutput?.profile ?? 100] ?? '6400';
  const blocks = size === undefined ? 3600 : Math.ceil(size.width / 16) * Math.ceil(size.height / 16);
  const level = LEVELS.find(([frame, second]) => blocks <= frame && blocks * fps <= second)?.[2] ?? '33';
  return `avc1.${profile}${level}`;
}
