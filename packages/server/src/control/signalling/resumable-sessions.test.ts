import { expect, test } from 'vitest';
import { ResumableSessions } from './resumable-sessions.ts';

test('sessions that can be resumed are bounded in number: the oldest goes', () => {
  const sessions = new ResumableSessions(1000, 2);
  for (const token of ['a', 'b', 'c']) sessions.keep(token, { appKey: token }, 0);
  expect([sessions.size, sessions.take('a', 1), sessions.take('c', 1)]).toEqual([2, undefined, { appKey: 'c' }]);
});

test('sessions that can be resumed are bounded in what they take together', () => {
  const sessions = new ResumableSessions(1000, 100_000);
  for (let i = 0; i < 1000; i++) sessions.keep(String(i), { custom: 'x'.repeat(60_000) }, 0);
  expect(sessions.size).toBeGreaterThan(200);
  expect(sessions.size).toBeLessThan(300);
  expect(sessions.take('999', 1)).toBeDefined();
  expect(sessions.take('0', 1)).toBeUndefined();
});

test('a session that is too large can not be resumed, and gives up no other', () => {
  const sessions = new ResumableSessions(1000, 10);
  sessions.keep('small', { appKey: 'a' }, 0);
  sessions.keep('large', { custom: 'x'.repeat(70_000) }, 0);
  expect([sessions.size, sessions.take('large', 1)]).toEqual([1, undefined]);
});

test('room is free again after sessions were taken, kept anew or have expired', () => {
  const sessions = new ResumableSessions(1000, 100_000);
  const large = { custom: 'x'.repeat(60_000) };
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 200; i++) sessions.keep(`${round} ${i}`, large, round * 2000);
    for (let i = 0; i < 100; i++) sessions.keep(`${round} ${i}`, large, round * 2000);
    expect(sessions.size).toBe(200);
    for (let i = 0; i < 50; i++) expect(sessions.take(`${round} ${i}`, round * 2000 + 1)).toBeDefined();
    sessions.expire(round * 2000 + 1500);
    expect(sessions.size).toBe(0);
  }
});
