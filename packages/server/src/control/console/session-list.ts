import type {
  ConnectionRow,
  ConnectionsBody,
  ConnectionsQuery,
  SessionRow,
  SessionsBody,
  SessionsQuery,
} from '@sluice/contract';
import type { ConnectionDescription, ConnectionRegistry } from '../../core/index.ts';
import { type Described, droppedPackets, type SessionSamples } from './session-samples.ts';

const USUAL_LIMIT = 50;

/** The rows of `GET /api/sessions`: one page of what the query asks for. */
export function listSessions(all: readonly Described[], samples: SessionSamples, query: SessionsQuery): SessionsBody {
  const text = query.text?.trim().toLowerCase() ?? '';
  const fitting = all.filter(
    ({ description: { protocol, mediaType, streamName, remoteAddress, mediaSessionId, sessionId, appKey } }) =>
      (query.protocol === undefined || query.protocol === protocol) &&
      (query.mediaType === undefined || query.mediaType === mediaType) &&
      (text === '' || hasText(text, [streamName, remoteAddress, mediaSessionId, sessionId, appKey])),
  );
  const { offset = 0, limit = USUAL_LIMIT, sort = 'since' } = query;
  const rank = ({ session, description }: Described): number => {
    if (sort === 'drops') return droppedPackets(description.drops);
    if (sort === 'queue') return description.queuedBytes;
    const { bitrateIn, bitrateOut } = samples.ratesOf(session);
    return sort === 'bitrate' ? bitrateIn + bitrateOut : description.createDate;
  };
  const ranked = fitting.map((described) => ({ described, rank: rank(described) }));
  ranked.sort((a, b) => b.rank - a.rank);
  return {
    total: all.length,
    matching: fitting.length,
    protocols: [...new Set(all.map(({ description }) => description.protocol))].sort(),
    sessions: ranked.slice(offset, offset + limit).map(({ described }) => sessionRow(described, samples)),
  };
}

/** One session as the console shows it. */
export function sessionRow({ session, description }: Described, samples: SessionSamples): SessionRow {
  const { mediaSessionId, sessionId, appKey, protocol, mediaType, streamName, status, transport } = description;
  const { remoteAddress, createDate, bytesIn, bytesOut, packets, queuedBytes, drops, lostPackets } = description;
  const { bitrateIn, bitrateOut } = samples.ratesOf(session);
  return {
    ...{ mediaSessionId, sessionId, appKey, protocol, mediaType, streamName, status, transport, remoteAddress },
    sinceMs: createDate,
    bytesIn,
    bytesOut,
    bitrateIn: Math.round(bitrateIn),
    bitrateOut: Math.round(bitrateOut),
    packets,
    queuedBytes,
    drops: droppedPackets(drops),
    ...(lostPackets === undefined ? {} : { lost: lostPackets }),
    dropsByReason: { ...drops },
  };
}

/** The rows of `GET /api/connections`: one page, the newest first. */
export function listConnections(connections: ConnectionRegistry, query: ConnectionsQuery): ConnectionsBody {
  const text = query.text?.trim().toLowerCase() ?? '';
  const fitting: ConnectionDescription[] = [];
  for (const connection of connections.all()) {
    const description = connection.describe();
    const { sessionId, appKey, remoteAddress, origin, clientVersion, protocol } = description;
    if (text === '' || hasText(text, [sessionId, appKey, remoteAddress, origin ?? '', clientVersion, protocol]))
      fitting.push(description);
  }
  fitting.sort((a, b) => b.createDate - a.createDate);
  const { offset = 0, limit = USUAL_LIMIT } = query;
  return {
    total: connections.size,
    matching: fitting.length,
    connections: fitting.slice(offset, offset + limit).map(connectionRow),
  };
}

function connectionRow(connection: ConnectionDescription): ConnectionRow {
  const { sessionId, appKey, protocol, status, clientVersion, remoteAddress, bytesIn, bytesOut } = connection;
  return {
    ...{ sessionId, appKey, protocol, status, clientVersion, remoteAddress, bytesIn, bytesOut },
    clientOsVersion: connection.clientOsVersion ?? '',
    clientBrowserVersion: connection.clientBrowserVersion ?? '',
    origin: connection.origin ?? '',
    sinceMs: connection.createDate,
  };
}

function hasText(text: string, fields: readonly string[]): boolean {
  return fields.some((field) => field.toLowerCase().includes(text));
}
