import type { RtpAudioCodec, RtpVideoCodec } from './policy.ts';

const VIDEO_NAMES: Readonly<Record<string, RtpVideoCodec>> = {
  h264: 'h264',
  h265: 'h265',
  hevc: 'h265',
  vp8: 'vp8',
  vp9: 'vp9',
  av1: 'av1',
};

const AUDIO_NAMES: Readonly<Record<string, RtpAudioCodec>> = {
  opus: 'opus',
  alaw: 'pcma',
  pcma: 'pcma',
  ulaw: 'pcmu',
  pcmu: 'pcmu',
  g722: 'g722',
};

/**
 * Codecs of WCS's settings `codecs` and `codecs_exclude_streaming` that WebRTC can use, in their order. Names are
 * WCS's (`alaw`) or those of SDP; others, such as `flv`, are left out.
 */
export function codecsFromNames(
  names: readonly string[],
  excluded: readonly string[] = [],
): { readonly videoCodecs: RtpVideoCodec[]; readonly audioCodecs: RtpAudioCodec[] } {
  return { videoCodecs: pick(VIDEO_NAMES, names, excluded), audioCodecs: pick(AUDIO_NAMES, names, excluded) };
}

function pick<C>(table: Readonly<Record<string, C>>, names: readonly string[], excluded: readonly string[]): C[] {
  const known = (list: readonly string[]): C[] =>
    list.map((name) => table[name.trim().toLowerCase()]).filter((codec) => codec !== undefined);
  const without = known(excluded);
  return [...new Set(known(names))].filter((codec) => !without.includes(codec));
}
