/** Names that are longer are compared by their beginning and by what they contain alone. */
const MAX_COMPARED = 64;
/** So many names are looked at; each comparison costs the product of two lengths. */
const MAX_CANDIDATES = 500;

/** Names that `name` may have been meant to be, the likeliest first, `limit` at most. */
export function similarNames(name: string, candidates: Iterable<string>, limit = 5): string[] {
  const wanted = name.toLowerCase();
  const ranked: { readonly name: string; readonly distance: number }[] = [];
  let looked = 0;
  for (const candidate of candidates) {
    if (looked++ >= MAX_CANDIDATES) break;
    const distance = distanceBetween(wanted, candidate.toLowerCase());
    if (distance !== undefined) ranked.push({ name: candidate, distance });
  }
  ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, limit).map((entry) => entry.name);
}

/** Undefined for names that are nothing like each other. */
function distanceBetween(a: string, b: string): number | undefined {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  if (shorter >= 3 && (a.includes(b) || b.includes(a))) return 1;
  const allowed = Math.max(1, Math.floor(a.length / 3));
  if (Math.max(a.length, b.length) > MAX_COMPARED || Math.abs(a.length - b.length) > allowed) return undefined;
  const distance = editDistance(a, b);
  return distance <= allowed ? distance : undefined;
}

/** Characters to put in, take out or replace to make `b` of `a`, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
