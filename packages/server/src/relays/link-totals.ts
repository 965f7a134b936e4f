import type { DropReason, RelayLinkFacts } from '../core/index.ts';

/** What all connections of a relay have done together. */
export interface LinkTotals {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly packets: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  /** Undefined while no connection could tell. */
  readonly lostPackets: number | undefined;
}

export const NO_TOTALS: LinkTotals = { bytesIn: 0, bytesOut: 0, packets: 0, drops: {}, lostPackets: undefined };

/** The totals with those of one more connection. */
export function withLink(totals: LinkTotals, link: RelayLinkFacts | undefined): LinkTotals {
  if (link === undefined) return totals;
  const drops = { ...totals.drops };
  for (const [reason, count] of Object.entries(link.drops) as [DropReason, number][])
    drops[reason] = (drops[reason] ?? 0) + count;
  const { lostPackets } = link;
  return {
    bytesIn: totals.bytesIn + link.bytesIn,
    bytesOut: totals.bytesOut + link.bytesOut,
    packets: totals.packets + link.packets,
    drops,
    lostPackets: lostPackets === undefined ? totals.lostPackets : (totals.lostPackets ?? 0) + lostPackets,
  };
}
