import { afterAll, vi } from 'vitest';

/** A busy machine is no failure: what is waited for comes, or the test has no end. */
const PATIENCE_MS = 15_000;

const { waitFor } = vi;
// Files that share a process share this as well.
if (waitFor.name !== 'waitPatiently') {
  vi.waitFor = function waitPatiently(callback, options) {
    return waitFor(callback, typeof options === 'number' ? options : { timeout: PATIENCE_MS, ...options });
  };
}

/** A test that failed half-way leaves the next file of its process the real time. */
afterAll(() => void vi.useRealTimers());
