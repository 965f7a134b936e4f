// What all scenarios with several servers do: rounds in which each has its turn, medians, ratios.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../support/figures.mjs';

/**
 * Runs each case once in each round, one after the other, with a folder of its own.
 * @param cases by name: each is called with a folder and gives figures
 * @param beside names of those that no goal is about: they have but one turn
 */
export async function inRounds(context, cases, beside = []) {
  const results = new Map(Object.keys(cases).map((name) => [name, []]));
  for (let round = 1; round <= context.rounds; round++) {
    for (const [name, run] of Object.entries(cases)) {
      if (round > 1 && beside.includes(name)) continue;
      const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
      try {
        context.say(`round ${round} of ${context.rounds}: ${name}`);
        results.get(name).push(await run(folder));
      } catch (error) {
        context.say(`${name}: ${error.message}`);
        results.get(name).push({ complete: false, why: error.message.split('\n', 1)[0].slice(0, 160), limits: [] });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }
  return results;
}

/** The median of one figure of a case over the rounds; NaN when a round has none. */
export function middle(results, name, key) {
  const list = (results.get(name) ?? []).map((figures) => figures[key] ?? Number.NaN);
  return list.length === 0 || list.some(Number.isNaN) ? Number.NaN : median(list);
}

/** What each thread of a server took in the last round. */
export const threadsOf = (results, name) => results.get(name)?.at(-1)?.threads;

/**
 * The median of the ratios of both in each round, which counts only when both had delivered everything in that round.
 * Gives { ratio, counted, why }.
 */
export function ratioOf(results, name, peer, key = 'cpu') {
  const own = results.get(name) ?? [];
  const others = results.get(peer) ?? [];
  const pairs = own.map((figures, round) => [figures, others[round]]).filter(([, other]) => other !== undefined);
  const whole = pairs.filter(([a, b]) => a.complete && b.complete);
  const used = whole.length > 0 ? whole : pairs.filter(([a, b]) => a[key] !== undefined && b[key] !== undefined);
  const ratio = used.length === 0 ? Number.NaN : median(used.map(([a, b]) => a[key] / b[key]));
  const why = [...new Set(pairs.flat().flatMap((figures) => (figures.complete ? [] : [figures.why])))].join('; ');
  return { ratio, counted: whole.length > 0, why };
}

/** Whether something was delivered whole in all rounds, in words for a table. */
export function wholeness(results, name) {
  const list = results.get(name) ?? [];
  const why = [...new Set(list.filter(({ complete }) => !complete).map(({ why: reason }) => reason))];
  const limits = [...new Set(list.flatMap(({ limits: own }) => own ?? []))];
  const tool = limits.length === 0 ? '' : ` (${limits[0]}${limits.length > 1 ? ', …' : ''})`;
  return `${why.length === 0 ? 'all' : `**${why.join('; ')}**`}${tool}`;
}

/** A goal with a figure beside it; `limit` is the most, or with `least` the least that is allowed. */
export function goalOf({ what, text, figure, limit, least = false, unit = '', digits = 2, doubt }) {
  const known = Number.isFinite(figure);
  const met = known && doubt === undefined && (least ? figure >= limit : figure <= limit);
  return { what, text, figure: known ? `${figure.toFixed(digits)}${unit}` : 'not measured', met, known, doubt };
}

/** A goal for a ratio. */
export function ratioGoal({ what, text, limit, least }, measured) {
  const doubt = measured.counted ? undefined : measured.why || 'no peer';
  return goalOf({ what, text, figure: measured.ratio, limit, least, doubt });
}

export const cell = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
