import type { FastifyInstance } from 'fastify';
import type { StatSources } from './stat-groups.ts';
import { isStatRequest, statPage } from './stat-page.ts';

/** Answers `GET /?action=stat`, which has the console's path, before the console does; with `cors` on the answer. */
export function statRoute(app: FastifyInstance, sources: StatSources, cors: ReadonlyMap<string, string>): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (!isStatRequest(request.url) || (request.method !== 'GET' && request.method !== 'HEAD')) return done();
    for (const [name, value] of cors) reply.header(name, value);
    try {
      const { contentType, body } = statPage(request.url, sources);
      void reply.header('cache-control', 'no-store').type(contentType).send(body);
    } catch (error) {
      done(error as Error);
    }
  });
}
