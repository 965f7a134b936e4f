import { type FragmentSample, type MediaPacket, opusPacketTicks, sameParameters, type Track } from '@sluice/media';

/** The tracks that one run of segments is made of; at least one is there. */
export interface CutTracks {
  readonly video: Track | undefined;
  readonly audio: Track | undefined;
}

/** The packets of one part of a segment, with all that muxing and the playlist need. */
export interface Cut {
  readonly tracks: CutTracks;
  /** Packets in the order of their arrival. */
  readonly packets: readonly MediaPacket[];
  readonly video: readonly FragmentSample[];
  readonly audio: readonly FragmentSample[];
  /** Presentation time of the first packet on the stream's timeline, integer microseconds. */
  readonly startUs: number;
  /** Start of the next part minus the own one; to the end of the content when nothing follows. Microseconds. */
  readonly durationUs: number;
  /** The epoch of the stream's state (see StreamState). */
  readonly epoch: number;
  /** True when its segment can not be decoded as a continuation of the one before. */
  readonly discontinuity: boolean;
  /** True when a decoder can start with this part. */
  readonly independent: boolean;
  /** True for the first part of a segment. */
  readonly opens: boolean;
  /** Of the last part of a segment: duration of the whole segment, microseconds; undefined of those before it. */
  readonly segmentUs: number | undefined;
}

/** True when both need the same decoder configuration, also when a source has declared it anew. */
export function isSameTrack(a: Track | undefined, b: Track | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return (
    a.id === b.id && a.codec === b.codec && a.clockRate === b.clockRate && sameParameters(a.parameters, b.parameters)
  );
}

const AAC_FRAME_SAMPLES = 1024;
const SINGLE_PICTURE_US = 33_333;

/**
 * Gives each packet of one track the time until its successor. `next` is the packet after the last one when it is
 * known; else the last duration is the mean of the others.
 */
export function withDurations(packets: readonly MediaPacket[], next: MediaPacket | undefined): FragmentSample[] {
  const samples: FragmentSample[] = new Array(packets.length);
  for (let i = 0; i < packets.length; i++) {
    const packet = packets[i] as MediaPacket;
    const after = packets[i + 1] ?? next;
    const durationUs = after === undefined ? meanDurationUs(packets) : Math.max(0, after.dtsUs - packet.dtsUs);
    samples[i] = { packet, durationUs };
  }
  return samples;
}

function meanDurationUs(packets: readonly MediaPacket[]): number {
  const first = packets[0];
  const last = packets[packets.length - 1];
  if (first === undefined || last === undefined) return 0;
  if (packets.length > 1 && last.dtsUs > first.dtsUs) {
    return Math.round((last.dtsUs - first.dtsUs) / (packets.length - 1));
  }
  const { track, units } = last;
  if (track.kind === 'video') return SINGLE_PICTURE_US;
  const opusTicks = track.codec === 'opus' && units[0] !== undefined ? opusPacketTicks(units[0]) : undefined;
  return Math.round(((opusTicks ?? AAC_FRAME_SAMPLES) * 1e6) / track.clockRate);
}
