import { type MediaDescription, sdpValue, sdpValues } from './session-description.ts';

/** One encoding of a picture that is sent in several, by its restriction identifier (RFC 8851). */
export interface SimulcastEncoding {
  readonly rid: string;
  /** It is not sent at first (`~`, RFC 8853 §5.1). */
  readonly paused: boolean;
  /** Payload types that it may have (`pt=`); undefined for any. The other restrictions are the sender's own affair. */
  readonly payloadTypes: readonly number[] | undefined;
}

/** A stream of a simulcast: the encodings of which one is sent in it, the preferred one first. */
export type SimulcastStream = readonly SimulcastEncoding[];

/** More than anybody sends; the rest is left out. */
const MAX_STREAMS = 16;
const MAX_ALTERNATIVES = 8;
const MAX_RIDS = 64;
const MAX_PAYLOAD_TYPES = 32;
/** RFC 8851 §10, and no longer than a header extension can be. */
const RID = /^[A-Za-z0-9_-]{1,255}$/;

type SimulcastDirection = 'send' | 'recv';

/**
 * The streams that the author of a section sends, or receives, as simulcast (`a=simulcast`, RFC 8853 §5.1), in its
 * order. Takes the form of the early drafts too (`send rid=1;2`). Total: encodings without `a=rid` in that direction,
 * and names that come twice, are left out; none for a section without simulcast.
 */
export function readSimulcast(section: MediaDescription, direction: SimulcastDirection): readonly SimulcastStream[] {
  const words = (sdpValue(section, 'simulcast') ?? '').trim().split(/\s+/);
  const list = words[words.indexOf(direction) + 1];
  if (!words.includes(direction) || list === undefined) return [];
  const known = readRids(section, direction);
  const streams: SimulcastStream[] = [];
  for (const part of list.replace(/^rid=/, '').split(';', MAX_STREAMS)) {
    const encodings: SimulcastEncoding[] = [];
    for (const word of part.split(',', MAX_ALTERNATIVES)) {
      const paused = word.startsWith('~');
      const rid = paused ? word.slice(1) : word;
      const found = known.get(rid);
      if (found === undefined) continue;
      known.delete(rid);
      encodings.push({ rid, paused, payloadTypes: found.payloadTypes });
    }
    if (encodings.length > 0) streams.push(encodings);
  }
  return streams;
}

/** `a=rid:h send pt=96,97;max-width=1280` */
function readRids(
  section: MediaDescription,
  direction: SimulcastDirection,
): Map<string, Pick<SimulcastEncoding, 'payloadTypes'>> {
  const rids = new Map<string, Pick<SimulcastEncoding, 'payloadTypes'>>();
  for (const value of sdpValues(section, 'rid').slice(0, MAX_RIDS)) {
    const [rid = '', way, restrictions = ''] = value.split(/\s+/, 3);
    if (way !== direction || !RID.test(rid) || rids.has(rid)) continue;
    const list = /(?:^|;)pt=([\d,]+)/.exec(restrictions)?.[1];
    rids.set(rid, { payloadTypes: list?.split(',', MAX_PAYLOAD_TYPES).map(Number) });
  }
  return rids;
}
