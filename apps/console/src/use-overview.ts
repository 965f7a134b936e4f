import type { OverviewBody } from '@sluice/contract';
import { ask } from './server-api.ts';
import { type Polled, usePolled } from './use-polling.ts';

const INTERVAL_MS = 2000;

/** Asks for `/api/overview` every two seconds for as long as the component is mounted and the page is visible. */
export function useOverview(): Polled<OverviewBody> {
  return usePolled(() => ask<OverviewBody>('api/overview'), INTERVAL_MS);
}
