/** What a check against a schema finds; the form is that of Fastify and of TypeBox. */
export interface SchemaFinding {
  readonly keyword: string;
  /** JSON pointer to the field, such as `/mediaSessionIds/0`. */
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  array: 'a list',
  object: 'an object',
};

/** Says in words which field is wrong and what is allowed, for the `message` of an error. Never tells the value. */
export function schemaMessage(findings: readonly SchemaFinding[]): string {
  const [finding] = findings;
  if (finding === undefined) return 'the request body can not be used';
  const field = fieldName(finding.instancePath);
  const { params } = finding;
  const limit = String(params['limit'] as number);
  switch (finding.keyword) {
    case 'required':
      return `${missing(params)} is missing`;
    case 'type':
      return `${field} is ${TYPES[params['type'] as string] ?? 'of another type'}`;
    case 'enum':
      return `${field} is one of ${(params['allowedValues'] as readonly unknown[] | undefined)?.join(', ')}`;
    case 'minLength':
      return limit === '1' ? `${field} is empty` : `${field} has at least ${limit} characters`;
    case 'maxLength':
      return `${field} has at most ${limit} characters`;
    case 'minItems':
      return `${field} has at least ${limit} entries`;
    case 'maxItems':
      return `${field} has at most ${limit} entries`;
    case 'minimum':
      return `${field} is at least ${limit}`;
    case 'maximum':
      return `${field} is at most ${limit}`;
    default:
      return `${field} has a value that is not allowed (${finding.keyword})`;
  }
}

/** `/mediaSessionIds/0` is `mediaSessionIds[0]`. */
function fieldName(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  const [first, ...rest] = parts;
  if (first === undefined) return 'the request body';
  return rest.reduce((path, part) => (/^[0-9]+$/.test(part) ? `${path}[${part}]` : `${path}.${part}`), first);
}

function missing(params: SchemaFinding['params']): string {
  const [first] = (params['requiredProperties'] as readonly string[] | undefined) ?? [];
  return first ?? 'a field';
}
