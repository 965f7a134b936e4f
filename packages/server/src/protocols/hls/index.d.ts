export { DEFAULT_HLS_OPTIONS, type HlsOptions, resolveHlsOptions } from './options.ts';
export { HlsServer, type HlsServerDeps } from './server.ts';
//# sourceMappingURL=index.d.ts.map
