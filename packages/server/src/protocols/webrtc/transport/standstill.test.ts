import { describe, expect, it } from 'vitest';
import { Standstill } from './standstill.ts';

const AFTER_MS = 500;

/** A connection by which media is written every 10 ms for three seconds and something is heard every `everyMs`. */
function used(everyMs: number): Standstill {
  const line = new Standstill(AFTER_MS);
  for (let nowMs = 0; nowMs <= 3000; nowMs += 10) {
    if (nowMs % everyMs === 0) line.heard(nowMs);
    expect(line.isOverdue(nowMs)).toBe(false);
    line.wrote(nowMs);
  }
  return line;
}

describe('a connection', () => {
  it('stands still when a player that reports often is not heard any more, until it is', () => {
    const line = used(100);
    expect(line.isOverdue(3500)).toBe(false);
    expect(line.isOverdue(3501)).toBe(true);
    line.heard(8000);
    expect(line.isOverdue(8000)).toBe(false);
    line.wrote(8000);
    expect(line.isOverdue(8501)).toBe(true);
  });

  it('is not taken to stand still where reports are seldom', () => {
    expect(used(1000).isOverdue(10_000)).toBe(false);
  });

  it('is not taken to stand still while there was nothing to report on', () => {
    const line = used(100);
    line.heard(3010);
    expect(line.isOverdue(60_000)).toBe(false);
    line.wrote(60_000);
    expect(line.isOverdue(60_400)).toBe(false);
  });

  it('is not judged before it is known how often the other end speaks', () => {
    const line = new Standstill(AFTER_MS);
    line.wrote(0);
    expect(line.isOverdue(5000)).toBe(false);
  });
});
