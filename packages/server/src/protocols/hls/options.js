export const DEFAULT_HLS_OPTIONS = Object.freeze({
  host: '0.0.0.0',
  port: 8082,
  listSize: 8,
  segmentMinMs: 2000,
  maxSegmentMs: 20_000,
  container: 'fmp4',
  autoStart: false,
  providerTimeoutMs: 300_000,
  maxBytes: 64 * 1024 * 1024,
  extraHeaders: [],
  startWaitMs: 15_000,
  maxHeldRequests: 2000,
  endedKeepMs: 30_000,
  maxViewers: 10_000,
});
/** Fills in the defaults. */
export function resolveHlsOptions(options) {
  return Object.freeze({ ...DEFAULT_HLS_OPTIONS, ...options });
}
//# sourceMappingURL=options.js.map
