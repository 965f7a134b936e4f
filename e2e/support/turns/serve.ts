import { availableParallelism } from 'node:os';
import type { TestProject } from 'vitest/node';
import { serveTurns } from './turns.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where files ask for their turn. */
    turns: number;
  }
}

/** Part of all cores that tests may need together on average: each needs more now and then. */
const SHARE = 0.8;

/** Runs once, before the end-to-end tests. */
export default async function serve(project: TestProject): Promise<() => void> {
  const { port, close } = await serveTurns(availableParallelism() * SHARE);
  project.provide('turns', port);
  return close;
}
