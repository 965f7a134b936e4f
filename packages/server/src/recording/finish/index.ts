export type * from './finish-job.ts';
export * from './finisher.ts';
export { FinishError } from './finisher-thread.ts';
