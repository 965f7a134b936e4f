export { DEFAULT_WHIP_OPTIONS, type IceServer, resolveWhipOptions, type WhipOptions } from './options.ts';
export { type WhipDeps, WhipMount } from './server.ts';
