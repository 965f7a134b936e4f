import type { RelayRow, RelaysBody, RelaysQuery } from '@sluice/contract';
import { type RelayFacts, type Relays, shownAddress, withoutCredentials } from '../../core/index.ts';

const USUAL_LIMIT = 50;

/** The answer of `GET /api/relays`: one page of what the query asks for, the newest first. */
export function listRelays(relays: Relays, { text = '', offset = 0, limit = USUAL_LIMIT }: RelaysQuery): RelaysBody {
  const wanted = text.trim().toLowerCase();
  const rows = relays.all().map(relayRow);
  const fitting = rows.filter(({ streamName, url, remoteStreamName = '' }) =>
    [streamName, url, remoteStreamName].some((value) => value.toLowerCase().includes(wanted)),
  );
  fitting.sort((a, b) => b.sinceMs - a.sinceMs);
  return { total: rows.length, matching: fitting.length, relays: fitting.slice(offset, offset + limit) };
}

function relayRow(relay: RelayFacts): RelayRow {
  const { remoteStreamName, lastError, nextAttemptAtMs, lostPackets, drops } = relay;
  return {
    mediaSessionId: relay.mediaSessionId,
    direction: relay.direction,
    protocol: relay.protocol,
    origin: relay.origin,
    url: shownAddress(relay),
    // A camera that was asked for by its address has that for a name.
    streamName: relay.streamName.includes('://') ? withoutCredentials(relay.streamName) : relay.streamName,
    ...(remoteStreamName === undefined ? {} : { remoteStreamName }),
    state: relay.state,
    sinceMs: Math.round(relay.createdAtMs),
    attempts: relay.attempts,
    reconnects: relay.reconnects,
    ...(lastError === undefined ? {} : { lastError: { ...lastError, atMs: Math.round(lastError.atMs) } }),
    ...(nextAttemptAtMs === undefined ? {} : { nextAttemptAtMs: Math.round(nextAttemptAtMs) }),
    notes: [...relay.notes],
    bytes: relay.bytes,
    ...(lostPackets === undefined ? {} : { lostPackets }),
    droppedPackets: Object.values(drops).reduce((sum, count) => sum + count, 0),
    muted: relay.muted,
  };
}
