import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keptNodeId } from './node-id.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-id-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

it('a server keeps its name in hooks when its address changes', () => {
  const file = join(folder, 'deep', 'node-id');
  const first = keptNodeId(file, '192.0.2.1');
  expect(first).toMatch(/^[A-Za-z0-9]{32}@192\.0\.2\.1$/);
  expect(keptNodeId(file, '192.0.2.2')).toBe(first.replace(/1$/, '2'));
  expect(keptNodeId(join(folder, 'other'), '192.0.2.1')).not.toBe(first);
});

it('a name that can not be is made anew', () => {
  const file = join(folder, 'node-id');
  writeFileSync(file, 'short\n');
  const made = keptNodeId(file, 'h');
  expect(made).toMatch(/^[A-Za-z0-9]{32}@h$/);
  expect(keptNodeId(file, 'h')).toBe(made);
});
