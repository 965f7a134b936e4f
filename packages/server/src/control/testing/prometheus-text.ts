/** One series of the Prometheus text format, with its labels as they are written. */
export interface Series {
  readonly metric: string;
  readonly labels: string;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$/;

/**
 * Reads the text format 0.0.4 as strictly as `promtool check metrics` does.
 * @throws Error for a line that is none, a series without type, a type or series that is there twice, a metric whose lines
 * are not together, a counter whose name does not end in `_total`, and a help that is missing
 */
export function parsePrometheusText(text: string): Series[] {
  if (!text.endsWith('\n')) throw new Error('no line feed at the end');
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const seen = new Set<string>();
  const ended = new Set<string>();
  const series: Series[] = [];
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    const sample = SAMPLE.exec(line);
    const name = comment?.[2] ?? sample?.[1];
    if (name === undefined) throw new Error(`not a line of the format: ${line}`);
    const metric = comment === null ? baseOf(name, types) : name;
    if (metric !== current) {
      ended.add(current);
      if (ended.has(metric)) throw new Error(`lines of ${metric} are not together`);
      current = metric;
    }
    if (comment?.[1] === 'HELP') helps.add(metric);
    if (comment?.[1] === 'TYPE') {
      if (types.has(metric)) throw new Error(`a second type of ${metric}`);
      types.set(metric, comment[3] ?? '');
    }
    if (sample === null) continue;
    check(metric, types.get(metric));
    const key = `${name}{${sample[3] ?? ''}}`;
    if (seen.has(key)) throw new Error(`${key} is there twice`);
    seen.add(key);
    series.push({ metric: name, labels: sample[3] ?? '', value: parseValue(sample[4] ?? '') });
  }
  for (const metric of types.keys()) if (!helps.has(metric)) throw new Error(`${metric} has no help`);
  return series;
}

function check(metric: string, type: string | undefined): void {
  if (type === undefined) throw new Error(`${metric} has no type`);
  if (type === 'counter' && !metric.endsWith('_total')) throw new Error(`counter ${metric} does not end in _total`);
}

function baseOf(name: string, types: ReadonlyMap<string, string>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return types.get(base) === 'histogram' ? base : name;
}

function parseValue(text: string): number {
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : text === 'NaN' ? Number.NaN : Number(text);
  if (Number.isNaN(value) && text !== 'NaN') throw new Error(`not a value: ${text}`);
  return value;
}
