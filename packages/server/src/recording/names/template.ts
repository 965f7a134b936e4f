import { encodedName, fitBytes, type NameEncoding, safeComponent, wellFormed } from '../../io/index.ts';

/** How the file of a recording is named. */
export interface Naming {
  /** Name without ending, with elements such as `{streamName}`. A slash begins a folder. */
  readonly template: string;
  readonly encoding: NameEncoding;
  /** Characters that are left out of values. */
  readonly excludedCharacters: string;
  /** Number that is put after the name (`_1`); undefined for none. */
  readonly part?: number | undefined;
  /** Ending, without the dot. */
  readonly extension: string;
}

/** What names are made of. Elements whose fact is undefined stay as they stand: `{endTime}`. */
export interface NameFacts {
  readonly streamName: string;
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly login: string;
  /** Time of the first and after the last sample by the clock of the media, which RTMP begins at 0; milliseconds. */
  readonly startTime?: number | undefined;
  readonly endTime?: number | undefined;
  /** The same by the server's clock, milliseconds since 1970. */
  readonly startTimeMillis?: number | undefined;
  readonly endTimeMillis?: number | undefined;
  /** Milliseconds. */
  readonly duration?: number | undefined;
  /** Codecs as the hub calls them; empty where there is no such track. */
  readonly audioCodec?: string | undefined;
  readonly videoCodec?: string | undefined;
}

/** Template of `stream_record_policy=streamName`. */
export const STREAM_NAME_TEMPLATE = '{streamName}';
/** Folders are made to this depth; what a template asks beyond that becomes part of the name. */
const MAX_FOLDERS = 8;
const MAX_TEMPLATE_CHARACTERS = 4096;
/** Longer values can't end in a name in any case; this bounds the work. */
const MAX_VALUE_CHARACTERS = 1024;
const ELEMENT =
  /\{(streamName|duration|startTime|endTime|startTimeMillis|endTimeMillis|sessionId|mediaSessionId|login|audioCodec|videoCodec)\}/g;

/**
 * The path of a recording below the folder of recordings, with `/` between its components: it never leaves that folder,
 * none of its components is longer than 255 bytes or begins with a dot, and the same facts give the same name.
 */
export function recordingFileName(naming: Naming, facts: NameFacts): string {
  const components = naming.template.slice(0, MAX_TEMPLATE_CHARACTERS).split('/').filter(isNamed);
  const folders = components.slice(0, -1).slice(0, MAX_FOLDERS);
  const stem = components.slice(folders.length).join('_');
  const suffix = `${naming.part === undefined ? '' : `_${naming.part}`}.${naming.extension}`;
  return [
    ...folders.map((folder) => component(folder, '', { naming, facts })).filter((folder) => folder !== ''),
    component(stem, suffix, { naming, facts }) || `recording${suffix}`,
  ].join('/');
}

/** True when all elements of the template are known already while the recording runs. */
export function isNameKnown(naming: Naming, facts: NameFacts): boolean {
  return [...naming.template.matchAll(ELEMENT)].every(([, element]) => facts[element as keyof NameFacts] !== undefined);
}

/** False for a template of nothing but slashes, dots and spaces. */
export function namesSomething(template: string): boolean {
  return template.split('/').some((component) => isNamed(component.trim()));
}

/** Empty components, `.` and `..` say nothing of a name. */
function isNamed(component: string): boolean {
  return !/^\.*$/.test(component);
}

function component(text: string, suffix: string, { naming, facts }: { naming: Naming; facts: NameFacts }): string {
  const filled = text.replace(
    ELEMENT,
    (literal, element: keyof NameFacts) => textOf(element, facts, naming) ?? literal,
  );
  if (naming.encoding !== 'none') return encodedName(filled, suffix, naming.encoding);
  return safeComponent(filled, suffix);
}

function textOf(element: keyof NameFacts, facts: NameFacts, naming: Naming): string | undefined {
  const value = facts[element];
  if (value === undefined) return undefined;
  if (typeof value === 'number') return String(Math.round(value));
  const text = fitBytes(wellFormed(value.slice(0, MAX_VALUE_CHARACTERS)), MAX_VALUE_CHARACTERS);
  const kept = Array.from(text)
    .filter((character) => !naming.excludedCharacters.includes(character))
    .join('');
  // Ids of sessions are addresses and ports: they are put into names as WCS does it, in base64.
  return element === 'sessionId' ? Buffer.from(kept).toString('base64url') : kept;
}
