export { Engine, type EngineStats } from './engine.ts';
export { DEFAULT_ENGINE_OPTIONS, type EngineOptions } from './options.ts';
export type { WorkerStats } from './worker-pool.ts';
