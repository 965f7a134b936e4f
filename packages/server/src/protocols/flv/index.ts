export { DEFAULT_FLV_OPTIONS, type FlvOptions, resolveFlvOptions } from './options.ts';
export { type FlvDeps, FlvServer } from './server.ts';
