import type { StreamObject } from '@sluice/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Stream } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';
import { errorBody } from '../error-body.ts';
import type { StreamDetails } from '../stream-details.ts';
import { parseRestBody } from './rest-body.ts';
import { isKnownToWcs } from './rest-groups.ts';
import { streamObject } from './stream-object.ts';

const NO_DETAILS: StreamDetails = {};

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
  app.route({
    method: ['GET', 'POST'],
    url: '/stream/find_all',
    handler: (request, reply) => {
      const found = findAll(deps);
      if (found.length > 0) return reply.send(found);
      return reply.code(404).send(errorBody(404, 'no streams', request.url));
    },
  });
  app.all('/', notAvailable);
  app.all<{ Params: { '*': string } }>('/*', notAvailable);
}

/** All publications and playbacks; a stream's tracks are described once, whatever the number of its viewers. */
function findAll(deps: ControlDeps): StreamObject[] {
  const described = new Map<Stream, StreamDetails>();
  const detailsOf = (stream: Stream): StreamDetails => {
    const details = described.get(stream) ?? deps.describeTrack(stream);
    described.set(stream, details);
    return details;
  };
  const objects: StreamObject[] = [];
  for (const session of deps.sessions.all()) {
    const description = session.describe();
    const stream = deps.streams.get(description.streamName);
    objects.push(streamObject(description, stream, stream === undefined ? NO_DETAILS : detailsOf(stream)));
  }
  return objects;
}

function notAvailable(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '';
  const method = path.replace(/^\/rest-api\/?/, '');
  if (isKnownToWcs(method)) {
    return reply.code(501).send(errorBody(501, `/${method} is not available yet in this version`, path));
  }
  return reply.code(404).send(errorBody(404, `the REST API has no method /${method}`, path));
}
