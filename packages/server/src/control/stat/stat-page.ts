import { escapeLabel } from '../metrics/escape-label.ts';
import { STAT_GROUPS, type StatGroup, type StatSources } from './stat-groups.ts';
import { isStatList, type StatValue, type StatValues } from './stat-value.ts';

/** Thrown for a query that can't be answered; answered with 400. */
export class BadStatQueryError extends Error {
  readonly statusCode = 400;
}

/** An answer of the statistics page. */
export interface StatPage {
  readonly contentType: string;
  readonly body: string;
}

/** True for the path and query of the statistics page: `/?action=stat`, whatever else the query has. */
export function isStatRequest(url: string): boolean {
  return url.startsWith('/?') && new URLSearchParams(url.slice(2)).get('action') === 'stat';
}

/**
 * Answers `/?action=stat` (rest-hooks.md §9): text in sections, or by `format` JSON or lines for Prometheus; of all
 * groups, or those that `groups` names by their new or old names. Other parameters are ignored, as in WCS.
 * @throws BadStatQueryError for a format or group that does not exist
 */
export function statPage(url: string, sources: StatSources): StatPage {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  const render = FORMATS[(query.get('format') ?? 'text').trim().toLowerCase()];
  if (render === undefined) {
    throw new BadStatQueryError(`format is one of ${Object.keys(FORMATS).join(', ')}, not "${query.get('format')}"`);
  }
  return render(selectGroups(query.get('groups')).map((group) => ({ group, values: group.values(sources) })));
}

interface GroupValues {
  readonly group: StatGroup;
  readonly values: StatValues;
}

const FORMATS: Readonly<Record<string, ((groups: readonly GroupValues[]) => StatPage) | undefined>> = Object.assign(
  Object.create(null),
  { text: textPage, json: jsonPage, prometheus: prometheusPage },
);

function selectGroups(names: string | null): readonly StatGroup[] {
  if (names === null || names.trim() === '') return STAT_GROUPS;
  const wanted = new Set<StatGroup>();
  for (const name of names.split(',')) {
    const key = name.trim().toLowerCase();
    if (key === '') continue;
    const group = STAT_GROUPS.find((g) => g.name === key || g.oldName.toLowerCase() === key);
    if (group === undefined) {
      const known = STAT_GROUPS.map((g) => g.name).join(', ');
      throw new BadStatQueryError(`there is no group "${name.trim().slice(0, 64)}"; groups are ${known}`);
    }
    wanted.add(group);
  }
  return STAT_GROUPS.filter((group) => wanted.has(group));
}

/** Sections as WCS's own client reads them: dashes and a word that ends at the space, then lines of `name=value`. */
function textPage(groups: readonly GroupValues[]): StatPage {
  const lines = groups.flatMap(({ group, values }) => [
    `-----${group.oldName} Stats-----`,
    ...Object.entries(values).map(([key, value]) => `${key}=${textOf(value)}`),
  ]);
  return { contentType: 'text/plain; charset=utf-8', body: `${lines.join('\n')}\n` };
}

/** Lists are `name/value;name/value`; the separators are percent-encoded in names, but for the slash. */
function textOf(value: StatValue): string {
  if (isStatList(value)) return [...value].map(([name, n]) => `${name.replace(/[%;=]/g, encode)}/${n}`).join(';');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function encode(character: string): string {
  return encodeURIComponent(character);
}

function jsonPage(groups: readonly GroupValues[]): StatPage {
  const body = groups.map(({ group, values }) => [
    group.name,
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, isStatList(value) ? Object.fromEntries(value) : value]),
    ),
  ]);
  return { contentType: 'application/json; charset=utf-8', body: JSON.stringify(Object.fromEntries(body)) };
}

/** Numbers only, without the groups; a list is one series a stream. */
function prometheusPage(groups: readonly GroupValues[]): StatPage {
  const lines: string[] = [];
  for (const { values } of groups) {
    for (const [key, value] of Object.entries(values)) {
      if (typeof value === 'number') lines.push(`# TYPE ${key} gauge`, `${key} ${value}`);
      if (typeof value !== 'object' || !isStatList(value)) continue;
      lines.push(`# TYPE ${key} gauge`);
      for (const [name, n] of value) lines.push(`${key}{name="${escapeLabel(name)}"} ${n}`);
    }
  }
  return { contentType: 'text/plain; version=0.0.4; charset=utf-8', body: `${lines.join('\n')}\n` };
}
