import type { StreamHistoryBody } from '@sluice/contract';
import type { FastifyInstance } from 'fastify';
import { MediaServerError, type StreamRegistry } from '../../core/index.ts';
import type { StreamHistories } from './stream-histories.ts';
import { StreamHistory } from './stream-history.ts';

/** Thrown for a query that can't be answered; answered with 400. */
class BadSinceError extends Error {
  readonly statusCode = 400;
}

interface Route {
  Params: { name: string };
  Querystring: { since?: string | string[] };
}

/** Answers `GET /api/streams/<name>/history?since=<ms>` (see StreamHistoryBody in the contract). */
export function historyRoute(app: FastifyInstance, streams: StreamRegistry, histories: StreamHistories): void {
  app.get<Route>('/api/streams/:name/history', (request, reply) => {
    const { name } = request.params;
    const sinceMs = Number(request.query.since ?? 0);
    if (!Number.isFinite(sinceMs)) throw new BadSinceError('since is a time in milliseconds since 1970');
    const stream = streams.get(name);
    if (stream?.live !== true) throw new MediaServerError('STREAM_NOT_FOUND', `stream "${name}" is not live`);
    const history = histories.of(stream) ?? new StreamHistory(stream.createdAt);
    const body: StreamHistoryBody = { name, ...history.since(sinceMs) };
    return reply.header('cache-control', 'no-store').send(body);
  });
}
