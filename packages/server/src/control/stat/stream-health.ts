import type { SessionRegistry, Stream, StreamRegistry } from '../../core/index.ts';

/** A viewer waits when more than this much of its stream is unsent. */
const WAITING_MS = 250;
/** At low rates a single key frame is more than a quarter of a second's share. */
const MIN_WAITING_BYTES = 32 * 1024;
/** Protocols let no viewer queue much more than this, whatever the rate. */
const MAX_WAITING_BYTES = 128 * 1024;
/** A stream with more waiting viewers than this is degraded; fewer are slow by their own network's fault. */
const DEGRADED_SHARE = 0.25;

/** How many live streams the server can't pass on in time. */
export interface StreamHealth {
  readonly live: number;
  readonly degraded: number;
  /** Degraded of all live streams, 0 to 100. */
  readonly degradedPercent: number;
  /** Bytes that wait in the server for all peers together. */
  readonly queuedBytes: number;
}

/**
 * Judges streams by what waits for their peers. A stream is degraded when more than a quarter of its sessions (its
 * publisher and its viewers) have more than a quarter of a second of media unsent or unread, at least 32 KiB and at most
 * 128 KiB. So one viewer with a bad network among many does not degrade it; a server that can not keep up does.
 */
export function streamHealth(streams: StreamRegistry, sessions: SessionRegistry): StreamHealth {
  const tallies = new Map<string, { limit: number; sessions: number; waiting: number }>();
  for (const stream of streams.all()) {
    if (stream.live) tallies.set(stream.name, { limit: waitingLimit(stream), sessions: 0, waiting: 0 });
  }
  let queuedBytes = 0;
  for (const session of sessions.all()) {
    const description = session.describe();
    queuedBytes += description.queuedBytes;
    const tally = tallies.get(description.streamName);
    if (tally === undefined) continue;
    tally.sessions++;
    if (description.queuedBytes > tally.limit) tally.waiting++;
  }
  let degraded = 0;
  for (const tally of tallies.values()) if (tally.waiting > tally.sessions * DEGRADED_SHARE) degraded++;
  const live = tallies.size;
  return { live, degraded, degradedPercent: live === 0 ? 0 : (degraded * 100) / live, queuedBytes };
}

function waitingLimit({ videoRate, audioRate }: Stream): number {
  const bytes = ((videoRate.bitsPerSecond + audioRate.bitsPerSecond) / 8000) * WAITING_MS;
  return Math.min(MAX_WAITING_BYTES, Math.max(MIN_WAITING_BYTES, bytes));
}
