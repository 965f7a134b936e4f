/** Groups of the WCS REST API (rest-api.md §2 to §20) that this server does not have yet. */
const GROUPS: ReadonlySet<string> = new Set([
  'recorder',
  'multipleRecorder',
  'push',
  'pull',
  'rtsp',
  'vod',
  'hls',
  'transcoder',
  'transcoder2',
  'mixer',
  'call',
  'data',
  'cdn',
  'api',
  'mpegts',
  'v3',
  'openapi_spec',
  'openapi_spec.json',
  'openapi_spec.yaml',
]);

/** Methods of groups that exist in part. */
const METHODS: ReadonlySet<string> = new Set([
  'connection/set_log_level',
  'stream/startRecording',
  'stream/stopRecording',
  'stream/snapshot',
  'stream/event/send',
]);

/** True when WCS has what `path` (after `/rest-api/`) names, so that a client hears "not yet" and not "no such thing". */
export function isKnownToWcs(path: string): boolean {
  const trimmed = path.replace(/\/+$/, '');
  return METHODS.has(trimmed) || GROUPS.has(trimmed.split('/', 1)[0] ?? '');
}
