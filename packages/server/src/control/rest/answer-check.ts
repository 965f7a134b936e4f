import { ErrorBody } from '@sluice/contract';
import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

/**
 * Makes an answer an error that has a field which its schema lacks, or lacks one that the schema has: the writing of
 * answers would leave it out without a word. For tests; the schemas of answers are those that routes declare.
 */
export function checkAnswers(app: FastifyInstance): void {
  const checks = new Map<object, ReturnType<typeof Compile>>();
  app.addHook('preSerialization', async (request, reply, payload) => {
    const schemas = request.routeOptions.schema?.response as Record<string, TSchema> | undefined;
    const schema = reply.statusCode >= 400 ? ErrorBody : schemas?.[reply.statusCode];
    if (schema === undefined) throw new Error(`${request.url} answers ${reply.statusCode} without a schema`);
    const check = checks.get(schema) ?? Compile(closed(schema));
    checks.set(schema, check);
    // As it would be in JSON, where fields that are undefined are absent.
    const answer: unknown = JSON.parse(JSON.stringify(payload));
    if (check.Check(answer)) return payload;
    throw new Error(`${request.url} does not answer what its schema says: ${JSON.stringify(check.Errors(answer))}`);
  });
}

/** The schema with no fields beyond those that it names. */
function closed(schema: TSchema): TSchema {
  const copy = structuredClone(schema) as Record<string, unknown>;
  close(copy);
  return copy as TSchema;
}

function close(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const fields = schema as Record<string, unknown>;
  if (fields['type'] === 'object' && fields['properties'] !== undefined) fields['additionalProperties'] = false;
  for (const value of Object.values(fields)) close(value);
}
