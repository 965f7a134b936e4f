import { JobAccepted } from '@sluice/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ControlDeps } from '../control-deps.ts';
import type { ControlOptions } from '../control-options.ts';
import { errorBody } from '../error-body.ts';
import { checkAnswer } from './answer-check.ts';
import { Jobs } from './jobs.ts';
import { readLeniently } from './lenient-fields.ts';
import { isMissing } from './missing-methods.ts';
import { collectRoutes, openApiRoutes } from './openapi.ts';
import { parsePrefer } from './prefer.ts';
import { BadBodyError, parseRestBody } from './rest-body.ts';
import { RestError } from './rest-error.ts';
import type { RestContext, RestMethod } from './rest-method.ts';
import { REST_METHODS } from './rest-methods.ts';
import { type SchemaFinding, schemaMessage } from './schema-message.ts';

/** What the API is made of. */
export interface RestParts {
  readonly deps: ControlDeps;
  readonly options: ControlOptions;
  /** On every answer (rest-api.md §1.2). */
  readonly cors: ReadonlyMap<string, string>;
  /** Default: all that exist. */
  readonly methods?: readonly RestMethod[];
}

/**
 * Adds the WCS REST API under `/rest-api`: each method by GET and POST, under `/v3` also as a job; `OPTIONS` answered
 * with 200; 501 for methods of WCS that are missing here, 404 for any other path.
 */
export async function restRoutes(app: FastifyInstance, parts: RestParts): Promise<void> {
  const { deps, options, cors, methods = REST_METHODS } = parts;
  await collectRoutes(app, deps.version);
  const jobs = new Jobs();
  const context: RestContext = { deps, options, jobs };
  app.addHook('onClose', async () => jobs.close());
  app.addHook('onRequest', async (request, reply) => {
    for (const [name, value] of cors) reply.header(name, value);
    if (request.method === 'OPTIONS') await reply.code(200).send();
    // Whatever clients call it, or mistype: it is JSON.
    if (request.raw.headers['content-type'] !== undefined) request.raw.headers['content-type'] = 'application/json';
  });
  readBodies(app);
  for (const method of methods) {
    if (method.onlyV3 !== true) addRoutes(app, { method, url: method.path, run: runner(method, context) });
    const run = method.onlyV3 === true ? runner(method, context) : jobRunner(method, context);
    addRoutes(app, { method, url: `/v3${method.path}`, run });
  }
  openApiRoutes(app);
  const paths = new Set(methods.flatMap(({ path, onlyV3 }) => (onlyV3 === true ? [`v3${path}`] : pathsOf(path))));
  app.all('/', (request, reply) => notAvailable(request, reply, paths));
  app.all('/*', (request, reply) => notAvailable(request, reply, paths));
}

function pathsOf(path: string): string[] {
  return [path.slice(1), `v3${path}`];
}

/** Bodies are JSON; they are checked against the schema of the route after they were read leniently. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, async (_request: FastifyRequest, body: string) =>
    parseRestBody(body),
  );
  app.setValidatorCompiler<TSchema>(({ schema }) => {
    const check = checkOf(schema);
    return (value: unknown) => {
      if (check.Check(value)) return { value };
      return { error: new BadBodyError(schemaMessage(check.Errors(value) as unknown as SchemaFinding[])) };
    };
  });
}

const CHECKS = new WeakMap<TSchema, ReturnType<typeof Compile>>();

/** The compiled check of a schema, which several routes share. */
function checkOf(schema: TSchema): ReturnType<typeof Compile> {
  const check = CHECKS.get(schema) ?? Compile(schema);
  CHECKS.set(schema, check);
  return check;
}

type Run = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

interface Route {
  readonly method: RestMethod;
  readonly url: string;
  readonly run: Run;
}

function addRoutes(app: FastifyInstance, { method, url, run }: Route): void {
  app.route({
    method: 'POST',
    url,
    schema: { body: method.request },
    config: { restMethod: method },
    preValidation: async (request) => {
      request.body = readLeniently(method.request, request.body ?? {});
    },
    handler: run,
  });
  // Clients use GET where they have no parameters (rest-api.md §1.1); a body that comes with it does not count.
  const check = checkOf(method.request);
  app.route({
    method: 'GET',
    url,
    config: { restMethod: method },
    handler: (request, reply) => {
      if (!check.Check({})) {
        const message = schemaMessage(check.Errors({}) as unknown as SchemaFinding[]);
        throw new RestError(400, `${message}: send it in the body of a POST request`);
      }
      if (method.needsPost === true) throw new RestError(400, `${method.path} is called by POST`);
      request.body = {};
      return run(request, reply);
    },
  });
}

const WRITERS = new WeakMap<TSchema, (answer: Record<string, unknown>) => string>();

interface Answering {
  readonly schema: TSchema | undefined;
  readonly check: boolean;
}

/** Writes what the schema has of the answer. Its writer is compiled when it is first needed: all take 100 ms at start. */
function write(reply: FastifyReply, { schema, check }: Answering, answer: unknown): FastifyReply {
  if (schema === undefined || answer === undefined) return reply.send();
  if (check) checkAnswer(schema, answer);
  const writer = WRITERS.get(schema) ?? reply.compileSerializationSchema(schema as object as Record<string, unknown>);
  WRITERS.set(schema, writer);
  const text = writer(answer as Record<string, unknown>);
  return reply.type('application/json; charset=utf-8').send(text);
}

function runner(method: RestMethod, context: RestContext): Run {
  return async (request, reply) => {
    const abort = new AbortController();
    reply.raw.once('close', () => abort.abort());
    const answer = await method.run({ ...context, body: request.body as never, signal: abort.signal });
    return write(reply, { schema: method.answer, check: context.options.checkAnswers === true }, answer);
  };
}

/** Runs the method as a job: answered with 200 when it is done in time, else with 202 (rest-api.md §20). */
function jobRunner(method: RestMethod, context: RestContext): Run {
  const { maxWaitMs, maxTimeoutMs } = context.options.jobs;
  const check = context.options.checkAnswers === true;
  return async (request, reply) => {
    const wanted = parsePrefer(String(request.headers['prefer'] ?? ''));
    const waitMs = Math.min((wanted.waitSeconds ?? Number.POSITIVE_INFINITY) * 1000, maxWaitMs);
    const timeoutMs = Math.min((wanted.timeoutSeconds || Number.POSITIVE_INFINITY) * 1000, maxTimeoutMs);
    const run = async (signal: AbortSignal): Promise<unknown> => {
      const answer = await method.run({ ...context, body: request.body as never, signal });
      return method.answer === undefined ? undefined : answer;
    };
    const job = context.jobs.start({ method: method.path, timeoutMs, run });
    if (request.headers['prefer'] !== undefined) {
      reply.header('preference-applied', `respond-async, wait=${waitMs / 1000}, timeout=${timeoutMs / 1000}`);
    }
    await passed(job.over, waitMs);
    if (job.ended) return write(reply, { schema: method.answer, check }, job.outcome());
    context.jobs.keep(job);
    return write(reply.code(202), { schema: JobAccepted, check }, { id: job.id });
  };
}

/** Resolves with the promise, or after so many milliseconds. */
async function passed(promise: Promise<void>, timeoutMs: number): Promise<void> {
  if (timeoutMs <= 0) return;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}

function notAvailable(request: FastifyRequest, reply: FastifyReply, paths: ReadonlySet<string>): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '';
  const method = path.replace(/^\/rest-api\/?/, '');
  if (paths.has(method.replace(/\/$/, ''))) {
    const message = `/${method} is called by POST or GET`;
    return reply
      .code(405)
      .header('allow', 'GET, POST, OPTIONS')
      .send(errorBody(405, message, path));
  }
  if (isMissing(method)) {
    return reply.code(501).send(errorBody(501, `/${method} is not available yet in this version`, path));
  }
  return reply.code(404).send(errorBody(404, `the REST API has no method /${method}`, path));
}
