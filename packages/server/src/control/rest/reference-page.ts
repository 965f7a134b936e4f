import { ConnectionObject, JobObject, StreamMetrics, StreamObject } from '@sluice/contract';
import type { TSchema } from 'typebox';
import { MISSING_GROUPS } from './missing-methods.ts';
import type { RestMethod } from './rest-method.ts';

/** Objects that answers are made of, by the names that they have in the OpenAPI document. */
const OBJECTS: Readonly<Record<string, TSchema>> = {
  Connection: ConnectionObject,
  Stream: StreamObject,
  StreamMetrics,
  Job: JobObject,
};

const INTRODUCTION = `# REST API

<!-- Written by \`npm run docs:openapi\` from the table of methods; do not edit. -->

How to call it, with examples: [Control by REST](../control-by-rest.md). The same as an
[OpenAPI 3.1 document](openapi.json), which the server answers at \`/rest-api/openapi_spec\`.

All methods are under \`/rest-api\` of the web port (\`http.port\`, \`https.port\`) and take a JSON object by POST; those
without required fields can be called by GET. Under \`/rest-api/v3\` are the same methods, run as jobs. Every method
answers 400 when the body is not JSON or a field is missing or of a wrong type. Texts may stand for numbers and booleans,
null is the same as absent, fields that a method does not know mean nothing. Errors have a JSON body whose \`message\`
says what is wrong.
`;

interface Shape {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly items?: TSchema;
  readonly description?: string;
}

/** The reference page of the methods, in Markdown. */
export function referencePage(methods: readonly RestMethod[]): string {
  const groups = [...new Set(methods.map(groupOf))].map((group) => {
    const own = methods.filter((method) => groupOf(method) === group);
    return `## \`/${group}\`\n\n${own.map(methodText).join('\n')}`;
  });
  const objects = Object.entries(OBJECTS).map(([name, schema]) => `### ${name}\n\n${fieldTable(schema)}\n`);
  const missing = MISSING_GROUPS.map(
    ({ about, methods: paths }) => `| ${about} | ${paths.map((path) => `\`/${path}\``).join(', ')} |`,
  );
  return [
    INTRODUCTION,
    ...groups,
    `## Objects\n\nFields with \`?\` may be absent.\n\n${objects.join('\n')}`,
    `## Not available yet\n\nThese methods of WCS answer 501, with and without \`/v3\`: the functions do not exist here yet.\n`,
    `| Function | Methods |\n| --- | --- |\n${missing.join('\n')}\n`,
  ].join('\n');
}

function groupOf({ path, onlyV3 }: RestMethod): string {
  return `${onlyV3 === true ? 'v3/' : ''}${path.split('/')[1]}`;
}

function methodText(method: RestMethod): string {
  const path = method.onlyV3 === true ? `/v3${method.path}` : method.path;
  const body = method.example === undefined ? '' : ` -d '${JSON.stringify(method.example)}'`;
  const errors = Object.entries(method.errors).map(([status, meaning]) => `${status}: ${meaning}`);
  const fields = Object.keys(method.request.properties).length === 0 ? 'No fields.' : fieldTable(method.request);
  const codes = ['200', ...errors].join('; ');
  const curl = `curl http://localhost:8081/rest-api${path}${body}`;
  return [
    `### \`${path}\``,
    [method.summary, method.details].filter((text) => text !== undefined).join(' '),
    fields,
    `Answer: ${answerText(method)}. Codes: ${codes}.`,
    `\`\`\`bash\n${curl}\n\`\`\`\n`,
  ].join('\n\n');
}

function answerText({ answer, path }: RestMethod): string {
  if (answer === undefined) return 'empty';
  const text = typeText(answer);
  return path === '/data/send' ? `empty, or ${text}` : text;
}

function fieldTable(schema: TSchema): string {
  const { properties = {}, required = [] } = schema as Shape;
  const rows = Object.entries(properties).map(([field, property]) => {
    const mark = required.includes(field) ? '' : '?';
    return `| \`${field}\`${mark} | ${typeText(property)} | ${escaped((property as Shape).description ?? '')} |`;
  });
  return `| Field | Type | Meaning |\n| --- | --- | --- |\n${rows.join('\n')}`;
}

function typeText(schema: TSchema): string {
  const known = Object.entries(OBJECTS).find(([, object]) => object === schema);
  if (known !== undefined) return `[${known[0]}](#${known[0].toLowerCase()})`;
  const shape = schema as Shape;
  if (shape.enum !== undefined) return shape.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (shape.type === 'array' && shape.items !== undefined) return `list of ${typeText(shape.items)}`;
  if (shape.type === 'object' && shape.properties !== undefined) {
    return `object of ${Object.keys(shape.properties)
      .map((field) => `\`${field}\``)
      .join(', ')}`;
  }
  return WORDS[shape.type ?? ''] ?? 'any JSON';
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'boolean',
  integer: 'integer',
  number: 'number',
  object: 'object',
};

/** A bar ends a cell of a table. */
function escaped(text: string): string {
  return text.replaceAll('|', '\\|');
}
