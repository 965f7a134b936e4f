export { DEFAULT_HLS_OPTIONS, resolveHlsOptions } from './options.js';
export { HlsServer } from './server.js';
//# sourceMappingURL=index.js.map
