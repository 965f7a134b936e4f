import swagger from '@fastify/swagger';
import { ConnectionObject, ErrorBody, JobAccepted, JobObject, StreamMetrics, StreamObject } from '@sluice/contract';
import type { FastifyInstance, FastifySchema } from 'fastify';
import type { TSchema } from 'typebox';
import type { RestMethod } from './rest-method.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The entry of the table of methods that a route follows from. */
    readonly restMethod?: RestMethod;
  }
}

/** Schemas that the document names instead of writing them out each time; those that others contain first. */
const NAMED: Readonly<Record<string, TSchema>> = {
  StreamMetrics,
  Stream: StreamObject,
  Connection: ConnectionObject,
  Error: ErrorBody,
  Job: JobObject,
  JobAccepted,
};

const GROUPS: Readonly<Record<string, string>> = {
  connection: 'Connections of clients',
  stream: 'Publications and playbacks',
  data: 'Messages to clients',
  hls: 'Cutting streams for HLS',
  jobs: 'Methods of v3 that take long',
};

const DESCRIPTION = `REST API of the media server, compatible with that of Flashphoner Web Call Server 5.2.
Bodies are JSON whatever their content type; null counts as absent, texts may stand for numbers and booleans, fields that
a method does not know mean nothing. Success is 200 alone, but for 202 of v3. Methods without required fields may be
called by GET. Finding nothing is 404.`.replaceAll('\n', ' ');

/** Collects the routes that are added to `app` from now on. */
export async function collectRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sluice REST API', version, description: DESCRIPTION },
      tags: Object.entries(GROUPS).map(([name, description]) => ({ name, description })),
      security: [{}, { basic: [] }],
      components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
    },
    transformObject: (written) => named('openapiObject' in written ? written.openapiObject : written),
    transform: ({ schema, url, route }) => {
      const method = route.config?.restMethod;
      const hidden = method === undefined || (route.method === 'GET' && !takesGet(method));
      if (hidden) return { schema: { ...schema, hide: true } as FastifySchema, url };
      return { schema: documented(method, { schema, url, get: route.method === 'GET' }), url };
    },
  });
}

/** The document of the routes that were collected; `app` is ready. The same routes give the same document. */
export function openApiDocument(app: FastifyInstance): Record<string, unknown> {
  return app.swagger() as unknown as Record<string, unknown>;
}

/** Answers with the document at the addresses where clients look for it (rest-api.md §19). */
export function openApiRoutes(app: FastifyInstance): void {
  const schema = { hide: true } as FastifySchema;
  for (const url of ['/openapi_spec', '/openapi_spec.json']) {
    app.get(url, { schema }, (_request, reply) => {
      return reply.type('application/json; charset=utf-8').send(JSON.stringify(openApiDocument(app)));
    });
  }
  app.get('/openapi_spec.yaml', { schema }, (_request, reply) => {
    return reply.type('application/yaml; charset=utf-8').send(app.swagger({ yaml: true }));
  });
}

/** The document with the named schemas among its components, and references to them elsewhere. */
function named(whole: object): Record<string, unknown> {
  const document = JSON.parse(JSON.stringify(whole)) as Record<string, unknown>;
  const written = Object.entries(NAMED).map(([name, schema]) => [name, asWritten(schema)] as const);
  const names = new Map(written.map(([name, schema]) => [canonical(schema), name]));
  const schemas = written.map(([name, schema]) => {
    const others = new Map([...names].filter(([, other]) => other !== name));
    return [name, withReferences(schema, others)];
  });
  for (const path of Object.values(document['paths'] as Record<string, Record<string, Operation>>)) {
    for (const operation of Object.values(path)) allowNoBody(operation);
  }
  const components = { ...(document['components'] as object), schemas: Object.fromEntries(schemas) };
  return { ...document, components, paths: withReferences(document['paths'], names) };
}

function takesGet({ request, needsPost }: RestMethod): boolean {
  const { required = [] } = request as { readonly required?: readonly string[] };
  return required.length === 0 && needsPost !== true;
}

interface Documented {
  readonly schema: FastifySchema;
  readonly url: string;
  readonly get: boolean;
}

function documented(method: RestMethod, { schema, url, get }: Documented): FastifySchema {
  const group = method.path.split('/')[1] ?? '';
  const v3 = url.includes('/v3/');
  const response: Record<string, unknown> = {
    200: described(method.answer ?? { type: 'null' }, 'done'),
    400: described(ErrorBody, 'the body is not JSON, a field is missing or of a wrong type'),
    401: described(ErrorBody, 'a password is needed'),
  };
  if (v3 && method.onlyV3 !== true) response['202'] = described(JobAccepted, 'it goes on as a job');
  for (const [status, meaning] of Object.entries(method.errors)) response[status] = described(ErrorBody, meaning);
  return {
    ...(get || Object.keys(method.request.properties).length === 0 ? {} : { body: bodyOf(method, schema) }),
    response,
    tags: [group],
    summary: method.summary,
    ...(method.details === undefined ? {} : { description: method.details }),
    operationId: `${v3 ? 'v3_' : ''}${method.path.slice(1).replaceAll('/', '_')}${get ? '_get' : ''}`,
  } as FastifySchema;
}

function bodyOf({ example }: RestMethod, { body }: FastifySchema): object {
  return example === undefined
    ? (body as object)
    : { ...(body as object), 'x-examples': { example: { value: example } } };
}

function described(schema: object, description: string): object {
  return { ...schema, 'x-response-description': description };
}

interface Operation {
  readonly requestBody?: {
    required?: boolean;
    readonly content: { readonly 'application/json': { readonly schema: { readonly required?: readonly string[] } } };
  };
}

/** No body is the same as `{}`. */
function allowNoBody({ requestBody }: Operation): void {
  if (requestBody === undefined) return;
  requestBody.required = (requestBody.content['application/json'].schema.required ?? []).length > 0;
}

/** The value with each part that is one of the named schemas replaced by a reference to it. */
function withReferences(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const name = names.get(canonical(value));
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  if (Array.isArray(value)) return value.map((item) => withReferences(item, names));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withReferences(item, names)]));
}

/** The schema as the library for documents writes it: objects with any fields by `additionalProperties`. */
function asWritten(schema: TSchema): unknown {
  return JSON.parse(JSON.stringify(schema), (_key, item: Record<string, unknown> | null) => {
    const patterns = typeof item === 'object' ? item?.['patternProperties'] : undefined;
    if (patterns === undefined) return item;
    const { patternProperties: _, ...rest } = item as object & { readonly patternProperties: object };
    return { ...rest, additionalProperties: Object.values(patterns as object)[0] };
  });
}

/** The same text for the same schema, whatever the order of its keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
