/** What a back end answered. */
export interface HookAnswer {
  readonly status: number;
  /** Empty where nobody asked for it and the status is 200. */
  readonly text: string;
}

/** Thrown when a back end gave no answer that can be used; `message` is for the log. */
export class HookFailure extends Error {}

const MAX_INFO_LENGTH = 200;

/**
 * Why a back end refused, in its own words, if it has some that can be shown to the client: a short plain text, or the
 * `info` or `message` of an object.
 */
export function refusalInfo(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.startsWith('<')) return undefined;
  const said = trimmed.startsWith('{') ? infoOf(trimmed) : trimmed;
  const line = said?.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
  return line === undefined || line === '' || line.length > MAX_INFO_LENGTH ? undefined : line;
}

function infoOf(text: string): string | undefined {
  try {
    const { info, message } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return [info, message].find((value) => typeof value === 'string');
  } catch {
    return undefined;
  }
}
