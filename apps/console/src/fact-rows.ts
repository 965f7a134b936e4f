/** One value of a nested answer, with the way to it. */
export interface FactRow {
  readonly path: string;
  readonly value: string;
}

/** A longer list helps nobody, and makes the page slow. */
const MAX_ROWS = 400;

/** Lays an answer of the server out in rows: `webrtc ice state` and `connected`. What is absent has no row. */
export function factRows(value: unknown): readonly FactRow[] {
  const rows: FactRow[] = [];
  collect(value, '', rows);
  return rows;
}

function collect(value: unknown, path: string, rows: FactRow[]): void {
  if (rows.length >= MAX_ROWS || value === undefined) return;
  if (typeof value !== 'object' || value === null) {
    rows.push({ path, value: textOf(value, path) });
    return;
  }
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null)) {
    rows.push({ path, value: value.length === 0 ? 'none' : value.map((item) => textOf(item, path)).join(', ') });
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    const label = Array.isArray(value) ? String(Number(name) + 1) : words(name);
    collect(item, path === '' ? label : `${path} › ${label}`, rows);
  }
}

function textOf(value: unknown, path: string): string {
  if (value === null) return 'none';
  if (value === true) return 'yes';
  if (value === false) return 'no';
  // Times of day among the numbers, by their size.
  if (typeof value === 'number' && value > 1e12 && path.endsWith(' ms')) return new Date(value).toLocaleString();
  return typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** `keyFrameIntervalMs` as `key frame interval ms`. */
function words(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
}
