/** One field of a request's body. */
export interface ApiField {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly about: string;
}

/** One method of the server's API, as its OpenAPI document tells it. */
export interface ApiMethod {
  /** `POST`, `GET`, … */
  readonly verb: string;
  readonly path: string;
  readonly summary: string;
  readonly about: string;
  readonly fields: readonly ApiField[];
  /** A body to begin with, as JSON text; empty for a method without one. */
  readonly example: string;
  /** Status codes of answers, with what they mean. */
  readonly answers: readonly (readonly [status: string, about: string])[];
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

interface Content {
  readonly schema?: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value?: unknown }>>;
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly requestBody?: { readonly content?: Readonly<Record<string, Content>> };
  readonly responses?: Readonly<Record<string, { readonly description?: string }>>;
}

/** The part of an OpenAPI 3.1 document that is shown. */
export interface OpenApiDocument {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

const VERBS = ['post', 'get', 'put', 'delete', 'patch'];

/** All methods of a document: POST alone where GET does the same, and what v3 has again only once. */
export function apiMethods(document: OpenApiDocument): readonly ApiMethod[] {
  const methods: ApiMethod[] = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    if (path.includes('/v3/') && document.paths?.[path.replace('/v3/', '/')] !== undefined) continue;
    const verbs = VERBS.filter((verb) => item[verb] !== undefined);
    for (const verb of verbs) {
      if (verb === 'get' && verbs.includes('post')) continue;
      methods.push(methodOf(document, { verb, path, operation: item[verb] as Operation }));
    }
  }
  return methods;
}

function methodOf(
  document: OpenApiDocument,
  { verb, path, operation }: { verb: string; path: string; operation: Operation },
): ApiMethod {
  const content = operation.requestBody?.content?.['application/json'];
  const schema = resolved(document, content?.schema);
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const known = resolved(document, field);
    const about = field.description ?? known.description ?? '';
    return { name, type: typeName(document, known), required: required.has(name), about };
  });
  const example = content?.example ?? Object.values(content?.examples ?? {})[0]?.value;
  const body = example ?? Object.fromEntries(fields.filter((field) => field.required).map(({ name }) => [name, '']));
  return {
    verb: verb.toUpperCase(),
    path,
    summary: operation.summary ?? path,
    about: operation.description ?? '',
    fields,
    example: content === undefined ? '' : JSON.stringify(body, null, 2),
    answers: Object.entries(operation.responses ?? {}).map(([status, { description }]) => [status, description ?? '']),
  };
}

function resolved(document: OpenApiDocument, schema: Schema | undefined): Schema {
  const name = schema?.$ref?.split('/').at(-1);
  if (name === undefined) return schema ?? {};
  return document.components?.schemas?.[name] ?? {};
}

/** In words, not deeper than one list. */
function typeName(document: OpenApiDocument, schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map(String).join(' | ');
  if (schema.const !== undefined) return String(schema.const);
  if (schema.anyOf !== undefined) {
    return [...new Set(schema.anyOf.map((one) => typeName(document, resolved(document, one))))].join(' | ');
  }
  if (schema.type === 'array') return `list of ${typeName(document, resolved(document, schema.items)) || 'anything'}`;
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
  return types.join(' | ');
}
