/** Lists name at most this many streams, those with the most viewers first. */
export const MAX_LISTED_STREAMS = 1000;

/** Numbers by stream name. */
export type StatList = ReadonlyMap<string, number>;

/** A value on the statistics page; objects are told as JSON. */
export type StatValue = number | string | StatList | Readonly<Record<string, unknown>>;

/** Keys and values of one group, in the order of the page. */
export type StatValues = Readonly<Record<string, StatValue>>;

export function isStatList(value: StatValue): value is StatList {
  return value instanceof Map;
}
