import compiler from '@fastify/fast-json-stringify-compiler';

type Serializer = (answer: unknown) => string;

const compile = compiler()();
const COMPILED = new WeakMap<object, Serializer>();

/**
 * The serializer of an answer's schema, made when the first answer is sent: most methods are never called, and making
 * those of all of them would be most of a server's start.
 */
export function lazySerializer({ schema }: { readonly schema?: unknown }): Serializer {
  return (answer) => {
    if (typeof schema !== 'object' || schema === null) return JSON.stringify(answer);
    let serializer = COMPILED.get(schema);
    if (serializer === undefined) {
      serializer = compile({ schema, method: '', url: '', httpStatus: '200' }) as Serializer;
      COMPILED.set(schema, serializer);
    }
    return serializer(answer);
  };
}
