import type { Track } from '@sluice/media';
import type { StreamMetadata } from '../stream.ts';

/** What encoders say of a track that is true only of the codec it came in. */
const CODEC_FACTS: Readonly<Record<Track['kind'], readonly string[]>> = {
  video: ['videocodecid', 'videodatarate'],
  audio: ['audiocodecid', 'audiodatarate', 'audiosamplerate', 'audiosamplesize', 'audiochannels', 'stereo'],
};

const known = new WeakMap<StreamMetadata, Map<string, StreamMetadata>>();

/** The metadata without what is not true of tracks of these kinds any more; the same object for the same question. */
export function withoutCodecFacts(metadata: StreamMetadata, kinds: readonly Track['kind'][]): StreamMetadata {
  const names = new Set(kinds.flatMap((kind) => CODEC_FACTS[kind]).filter((name) => name in metadata));
  if (names.size === 0) return metadata;
  const answers = known.get(metadata) ?? new Map<string, StreamMetadata>();
  known.set(metadata, answers);
  const key = kinds.join();
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = Object.fromEntries(Object.entries(metadata).filter(([name]) => !names.has(name)));
    answers.set(key, answer);
  }
  return answer;
}
