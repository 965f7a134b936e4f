export { isWebmCarriable } from './codec-ids.ts';
export type { DocType } from './head.ts';
export { planWebmInPlace } from './plan.ts';
export { WebmReader } from './reader.ts';
export { WebmWriter, type WebmWriterOptions } from './writer.ts';
