import type { SessionMediaFacts, Stream } from '../../../core/index.ts';
import type { PublisherMediaStats } from '../../../rtp/index.ts';

/** Puts what is known of a publisher's tracks into the words of an explanation. */
export function publishedFacts(
  stats: PublisherMediaStats,
  from: { readonly stream: Stream | undefined; readonly nowMs: number },
): SessionMediaFacts[] {
  // An encoding that the publisher does not send is nothing that is waited for, while another one of the picture comes.
  const comes = stats.tracks.some(({ rid, packets }) => rid !== undefined && packets > 0);
  const tracks = stats.tracks.filter(({ rid, packets }) => rid === undefined || packets > 0 || !comes);
  return tracks.map((track) => {
    const { kind, packets, lost } = track;
    const keyFrameMs = from.stream?.videoRate.keyFrameArrivedMs ?? 0;
    const isVideo = kind === 'video';
    const expected = packets + Math.max(0, lost - track.recovered);
    return {
      kind,
      delivery: packets > 0 ? 'received' : 'pending',
      codec: from.stream?.state[kind]?.codec,
      waitsForKeyFrame: isVideo ? packets > 0 && track.keyFrames === 0 : undefined,
      lastKeyFrameAgeMs: isVideo && keyFrameMs > 0 ? Math.round(from.nowMs - keyFrameMs) : undefined,
      packets,
      bytes: track.bytes,
      bitrateBps: track.bitrateBps,
      packetsLost: lost,
      lossFraction: expected > 0 ? Math.max(0, lost - track.recovered) / expected : undefined,
      jitterMs: Math.round(track.jitterMs * 10) / 10,
      nacks: track.nacks,
      plis: isVideo ? stats.rtcp.plis : undefined,
      firs: isVideo ? stats.rtcp.firs : undefined,
      recovered: track.recovered,
    };
  });
}
