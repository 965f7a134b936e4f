import { vi } from 'vitest';

/** A busy machine is no failure: what is waited for comes, or the test has no end. */
const PATIENCE_MS = 15_000;

const { waitFor } = vi;
vi.waitFor = (callback, options) =>
  waitFor(callback, typeof options === 'number' ? options : { timeout: PATIENCE_MS, ...options });
