import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlFixture } from '../testing/control-fixture.ts';
import { parsePrometheusText } from '../testing/prometheus-text.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

/** All that the server can tell, with something of every kind to tell of. */
async function scrape(streams = 1): Promise<string> {
  for (let i = 0; i < streams; i++) fixture.publish(`s${i}`, { mediaSessionId: `m${i}`, drops: { broken: 1 } });
  fixture.addConnection('/1');
  const access = { connections: { leased: 0, available: 0, pending: 0 }, heldEvents: 0 };
  const base = await fixture.start({ access: access as never });
  return (await fetch(`${base}/metrics`)).text();
}

function typesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
}

/** Units that Prometheus has base units for; in a name they lead readers of rates astray. */
const NOT_BASE =
  /_(ms|msec|millis|milliseconds|us|micros|microseconds|ns|minutes|hours|days|kb|mb|gb|kilobytes|megabytes|kbps|kilobits|percent|celsius)(_|$)/;

describe('names of metrics', () => {
  it('follow the conventions of Prometheus, as promtool checks them', async () => {
    const text = await scrape();
    expect(parsePrometheusText(text).length).toBeGreaterThan(80);
    for (const [name, type] of typesOf(text)) {
      expect(name, 'is snake case').toMatch(/^[a-z][a-z0-9_]*$/);
      expect(name, 'has base units').not.toMatch(NOT_BASE);
      expect(name, 'does not name its type').not.toMatch(/(^|_)(counter|gauge|histogram|summary)(_|$)/);
      // Dashboards for Node know these gauges of prom-client by names that break the rule.
      if (/^nodejs_active_(resources|handles|requests)_total$/.test(name)) continue;
      expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
      if (type !== 'histogram') expect(name, 'has no suffix of a histogram').not.toMatch(/_(bucket|sum|count)$/);
    }
    for (const [, name = '', help = ''] of text.matchAll(/^# HELP (\S+) (.*)$/gm)) {
      expect(help.length, `${name} has a help`).toBeGreaterThan(5);
    }
  });

  it('have labels of few values, but for streams, which are bounded', async () => {
    const series = parsePrometheusText(await scrape(1200));
    const values = new Map<string, Set<string>>();
    for (const { labels } of series) {
      for (const [, label = '', value = ''] of labels.matchAll(/([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"/g)) {
        expect(label).toMatch(/^[a-z][a-z_]*$/);
        const set = values.get(label) ?? new Set();
        values.set(label, set.add(value));
      }
    }
    expect(values.get('stream')?.size).toBe(1000);
    for (const [label, { size }] of values) if (label !== 'stream') expect(size, label).toBeLessThan(30);
    expect(series.length).toBeLessThan(16_000);
  });
});

describe('the dashboard', () => {
  const folder = new URL('../../../../../docs/grafana/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));

  it('is there', () => expect(files).not.toEqual([]));

  it.each(files)('%s asks for metrics and labels that exist', async (file) => {
    const text = await scrape();
    const types = typesOf(text);
    const labels = new Map<string, Set<string>>();
    for (const { metric, labels: list } of parsePrometheusText(text)) {
      const known = labels.get(metric) ?? new Set();
      for (const [, label = ''] of list.matchAll(/([a-z_]+)="/g)) known.add(label);
      labels.set(metric, known);
    }
    const json = readFileSync(new URL(file, folder), 'utf8');
    const queries = [...json.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, query = '']) =>
      query.replaceAll('\\"', '"'),
    );
    expect(queries.length).toBeGreaterThan(10);
    const known = (name: string): boolean => types.has(name) || types.has(name.replace(/_(bucket|sum|count)$/, ''));
    for (const query of queries) {
      const names = query.match(/\b(?:sluice|process|nodejs)_[a-z0-9_]+/g) ?? [];
      expect(names, query).not.toEqual([]);
      for (const name of names) expect(known(name), `${name} of ${query}`).toBe(true);
      const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/\s*,\s*/));
      for (const label of grouped) {
        const has = label === 'instance' || label === 'le' || names.some((name) => labels.get(name)?.has(label));
        expect(has, `${label} of ${query}`).toBe(true);
      }
    }
  });
});
