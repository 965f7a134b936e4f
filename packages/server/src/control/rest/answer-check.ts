import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';

const CHECKS = new WeakMap<TSchema, ReturnType<typeof Compile>>();

/**
 * For tests: the writing of answers leaves fields out that the schema lacks, without a word.
 * @throws Error when the answer has a field that its schema lacks, or lacks one that the schema has
 */
export function checkAnswer(schema: TSchema, answer: unknown): void {
  const check = CHECKS.get(schema) ?? Compile(closed(schema));
  CHECKS.set(schema, check);
  // As it would be in JSON, where fields that are undefined are absent.
  const written: unknown = JSON.parse(JSON.stringify(answer));
  if (!check.Check(written)) {
    throw new Error(`an answer is not what its schema says: ${JSON.stringify(check.Errors(written))}`);
  }
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
