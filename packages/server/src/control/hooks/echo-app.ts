import type { FastifyInstance } from 'fastify';

/** Where WCS's own back end answers (rest-hooks.md §1). */
const ECHO_APP = '/apps/EchoApp';

/**
 * Adds the back end that agrees to everything: `/apps/EchoApp/<hook>` answers 200 with the body that came. It is for
 * applications that were set up for WCS, whose default it is, and for trying hooks.
 */
export function echoApp(app: FastifyInstance): void {
  app.post(`${ECHO_APP}/:hook`, (request, reply) =>
    reply.code(200).send(typeof request.body === 'object' && request.body !== null ? request.body : {}),
  );
}
