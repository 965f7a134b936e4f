import type { Log } from '../core/index.ts';

/**
 * Says that the addon is not used, and why, where that is not what was asked for: nothing else shows it, as the server does
 * all the same without. Such an addon is mostly one that was built from older sources.
 */
export function warnOfMissingAddon(log: Log, reason: string | undefined): void {
  if (reason === undefined) return;
  log.warn({ reason }, `the addon is not used, so viewers cost several times the processor time: ${reason}`);
}
