export { DEFAULT_MSE_OPTIONS, type MseOptions } from './options.ts';
export { type MseDeps, MseServer } from './server.ts';
