import { type Adaptations, type AdaptedStream, deliveryOf, type SessionFacts } from '../../core/index.ts';
import type { HlsPackager } from './packager.ts';

/** What is known of viewers of a stream that is packaged so; the same for all of them but for their last request. */
export function packagingFacts(
  { packager, lease }: { readonly packager: HlsPackager; readonly lease: AdaptedStream },
  adaptations: Adaptations,
  lastRequestAgeMs: number,
): SessionFacts {
  const { window, refusal } = packager;
  return {
    tcp: {
      queuedBytes: 0,
      segments: window.listed.length,
      targetSeconds: window.targetSeconds,
      refusal,
      lastRequestAgeMs: Math.max(0, Math.round(lastRequestAgeMs)),
    },
    media: (['video', 'audio'] as const).map((kind) => ({ kind, ...deliveryOf(kind, lease, adaptations) })),
  };
}
