import type { DropReason } from '../../core/index.ts';
import type { FeedbackWriter } from './feedback-writer.ts';
import type { ReceivedLayer } from './layers/received-layer.ts';
import type { TrackReceiver } from './track-receiver.ts';

/** Facts about one track, since the beginning. */
export interface ReceivedTrackStats {
  readonly kind: 'video' | 'audio';
  readonly ssrc: number | undefined;
  /** Name of the encoding, of a picture that is sent in several: each is one track here. */
  readonly rid?: string | undefined;
  /** Of such an encoding: the size of its picture, and whether the publisher has been asked to leave it out. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly paused?: boolean | undefined;
  /** Packets with media that were taken, retransmissions of missing ones included, and their bytes of RTP. */
  readonly packets: number;
  readonly bytes: number;
  readonly bitrateBps: number;
  /** Lost on the way here; those of them that came again in time; those that did not. */
  readonly lost: number;
  readonly recovered: number;
  readonly missed: number;
  /** Packets that were asked for again, those asked for twice counted twice. */
  readonly nacks: number;
  readonly duplicates: number;
  /** Packets without media: padding and probes. */
  readonly empty: number;
  /** Packets whose number or time can't belong to the track. */
  readonly rejected: number;
  /** Packets that came after others had ceased to wait for them: in the lane, but in no frame. */
  readonly tooLate: number;
  readonly jitterMs: number;
  readonly frames: number;
  readonly keyFrames: number;
  /** Frames that were left out: damaged themselves, or after a damaged one. */
  readonly brokenFrames: number;
  readonly withheldFrames: number;
}

/** Facts about a publisher's media, since the beginning. */
export interface PublisherMediaStats {
  readonly tracks: readonly ReceivedTrackStats[];
  readonly videoBytes: number;
  readonly audioBytes: number;
  readonly bytes: number;
  readonly packets: number;
  readonly packetsLost: number;
  readonly rttMs: number | undefined;
  /** Bytes that wait for missing packets. */
  readonly queuedBytes: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly clockBreaks: number;
  /** Sender reports that can't be right. */
  readonly ignoredReports: number;
  readonly rtcp: FeedbackWriter['counts'];
}

/** The facts about what a receiver has received. */
export function receivedTrackStats(
  receiver: TrackReceiver,
  known: { readonly ssrc: number | undefined; readonly layer: ReceivedLayer | undefined; readonly nowMs: number },
): ReceivedTrackStats {
  const { track, counts, frames, statistics } = receiver;
  const { layer } = known;
  return {
    kind: track.kind,
    ssrc: known.ssrc,
    ...(layer && { rid: layer.rid, width: layer.width, height: layer.height, paused: layer.paused }),
    packets: counts.packets,
    bytes: counts.bytes,
    bitrateBps: Math.round(receiver.rate.bitsPerSecond(known.nowMs)),
    lost: receiver.lost,
    recovered: counts.recovered,
    nacks: counts.nacks,
    missed: receiver.missed,
    duplicates: counts.duplicates,
    empty: counts.empty,
    rejected: counts.rejected,
    tooLate: receiver.tooLate,
    jitterMs: statistics.jitterMs,
    frames: frames.published,
    keyFrames: frames.keyFrames,
    brokenFrames: frames.broken,
    withheldFrames: frames.withheld,
  };
}

/** What all tracks have in sum. */
export function totalsOf(
  tracks: readonly ReceivedTrackStats[],
): Pick<PublisherMediaStats, 'videoBytes' | 'audioBytes' | 'bytes' | 'packets' | 'packetsLost'> {
  const sum = (of: (track: ReceivedTrackStats) => number): number => tracks.reduce((total, t) => total + of(t), 0);
  const videoBytes = sum(({ kind, bytes }) => (kind === 'video' ? bytes : 0));
  const audioBytes = sum(({ kind, bytes }) => (kind === 'audio' ? bytes : 0));
  return {
    videoBytes,
    audioBytes,
    bytes: videoBytes + audioBytes,
    packets: sum(({ packets }) => packets),
    packetsLost: sum(({ lost }) => lost),
  };
}
