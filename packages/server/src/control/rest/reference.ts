import Fastify, { type FastifyInstance } from 'fastify';
import type { ControlDeps } from '../control-deps.ts';
import { DEFAULT_CONTROL_OPTIONS } from '../control-options.ts';
import { openApiDocument } from './openapi.ts';
import { referencePage } from './reference-page.ts';
import { REST_METHODS } from './rest-methods.ts';
import { restRoutes } from './rest-routes.ts';

/** What is written into `docs/reference`, by file name. */
export async function restReference(version: string): Promise<Readonly<Record<string, string>>> {
  const document = await documentOf(version);
  return {
    'openapi.json': `${JSON.stringify(document, undefined, 2)}\n`,
    'rest.md': referencePage(REST_METHODS),
  };
}

async function documentOf(version: string): Promise<Record<string, unknown>> {
  const app = Fastify();
  let rest: FastifyInstance | undefined;
  await app.register(
    async (scope) => {
      rest = scope;
      // The document tells of routes alone: no method is called.
      const deps = { version } as ControlDeps;
      await restRoutes(scope, { deps, options: DEFAULT_CONTROL_OPTIONS, cors: new Map() });
    },
    { prefix: '/rest-api' },
  );
  await app.ready();
  const document = rest === undefined ? {} : openApiDocument(rest);
  await app.close();
  return document;
}
