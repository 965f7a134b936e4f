import { parseDocument } from 'yaml';
import { type LadderUse, MediaServerError } from '../core/index.ts';
import { isProfileName, type RenditionProfile } from './profile.ts';
import { type FieldReader, nameOf, notAllowed, numberIn, oneOf, type Place, Refused, text } from './profile-fields.ts';

/** What a file of profiles comes to. */
export interface ReadProfiles {
  /** In the order of the file. */
  readonly profiles: readonly RenditionProfile[];
  /** A sentence for each part of the file that has no effect here. */
  readonly warnings: readonly string[];
}

/** Aliases are allowed, but not the sort that grows a small file into a large one. */
const MAX_ALIASES = 100;
const MAX_PROFILES = 32;
/** Warnings beyond that tell nothing new. */
const MAX_WARNINGS = 50;

const ENCODERS = ['FF', 'OPENH264', 'NVENC', 'VAAPI', 'QSV', 'V4L2M2M', 'AMF', 'VIDEOTOOLBOX'];
const PRESETS = [
  'ultrafast',
  'superfast',
  'veryfast',
  'faster',
  'fast',
  'medium',
  'slow',
  'slower',
  'veryslow',
  'placebo',
] as const;
const SAMPLE_RATES = [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] as const;

type Fields = Readonly<Record<string, FieldReader<unknown>>>;

const VIDEO_FIELDS = {
  width: numberIn(16, 8192, { zeroIsNone: true }),
  height: numberIn(16, 8192, { zeroIsNone: true }),
  bitrate: numberIn(10, 200_000, { zeroIsNone: true }),
  codec: nameOf(['h264']),
  codecImpl: nameOf(ENCODERS),
  gop: numberIn(1, 3000, { zeroIsNone: true }),
  fps: numberIn(1, 240, { whole: false, zeroIsNone: true }),
  quality: numberIn(0, 100, { whole: false }),
  preset: oneOf(PRESETS),
  profile: oneOf([66, 77, 88, 100] as const),
  level: numberIn(1, 6.2, { whole: false }),
} satisfies Fields;

const AUDIO_FIELDS = {
  bitrate: numberIn(6000, 512_000, { zeroIsNone: true }),
  rate: oneOf(SAMPLE_RATES),
  channels: oneOf([1, 2] as const),
  groupID: text,
} satisfies Fields;

const AUDIO_CODECS: Readonly<Record<LadderUse, readonly string[]>> = {
  hls: ['mpeg4-generic', 'aac'],
  webrtc: ['opus'],
};

/** Fields that WCS has and that nothing here can follow, with the reason. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  quality: 'the bitrate decides',
  level: 'it follows from the size of the picture',
};

/** Top-level names that are read elsewhere, or that old files have. */
const TOLERATED: ReadonlySet<string> = new Set(['codecs_exclude_sfu']);

type Values<F extends Fields> = { readonly [Name in keyof F]?: Exclude<ReturnType<F[Name]>, Refused> };

/**
 * Reads a file of profiles. `file` is its name, for messages. Where a name comes twice, the last one counts.
 * @throws MediaServerError CONFIG_INVALID naming the place and what is allowed there
 */
export function readProfiles(content: string, file: string, use: LadderUse): ReadProfiles {
  return new ProfileReader(file, use).read(content);
}

class ProfileReader {
  readonly #file: string;
  readonly #use: LadderUse;
  readonly #warnings: string[] = [];

  constructor(file: string, use: LadderUse) {
    this.#file = file;
    this.#use = use;
  }

  read(content: string): ReadProfiles {
    const root = this.#map(this.#parse(content), this.#file, 'a map with `profiles`');
    const named = this.#map(root.get('profiles'), `${this.#file}: profiles`, 'a map of names and profiles');
    for (const name of root.keys())
      if (name !== 'profiles' && !TOLERATED.has(name)) this.#warn(`${this.#file}: ${name}: unknown, it has no effect`);
    if (named.size === 0 || named.size > MAX_PROFILES)
      throw new MediaServerError('CONFIG_INVALID', `${this.#file}: profiles: it takes 1 to ${MAX_PROFILES} profiles`);
    const profiles = [...named].map(([name, profile]) => this.#profile(name, profile));
    return { profiles, warnings: this.#warnings };
  }

  #parse(content: string): unknown {
    let message: string;
    try {
      const document = parseDocument(content, { uniqueKeys: false, logLevel: 'error', version: '1.2' });
      const [error] = document.errors;
      if (error === undefined) return document.toJS({ mapAsMap: true, maxAliasCount: MAX_ALIASES });
      message = error.message;
    } catch (error) {
      // Too many aliases, or too deep.
      message = error instanceof Error ? error.message : 'it can not be read';
    }
    throw new MediaServerError('CONFIG_INVALID', `${this.#file}: no YAML: ${message.split('\n', 1)[0]}`);
  }

  #profile(name: string, value: unknown): RenditionProfile {
    const place = `${this.#file}: profile ${name}`;
    if (!isProfileName(name))
      throw notAllowed(`${this.#file}: profiles`, name, 'names of 1 to 64 letters, digits, `_`, `-` and dots');
    const parts = this.#map(value, place, 'a map with `video` and `audio`');
    const audioFields = { ...AUDIO_FIELDS, codec: nameOf(AUDIO_CODECS[this.#use]) };
    const video = this.#values(parts.get('video'), `${place}: video`, VIDEO_FIELDS);
    const audio = this.#values(parts.get('audio'), `${place}: audio`, audioFields);
    for (const part of parts.keys())
      if (part !== 'video' && part !== 'audio') this.#warn(`${place}: ${part}: unknown, it has no effect`);
    if (audio.groupID !== undefined && audio.groupID !== 'audio')
      this.#warn(`${place}: audio.groupID: all qualities share the group \`audio\``);
    return {
      name,
      video: {
        width: video.width,
        height: video.height,
        bitrateBps: video.bitrate === undefined ? undefined : video.bitrate * 1000,
        gop: video.gop,
        fps: video.fps,
        encoder: video.codecImpl,
        preset: video.preset,
        profile: video.profile,
      },
      audio: { bitrateBps: audio.bitrate, sampleRate: audio.rate, channels: audio.channels },
    };
  }

  /** The fields of one part; an absent part has none. */
  #values<F extends Fields>(part: unknown, place: Place, fields: F): Values<F> {
    const values: Record<string, unknown> = {};
    if (part === undefined || part === null) return values as Values<F>;
    for (const [name, value] of this.#map(part, place, 'a map')) {
      const read = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (read === undefined) this.#warn(`${place}.${name}: unknown, it has no effect`);
      else if (value !== null && value !== undefined) {
        const result = read(value);
        if (result instanceof Refused) throw notAllowed(`${place}.${name}`, value, result.allowed);
        values[name] = result;
        const reason = WITHOUT_EFFECT[name];
        if (reason !== undefined) this.#warn(`${place}.${name}: it has no effect, ${reason}`);
      }
    }
    return values as Values<F>;
  }

  /** A map by names as text: YAML reads `180:` as a number. */
  #map(value: unknown, place: Place, allowed: string): ReadonlyMap<string, unknown> {
    if (!(value instanceof Map)) throw notAllowed(place, value, allowed);
    return new Map(Array.from(value, ([key, one]) => [String(key), one]));
  }

  #warn(sentence: string): void {
    if (this.#warnings.length < MAX_WARNINGS) this.#warnings.push(sentence);
  }
}
