import type { ByteSource, RewritePlan } from '../file-plan.ts';
import { ProtocolError } from '../packet.ts';
import { badFile } from './box-reader.ts';
import { Collector } from './collect.ts';
import { DecodeOrder, type OrderedSample } from './decode-order.ts';
import { FragmentSeeker } from './fragment-seeker.ts';
import { readMovie } from './movie.ts';
import { rewriteOf } from './plan-rewrite.ts';
import { ReadAhead } from './read-ahead.ts';
import { microseconds } from './track-time.ts';

/** Pictures that are decoded one after the other and shown after the end; H.264 allows 16. */
const MAX_HELD = 1024;

/** A part of a file, on the timeline of `MediaFileReader`, microseconds. */
export interface CutRange {
  readonly startUs: number;
  /** First time that is no longer wanted. */
  readonly endUs: number;
}

/**
 * How a plain MP4 file, index first, is made of a part of another MP4 file, with fragments or without: from the last
 * key frame at or before `startUs` to the last picture before `endUs`, with the sound of that time. Players that follow
 * edit lists begin at `startUs`, others at the key frame, with sound and picture together all the same.
 * @throws ProtocolError MP4_BAD_FILE for a damaged file, MP4_EMPTY_CUT when there is nothing in that part
 */
export async function planMp4Cut(source: ByteSource, { startUs, endUs }: CutRange): Promise<RewritePlan> {
  const heads = new ReadAhead(source);
  const movie = await readMovie(heads);
  const collector = new Collector(source, movie);
  const order = new DecodeOrder(source, movie);
  await order.start(startUs, new FragmentSeeker(source, movie));
  // Pictures that are shown too late are needed when others that are decoded after them are not.
  const held: OrderedSample[][] = movie.tracks.map(() => []);
  while (true) {
    const next = order.next();
    const sample = next instanceof Promise ? await next : next;
    if (sample === undefined || sample.dtsUs >= endUs) break;
    const waiting = held[sample.trackIndex] ?? [];
    waiting.push(sample);
    if (waiting.length > MAX_HELD) throw badFile('too many pictures are shown later than others');
    if (sample.ptsUs >= endUs) continue;
    for (const { trackIndex, raw } of waiting) await collector.add(trackIndex, raw, heads);
    waiting.length = 0;
  }
  const tracks = collector.tracks.filter(
    ({ count, firstDts, presentationEnd, source: { time } }) =>
      count > 0 && microseconds(time, firstDts + presentationEnd) > startUs,
  );
  if (tracks.length === 0) throw new ProtocolError('MP4_EMPTY_CUT', 'the file has nothing in that part');
  return rewriteOf({ movie, tracks, end: source.size, tornBytes: 0 }, Math.max(0, startUs));
}
