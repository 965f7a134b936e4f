import { badFile, FieldReader } from './box-reader.ts';

/** Times beyond this (about 31 years) are taken for damage; below it, microseconds are exact integers. */
const MAX_SECONDS = 1e9;

/** How media time becomes presentation time: the edit list in the simple form that encoders write. */
export interface TrackTime {
  /** Units of media time per second. */
  readonly timescale: number;
  /** Media time that is presented first. */
  readonly mediaStart: number;
  /** Microseconds of nothing before it. */
  readonly delayUs: number;
  /** Time from zero to the end of the track, microseconds; 0 where the header does not tell. */
  readonly durationUs: number;
}

/**
 * Reads `mdhd` (ISO 14496-12 §8.4.2), and of an edit list (§8.6.6) what encoders use it for: empty edits at the start
 * delay the track, and the first real edit skips priming samples or compensates composition offsets. Cuts further
 * inside are not applied: such samples are all delivered.
 * @throws ProtocolError MP4_BAD_FILE
 */
export function parseTime(mdhd: Uint8Array, elst: Uint8Array | undefined, movieTimescale: number): TrackTime {
  const header = new FieldReader(mdhd);
  const isWide = header.u8() === 1;
  header.skip(3 + (isWide ? 16 : 8));
  const timescale = header.u32();
  if (timescale === 0) throw badFile('a timescale is zero');
  const mediaDuration = durationOf(header, isWide);
  const { emptyDuration, mediaStart, shownDuration } = parseEdits(elst);
  for (const seconds of [emptyDuration / movieTimescale, shownDuration / movieTimescale, mediaStart / timescale]) {
    if (seconds > MAX_SECONDS) throw badFile('an edit list is out of range');
  }
  if (mediaDuration / timescale > MAX_SECONDS) throw badFile('a track is too long');
  const delayUs = (emptyDuration * 1e6) / movieTimescale;
  const shownUs = Math.max((shownDuration * 1e6) / movieTimescale, ((mediaDuration - mediaStart) * 1e6) / timescale);
  const durationUs = mediaDuration + shownDuration > 0 ? Math.max(0, Math.round(delayUs + shownUs)) : 0;
  return { timescale, mediaStart, delayUs, durationUs };
}

/** All bits set mean that it is not known. */
function durationOf(fields: FieldReader, isWide: boolean): number {
  const high = isWide ? fields.u32() : 0;
  const low = fields.u32();
  if (low === 0xffff_ffff && (!isWide || high === 0xffff_ffff)) return 0;
  return high * 0x1_0000_0000 + low;
}

function parseEdits(elst: Uint8Array | undefined) {
  let emptyDuration = 0;
  if (elst === undefined) return { emptyDuration, mediaStart: 0, shownDuration: 0 };
  const fields = new FieldReader(elst);
  const isWide = fields.u8() === 1;
  fields.skip(3);
  const count = fields.tableCount(isWide ? 20 : 12);
  for (let i = 0; i < count; i++) {
    const duration = isWide ? fields.u64() : fields.u32();
    const mediaTime = isWide ? fields.i64() : fields.i32();
    fields.skip(4); // rate
    if (mediaTime >= 0) return { emptyDuration, mediaStart: mediaTime, shownDuration: duration };
    emptyDuration += duration;
  }
  return { emptyDuration, mediaStart: 0, shownDuration: 0 };
}

/**
 * Presentation time of a media time, integer microseconds.
 * @throws ProtocolError MP4_BAD_FILE when it is out of all range
 */
export function microseconds({ timescale, mediaStart, delayUs }: TrackTime, mediaTime: number): number {
  const us = Math.round(((mediaTime - mediaStart) * 1e6) / timescale + delayUs);
  if (Math.abs(us) > MAX_SECONDS * 1e6) throw badFile('a time is out of range');
  // Adding 0 turns -0 into 0.
  return us + 0;
}

/** Media time of a presentation time; not rounded. */
export function mediaTimeAt({ timescale, mediaStart, delayUs }: TrackTime, us: number): number {
  return ((us - delayUs) * timescale) / 1e6 + mediaStart;
}
