import type { Track } from '@sluice/media';
import { type Adaptations, type AdaptedStream, deliveryOf, type SessionMediaFacts } from '../../../core/index.ts';
import type { PlayerRequests } from '../send/playback.ts';
import type { SendTrack } from '../send/send-track.ts';
import type { PlayedSource } from '../send/track-source.ts';

/** A track on its way to a player, as far as its explanation goes. */
export interface ExplainedTrack {
  readonly media: { readonly kind: Track['kind'] };
  readonly send: SendTrack;
  readonly asked: PlayerRequests;
  readonly source: Pick<PlayedSource, 'layer'>;
}

/** Puts what is known of a player's track into the words of an explanation. */
export function playedFacts(
  { media, send, asked, source: { layer } }: ExplainedTrack,
  from: {
    readonly adapted: Omit<AdaptedStream, typeof Symbol.dispose>;
    readonly adaptations: Adaptations;
    readonly nowMs: number;
  },
): SessionMediaFacts {
  const { kind } = media;
  const delivered = deliveryOf(kind, from.adapted, from.adaptations);
  // Nothing in the stream that the player could be sent, for now.
  const delivery =
    delivered.delivery === 'as_is' && send.lane === undefined
      ? ({ ...delivered, delivery: 'pending' } as const)
      : delivered;
  const isVideo = kind === 'video';
  return {
    kind,
    ...delivery,
    waitsForKeyFrame: isVideo ? send.waitsForStart : undefined,
    lastKeyFrameAgeMs: send.keyFrameMs > 0 ? Math.round(from.nowMs - send.keyFrameMs) : undefined,
    packets: send.packets,
    bytes: send.bytes,
    packetsLost: asked.packetsLost,
    lossFraction: asked.lossFraction,
    jitterMs: jitterMs(asked.jitterTicks, send.position.clockRate),
    nacks: asked.nacks,
    plis: isVideo ? asked.plis : undefined,
    firs: isVideo ? asked.firs : undefined,
    resent: send.resent,
    resendMisses: send.resendMisses,
    ...(isVideo && {
      layer: layer && { rid: layer.rid, width: layer.width, height: layer.height },
      pictureLimit: send.thinning.limit === 'all' ? undefined : send.thinning.limit,
      framesLeftOut: send.thinning.leftOut > 0 ? send.thinning.leftOut : undefined,
    }),
  };
}

function jitterMs(ticks: number, clockRate: number): number | undefined {
  return clockRate > 0 ? Math.round((ticks * 10_000) / clockRate) / 10 : undefined;
}
