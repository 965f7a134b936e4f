export * from './options.ts';
export { type RtmpDeps, RtmpServer } from './server.ts';
