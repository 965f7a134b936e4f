import { AjvCompiler, type BuildCompilerFromPool } from '@fastify/ajv-compiler';
import { type SerializerFactory, SerializerSelector } from '@fastify/fast-json-stringify-compiler';

/** What a schema was compiled to, by what compiles it, for all servers of the process. */
type Compiled<T> = WeakMap<object, T>;

const buildValidator = AjvCompiler();
const buildSerializer = SerializerSelector();
const checks: Compiled<(value: unknown) => unknown> = new WeakMap();
const writers: Compiled<(answer: unknown) => string> = new WeakMap();

/**
 * Fastify's compilers of schemas, but each schema is compiled when a request first needs it: all of them take a third of
 * a server's start. Not for schemas that refer to others by `$ref`.
 */
export const LAZY_COMPILERS: { buildValidator: BuildCompilerFromPool; buildSerializer: SerializerFactory } = {
  buildValidator: (shared, options) => {
    const compile = buildValidator(shared, options);
    return (schema) => {
      const check = remembered(checks, partOf(schema), () => {
        const validate = compile(schema);
        return (value) => validate(value) === true || { error: validate.errors ?? [] };
      });
      return ((value: unknown) => check(value)) as ReturnType<typeof compile>;
    };
  },
  buildSerializer: (shared, options) => {
    const compile = buildSerializer(shared, options);
    return (route) => remembered(writers, partOf(route), () => compile(route));
  },
};

/** The schema that a route gives for one part of a request or answer. */
function partOf(route: unknown): object {
  return (route as { readonly schema: object }).schema;
}

/** A function that is made at its first call, and once for its schema. */
function remembered<A, R>(made: Compiled<(value: A) => R>, schema: object, make: () => (value: A) => R) {
  return (value: A): R => {
    const known = made.get(schema) ?? make();
    made.set(schema, known);
    return known(value);
  };
}
