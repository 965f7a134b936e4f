import { basename } from 'node:path';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { coresFor } from './needs.ts';
import { takeTurn } from './turns.ts';

/** All files before this one have to end in that time, milliseconds. */
const MOST_WAIT_MS = 1_800_000;

let endTurn: (() => void) | undefined;

/** Each file waits until the machine has room for it: players that are not given their time see what no server did. */
beforeAll(async () => {
  const { testPath = '' } = expect.getState();
  endTurn = await takeTurn(inject('turns'), coresFor(basename(testPath, '.test.ts')));
}, MOST_WAIT_MS);

/** Of all that is done after a file this is the last, for it was said first. */
afterAll(() => endTurn?.());
