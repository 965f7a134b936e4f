import type { OfferPolicy } from './policy.ts';

const BPS_PER_KBPS = 1000;

/** Limits for the client's video encoder, which Chromium and Safari read from the answer, in kbit/s. */
export function bitrateParameters(kind: 'video' | 'audio', policy: OfferPolicy): [name: string, value: string][] {
  if (kind !== 'video' || policy.direction !== 'receive') return [];
  const limits = [
    ['x-google-min-bitrate', policy.minBitrateBps ?? 0],
    ['x-google-max-bitrate', policy.maxBitrateBps ?? 0],
  ] as const;
  return limits.filter(([, bps]) => bps > 0).map(([name, bps]) => [name, String(Math.round(bps / BPS_PER_KBPS))]);
}
