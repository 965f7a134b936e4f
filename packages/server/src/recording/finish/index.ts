export { FinishError } from './finish-error.ts';
export type * from './finish-job.ts';
export * from './finisher.ts';
