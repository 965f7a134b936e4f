export * from './client/options.ts';
export { RtmpRelayProtocol } from './client/relay-protocol.ts';
export type { InBufferOptions } from './in-buffer.ts';
export * from './options.ts';
export { type RtmpDeps, RtmpServer } from './server.ts';
