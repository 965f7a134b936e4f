import type { Track } from '@sluice/media';
import type { Adaptations, AdaptedStream } from './adaptations/adaptations.ts';
import { deliveryOf } from './adaptations/delivery.ts';
import type { SessionFacts, SessionMediaFacts } from './explain.ts';
import type { FanOut } from './fan-out.ts';
import type { FanOutViewer } from './fan-out-viewer.ts';
import type { Stream } from './stream.ts';

const KINDS = ['video', 'audio'] as const;

/** A viewer by TCP: its place in a fan-out, and what waits for it. */
export interface TcpViewer {
  readonly fanOut: FanOut;
  readonly lease: AdaptedStream;
  readonly viewer: FanOutViewer;
  readonly queuedBytes: number;
  readonly secure: boolean;
  /** Kinds that the viewer asked for; all of them by default. */
  readonly wants?: Readonly<Record<Track['kind'], boolean>> | undefined;
}

/** What is known of a viewer of a fan-out. */
export function viewerFacts(of: TcpViewer, adaptations: Adaptations, nowMs = performance.now()): SessionFacts {
  const { started, paused, blockedMs, behindMs } = of.viewer.place(nowMs);
  const media = KINDS.map((kind) => viewedMedia(kind, of, adaptations));
  const waits = !started && !paused;
  return {
    tcp: { secure: of.secure, queuedBytes: of.queuedBytes, blockedMs, behindMs, paused },
    media: media.map((facts) => (facts.kind === 'video' ? { ...facts, waitsForKeyFrame: waits } : facts)),
  };
}

function viewedMedia(kind: Track['kind'], of: TcpViewer, adaptations: Adaptations): SessionMediaFacts {
  if (of.wants?.[kind] === false) return { kind, delivery: 'absent', reason: 'the viewer asked for it to be left out' };
  const facts = deliveryOf(kind, of.lease, adaptations);
  const track = of.lease.stream.state[kind];
  if (track === undefined || facts.delivery === 'absent' || of.fanOut.carries(track)) return { kind, ...facts };
  return {
    kind,
    delivery: 'left_out',
    codec: track.codec,
    reason: 'neither the protocol nor the player takes this codec',
  };
}

/** What is known of a publisher that does not speak RTP: what has come of it is the stream's own matter. */
export function publisherFacts(stream: Stream, nowMs = performance.now()): readonly SessionMediaFacts[] {
  return KINDS.flatMap((kind): SessionMediaFacts[] => {
    const track = stream.state[kind];
    const rate = kind === 'video' ? stream.videoRate : stream.audioRate;
    if (track === undefined && rate.arrivedMs === 0) return [];
    const ageMs = kind === 'video' && rate.keyFrameArrivedMs > 0 ? nowMs - rate.keyFrameArrivedMs : undefined;
    return [
      {
        kind,
        delivery: rate.arrivedMs > 0 ? 'received' : 'pending',
        codec: track?.codec,
        lastKeyFrameAgeMs: ageMs === undefined ? undefined : Math.round(ageMs),
        bitrateBps: Math.round(rate.bitsPerSecond),
      },
    ];
  });
}
