import type { DescribedMedia, DescribedTrack } from '@sluice/media';
import type { RtspRelayOptions } from './options.ts';

/** What of a description is asked for, and what people are to know of the rest. */
export interface UsableTracks {
  /** At most one of a kind. */
  readonly tracks: readonly DescribedTrack[];
  readonly notes: readonly string[];
}

/** Names that people write for codecs. */
const ALIASES: Readonly<Record<string, string>> = {
  'mpeg4-generic': 'aac',
  'mp4a-latm': 'aac',
  g711a: 'pcma',
  g711u: 'pcmu',
  alaw: 'pcma',
  ulaw: 'pcmu',
  'g.722': 'g722',
  'g.726': 'g726',
};

/** The first usable track of each kind; a stream has no more. */
export function usableTracks(
  described: DescribedMedia,
  { stripAudioCodecs }: Pick<RtspRelayOptions, 'stripAudioCodecs'>,
): UsableTracks {
  const stripped = new Set(stripAudioCodecs.map((name) => ALIASES[name.toLowerCase()] ?? name.toLowerCase()));
  const sends = described.tracks.some(({ direction }) => direction === 'recvonly');
  const tracks: DescribedTrack[] = [];
  const notes = [...described.notes];
  for (const track of described.tracks) {
    const { kind, codec } = track;
    // ONVIF writes directions as its clients see them: what we could send stands beside what we receive.
    if (kind === 'audio' && sends && track.direction === 'sendonly')
      notes.push(`audio "${codec}" is left out: it goes to the camera`);
    else if (kind === 'audio' && stripped.has(codec))
      notes.push(`audio "${codec}" is left out: rtsp_client_strip_audio_codecs names it`);
    else if (tracks.some((chosen) => chosen.kind === kind))
      notes.push(`${kind} "${codec}" is left out: a stream has one track of a kind`);
    else tracks.push(track);
  }
  return { tracks, notes };
}
