import { type AmfObject, type AmfValue, type AudioCodec, type Codec, codecTitle, type VideoCodec } from '@sluice/media';
import { type Acceptance, playerAcceptance, type StreamState } from '../../core/index.ts';

/** Bits of `capsEx` (Enhanced RTMP v2, "Enhancing NetConnection connect Command"). */
export const CAPABILITY = { reconnect: 1, multitrack: 2, modEx: 4, timestampNanoOffset: 8 } as const;
/** Bit of the values in `videoFourCcInfoMap`: the peer can decode that codec. */
const CAN_DECODE = 1;
const CAN_FORWARD = 4;
/** Entries of a list or map from the network that are read. */
const MAX_CODECS = 64;

const VIDEO_FOURCCS = ['avc1', 'hvc1', 'av01', 'vp09', 'vp08'];
const AUDIO_FOURCCS = ['mp4a', 'Opus', 'fLaC', '.mp3', 'ac-3', 'ec-3'];

/** Codecs that only Enhanced RTMP can carry, with their FourCC; the others travel in the original form. */
const ENHANCED_VIDEO: readonly (readonly [VideoCodec, string])[] = [
  ['h265', 'hvc1'],
  ['av1', 'av01'],
  ['vp9', 'vp09'],
  ['vp8', 'vp08'],
];
const ENHANCED_AUDIO: readonly (readonly [AudioCodec, string])[] = [['opus', 'Opus']];

/** Bits of `videoCodecs` and `audioCodecs` (Adobe RTMP 1.0 §7.2.1.1): old codecs that not all players know. */
const OLD_VIDEO: readonly (readonly [VideoCodec, number])[] = [['flv1', 0x0004]];
const OLD_AUDIO: readonly (readonly [AudioCodec, number])[] = [
  ['pcma', 0x0080],
  ['pcmu', 0x0100],
  ['speex', 0x0800],
];

/** What a peer said of itself when it connected. */
export interface ConnectFacts {
  readonly objectEncoding: 0 | 3;
  /** Name of the program, at most 256 characters. */
  readonly flashVer: string;
  /** Bits of {@link CAPABILITY}. */
  readonly capabilities: number;
  /**
   * What the peer, as a player, takes as it is where other codecs can be converted. One that announces nothing gets
   * what players without Enhanced RTMP know.
   */
  readonly acceptance: Acceptance;
  /**
   * Codecs that the peer, as a player, does not take. Counts where nothing can be converted: a peer that announces
   * nothing is sent everything then.
   */
  readonly without: ReadonlySet<Codec>;
}

/** Reads the command object of `connect`: Adobe RTMP 1.0 §7.2.1.1 and Enhanced RTMP v2. */
export function readConnect(properties: AmfObject): ConnectFacts {
  const flashVer = properties['flashVer'];
  const capabilities = properties['capsEx'];
  const listed = listOf(properties['fourCcList']);
  const video = decodable(properties['videoFourCcInfoMap']) ?? narrowed(listed, VIDEO_FOURCCS);
  const audio = decodable(properties['audioFourCcInfoMap']) ?? narrowed(listed, AUDIO_FOURCCS);
  return {
    objectEncoding: properties['objectEncoding'] === 3 ? 3 : 0,
    flashVer: typeof flashVer === 'string' ? flashVer.slice(0, 256) : '',
    capabilities: typeof capabilities === 'number' ? capabilities | 0 : 0,
    acceptance: playerAcceptance({
      video: new Set([
        'h264',
        ...old(properties['videoCodecs'], OLD_VIDEO),
        ...announced(video, listed, ENHANCED_VIDEO),
      ]),
      audio: new Set([
        'aac',
        ...old(properties['audioCodecs'], OLD_AUDIO),
        ...announced(audio, listed, ENHANCED_AUDIO),
      ]),
    }),
    without: new Set([...notIn(video, ENHANCED_VIDEO), ...notIn(audio, ENHANCED_AUDIO)]),
  };
}

function announced<C extends Codec>(
  known: ReadonlySet<string> | undefined,
  listed: readonly string[],
  codecs: readonly (readonly [C, string])[],
): C[] {
  const all = known === undefined ? listed.includes('*') : known.has('*');
  return codecs.filter(([, fourCc]) => all || known?.has(fourCc) === true).map(([codec]) => codec);
}

/** Players that say nothing of old codecs know them. */
function old<C extends Codec>(bits: AmfValue, codecs: readonly (readonly [C, number])[]): C[] {
  const known = typeof bits === 'number' && bits > 0 ? bits : ~0;
  return codecs.filter(([, bit]) => (known & bit) !== 0).map(([codec]) => codec);
}

function notIn(known: ReadonlySet<string> | undefined, codecs: readonly (readonly [Codec, string])[]): Codec[] {
  if (known === undefined || known.has('*')) return [];
  return codecs.filter(([, fourCc]) => !known.has(fourCc)).map(([codec]) => codec);
}

/** What a player does not take of a stream whose tracks are known, otherwise of all that may come. */
export function notTaken({ video, audio }: StreamState, { without }: ConnectFacts): ReadonlySet<Codec> {
  if (video === undefined || audio === undefined) return without;
  // Players that announce different lists share everything unless the difference matters to this stream.
  return new Set([video.codec, audio.codec].filter((codec) => without.has(codec)));
}

/** A sentence for each track that is left out for a player, where nothing can be converted. */
export function leftOut({ video, audio }: StreamState, { without }: ConnectFacts): readonly string[] {
  return [video, audio]
    .filter((track) => track !== undefined && without.has(track.codec))
    .map((track) => `${track?.kind} is left out: the player does not take ${track && codecTitle(track.codec)}`);
}

/** What our answer to `connect` tells an enhanced peer: the codecs that we take and give, and our capabilities. */
export function enhancedProperties(): AmfObject {
  const both = CAN_DECODE | CAN_FORWARD;
  const map = (names: readonly string[]): AmfObject => Object.fromEntries(names.map((name) => [name, both]));
  return {
    fourCcList: [...VIDEO_FOURCCS, 'mp4a', 'Opus'],
    videoFourCcInfoMap: map(VIDEO_FOURCCS),
    audioFourCcInfoMap: map(['mp4a', 'Opus']),
    capsEx: CAPABILITY.reconnect | CAPABILITY.multitrack | CAPABILITY.modEx | CAPABILITY.timestampNanoOffset,
  };
}

function listOf(value: AmfValue): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  // Some peers send an ECMA array with indices as names.
  return Object.values(value)
    .slice(0, MAX_CODECS)
    .filter((name) => typeof name === 'string');
}

/** The codecs of one kind in a list that names both kinds; undefined when it says nothing of this kind. */
function narrowed(listed: readonly string[], ofKind: readonly string[]): ReadonlySet<string> | undefined {
  if (listed.includes('*')) return undefined;
  const known = listed.filter((name) => ofKind.includes(name));
  return known.length > 0 ? new Set(known) : undefined;
}

function decodable(map: AmfValue): ReadonlySet<string> | undefined {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return undefined;
  const names = Object.entries(map)
    .slice(0, MAX_CODECS)
    .filter(([, flags]) => typeof flags === 'number' && (flags & (CAN_DECODE | CAN_FORWARD)) !== 0);
  return names.length > 0 ? new Set(names.map(([name]) => name)) : undefined;
}
