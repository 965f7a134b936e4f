import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ControlDeps } from '../control-deps.ts';
import { errorBody } from '../error-body.ts';
import { findAllConnections, findConnections, terminateConnection } from './connection-methods.ts';
import { parseRestBody } from './rest-body.ts';
import { RestError } from './rest-error.ts';
import { isKnownToWcs } from './rest-groups.ts';
import { findAllStreams, findStreams, terminateStreams } from './stream-methods.ts';

/** A method of the API: gives what is answered with 200, nothing for an empty body. @throws RestError */
type RestMethod = (deps: ControlDeps, body: object) => unknown;

const METHODS: Readonly<Record<string, RestMethod>> = {
  '/connection/find_all': findAllConnections,
  '/connection/find': findConnections,
  '/connection/terminate': terminateConnection,
  '/stream/find_all': findAllStreams,
  '/stream/find': findStreams,
  '/stream/terminate': terminateStreams,
};

/** Adds the WCS REST API under `/rest-api`, with `cors` on every answer and `OPTIONS` answered with 200 (§1.2). */
export function restRoutes(app: FastifyInstance, deps: ControlDeps, cors: ReadonlyMap<string, string>): void {
  app.addHook('onRequest', async (request, reply) => {
    for (const [name, value] of cors) reply.header(name, value);
    if (request.method === 'OPTIONS') await reply.code(200).send();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, async (_request: FastifyRequest, body: string) =>
    parseRestBody(body),
  );
  for (const [url, method] of Object.entries(METHODS)) {
    // Clients use GET where they have no parameters (§1.1).
    app.route({
      method: ['GET', 'POST'],
      url,
      handler: (request, reply) => answer(request, reply, () => method(deps, bodyOf(request))),
    });
  }
  app.all('/', notAvailable);
  app.all<{ Params: { '*': string } }>('/*', notAvailable);
}

function bodyOf(request: FastifyRequest): object {
  return typeof request.body === 'object' && request.body !== null ? request.body : {};
}

function answer(request: FastifyRequest, reply: FastifyReply, run: () => unknown): FastifyReply {
  try {
    return reply.code(200).send(run());
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
    return reply.code(error.status).send(errorBody(error.status, error.message, request.url));
  }
}

function notAvailable(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '';
  const method = path.replace(/^\/rest-api\/?/, '');
  if (isKnownToWcs(method)) {
    return reply.code(501).send(errorBody(501, `/${method} is not available yet in this version`, path));
  }
  return reply.code(404).send(errorBody(404, `the REST API has no method /${method}`, path));
}
