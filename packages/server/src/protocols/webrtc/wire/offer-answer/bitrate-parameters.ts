import type { OfferPolicy } from './policy.ts';

const BPS_PER_KBPS = 1000;

/** Limits for the client's video encoder, which Chromium and Safari read from the answer, in kbit/s. */
export function bitrateParameters(kind: 'video' | 'audio', policy: OfferPolicy): [name: string, value: string][] {
  if (kind !== 'video' || policy.direction !== 'receive') return [];
  const { minBitrateBps: minBps = 0, maxBitrateBps: maxBps = 0 } = policy;
  const limits = [
    // One may be the client's wish and the other a setting: a least bitrate above the highest would be nonsense.
    ['x-google-min-bitrate', maxBps > 0 ? Math.min(minBps, maxBps) : minBps],
    ['x-google-max-bitrate', maxBps],
  ] as const;
  return limits.filter(([, bps]) => bps > 0).map(([name, bps]) => [name, String(Math.round(bps / BPS_PER_KBPS))]);
}
