import { HOOK_BODIES, HOOK_KINDS, HOOK_NAMES, HOOK_ORIGIN, HookPolicyObject, SENT_HOOKS } from '@sluice/contract';
import type { TObject, TSchema } from 'typebox';

/** What of a schema goes into the tables. */
interface Shape {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Shape[];
  readonly description?: string;
}

const KINDS = {
  connect: 'asked; any answer but 200 with an object refuses',
  direct: 'asked',
  event: 'told',
} as const;

/** `docs/reference/hooks.md`: all hooks with their fields, from the schemas alone. */
export function hooksReference(): string {
  const missing = HOOK_NAMES.filter((name) => !Object.hasOwn(HOOK_BODIES, name));
  return [
    '# Hooks',
    '',
    '<!-- Made by `npm run docs:hooks` from the schemas of the hooks. Do not edit. -->',
    '',
    'How to use them is told in [Connect your back end](../connect-your-back-end.md). Each hook is a `POST` of a JSON object',
    'to `<url of the application>/<hook>`. Fields that have no value are absent.',
    '',
    'All hooks begin with these:',
    '',
    ...fieldTable(HOOK_ORIGIN),
    '',
    'Events that report an error have `status` (`FAILED`) and `info` besides these, and nothing else; `DataStatusEvent` has',
    'its `operationId` then too.',
    '',
    '## `restClientConfig`',
    '',
    'A back end may give it with its answer to `connect`: an object of policies by the names of hooks.',
    '',
    ...fieldTable(HookPolicyObject.properties),
    '',
    ...SENT_HOOKS.flatMap((name) => section(name, HOOK_BODIES[name])),
    '## Hooks that are not sent yet',
    '',
    'These names of WCS are known to `sluice apps methods`; what they are about is not there yet:',
    `${missing.map((name) => `\`${name}\``).join(', ')}.`,
    '',
  ].join('\n');
}

function section(name: keyof typeof HOOK_BODIES, { properties }: TObject): string[] {
  const own = Object.entries(properties).filter(([field]) => !Object.hasOwn(HOOK_ORIGIN, field));
  return [`## \`${name}\``, '', `Kind: ${KINDS[HOOK_KINDS[name]]}.`, '', ...fieldTable(Object.fromEntries(own)), ''];
}

function fieldTable(fields: Readonly<Record<string, TSchema>>): string[] {
  const rows = Object.entries(fields).map(([name, schema]) => {
    const shape = schema as Shape;
    return `| \`${name}\` | ${typeOf(shape)} | ${shape.description ?? ''} |`;
  });
  return ['| Field | Type | Meaning |', '|---|---|---|', ...rows];
}

function typeOf(shape: Shape): string {
  if (shape.anyOf !== undefined) return [...new Set(shape.anyOf.map(typeOf))].join(' or ');
  if (shape.enum !== undefined) return 'text';
  const names: Readonly<Record<string, string>> = { string: 'text', integer: 'whole number', array: 'list' };
  return names[shape.type ?? ''] ?? shape.type ?? 'any';
}
