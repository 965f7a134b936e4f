/** What one setting is: its type decides how its text is read and what TypeScript type it has. */
export type SettingEntry = {
  /** What the setting does, in one or two sentences; goes into the reference page as it is. */
  readonly doc: string;
  /** `wcs`: the name and meaning are WCS's own. `own`: WCS has no such setting. */
  readonly from: 'wcs' | 'own';
  readonly unit?: string;
  /** Secret values are never printed or put into messages. */
  readonly secret?: boolean;
} & (
  | { readonly type: 'integer' | 'number'; readonly default: number; readonly min: number; readonly max: number }
  | { readonly type: 'port'; readonly default: number }
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'string'; readonly default: string; readonly format?: 'headers' | 'ip' | 'host' | 'path' }
  | { readonly type: 'enum'; readonly default: string; readonly values: readonly string[] }
  | { readonly type: 'list'; readonly default: readonly string[]; readonly values?: readonly string[] }
);

const MINUTES_MS = 60_000;
const GIB = 1024 * 1024 * 1024;

/**
 * Every setting of the server. This table is the only place where a setting is declared: types, defaults, checks,
 * `sluice config print` and the reference page all follow from it.
 */
export const SCHEMA = {
  'http.port': {
    type: 'port',
    default: 8081,
    from: 'wcs',
    doc: 'Port of the console, the REST API, health and metrics.',
  },
  'hls.port': { type: 'port', default: 8082, from: 'wcs', doc: 'Port that HLS playlists and segments are served on.' },
  'rtmp.port': { type: 'port', default: 1935, from: 'wcs', doc: 'Port that RTMP publishers and players connect to.' },
  ip: {
    type: 'string',
    format: 'host',
    default: '',
    from: 'wcs',
    doc: 'Address or host name that is shown in URLs. Empty: the first address of this machine that others can reach.',
  },
  bind_address: {
    type: 'string',
    format: 'ip',
    default: '::',
    from: 'own',
    doc: 'Local address to listen on. `::` is all addresses, IPv6 and IPv4; where there is no IPv6, all of IPv4.',
  },
  media_dir: {
    type: 'string',
    format: 'path',
    default: 'media',
    from: 'wcs',
    doc: 'Folder of the files that `vod-live://` streams play. A relative path is under the data folder.',
  },
  log_level: {
    type: 'enum',
    values: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    from: 'own',
    doc: 'Least severe messages that are logged.',
  },
  log_format: {
    type: 'enum',
    values: ['auto', 'pretty', 'json'],
    default: 'auto',
    from: 'own',
    doc: 'Form of the log, which goes to standard error. `auto`: pretty on a terminal, JSON lines otherwise.',
  },
  max_streams: {
    type: 'integer',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    from: 'own',
    doc: 'Streams that may be live at once; publishers beyond it are refused.',
  },
  publisher_reconnect_wait: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 60 * MINUTES_MS,
    default: 10_000,
    from: 'own',
    doc: 'How long viewers stay connected after their publisher left, so that it can come back. 0: not at all.',
  },
  gop_cache_duration: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 10 * MINUTES_MS,
    default: 20_000,
    from: 'own',
    doc: 'Packets older than this are not kept for new or slow viewers. Should be longer than the key-frame interval.',
  },
  gop_cache_bytes: {
    type: 'integer',
    unit: 'bytes',
    min: 65_536,
    max: 4 * GIB,
    default: 33_554_432,
    from: 'own',
    doc: 'Most bytes of packets that are kept per stream for new or slow viewers.',
  },
  rtmp_play_wait: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 10 * MINUTES_MS,
    default: 3000,
    from: 'own',
    doc: 'How long an RTMP player waits for a stream that is not live yet before it is told that there is none.',
  },
  rtmp_chunk_size: {
    type: 'integer',
    unit: 'bytes',
    min: 4096,
    max: 16_777_215,
    default: 65_536,
    from: 'own',
    doc: 'Size of the RTMP chunks that the server sends.',
  },
  rtmp_max_message_size: {
    type: 'integer',
    unit: 'bytes',
    min: 65_536,
    max: 16_000_000,
    default: 8_388_608,
    from: 'own',
    doc: 'Largest RTMP message that is accepted; a connection that announces a larger one is closed.',
  },
  rtmp_max_connections: {
    type: 'integer',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    from: 'own',
    doc: 'RTMP connections that may be open at once; further ones are closed on arrival.',
  },
  rtmp_viewer_stall_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 60 * MINUTES_MS,
    default: 10_000,
    from: 'own',
    doc: 'An RTMP viewer that reads nothing for this long is dropped.',
  },
  rtmp_viewer_buffer: {
    type: 'integer',
    unit: 'bytes',
    min: 16_384,
    max: 67_108_864,
    default: 262_144,
    from: 'own',
    doc: 'Unsent bytes a viewer may have queued. A slower viewer goes on at a later key frame.',
  },
  rtmp_flush_interval: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 1000,
    default: 36,
    from: 'own',
    doc: 'Frames are collected this long into one write per viewer when a stream has many viewers. 0: never.',
  },
  rtmp_handshake_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 10 * MINUTES_MS,
    default: 10_000,
    from: 'own',
    doc: 'An RTMP connection that has not completed its handshake after this is closed.',
  },
  'keep_alive.enabled': {
    type: 'list',
    values: ['websocket', 'rtmp', 'rtmfp'],
    default: ['websocket', 'rtmp', 'rtmfp'],
    from: 'wcs',
    doc: 'Protocols whose connections are probed. `websocket,rtmfp` turns probing of RTMP off.',
  },
  'keep_alive.algorithm': {
    type: 'enum',
    values: ['HIGH_LEVEL', 'INTERNAL', 'NONE'],
    default: 'HIGH_LEVEL',
    from: 'wcs',
    doc: 'How connections are probed. RTMP has one way, its ping, used for both; `NONE` turns probing off.',
  },
  'keep_alive.server_interval': {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 60 * MINUTES_MS,
    default: 5000,
    from: 'wcs',
    doc: 'Time between probes. RTMP peers that send by themselves are alive and are not probed.',
  },
  'keep_alive.probes': {
    type: 'integer',
    min: 1,
    max: 10_000,
    default: 10,
    from: 'wcs',
    doc: 'Probes in a row that may stay without an answer before the connection is closed.',
  },
  hls_auto_start: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Cut every published stream for HLS at once, not only when its playlist is first asked for.',
  },
  hls_container: {
    type: 'enum',
    values: ['fmp4', 'ts'],
    default: 'fmp4',
    from: 'own',
    doc: 'Form of HLS segments: fragmented MP4, or MPEG-TS for old players.',
  },
  hls_list_size: {
    type: 'integer',
    unit: 'segments',
    min: 3,
    max: 10_000,
    default: 8,
    from: 'wcs',
    doc: 'Segments that a playlist lists.',
  },
  hls_time_min: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: MINUTES_MS,
    default: 2000,
    from: 'wcs',
    doc: 'Least duration of a segment; it ends at the first key frame after that.',
  },
  hls_max_segment_time: {
    type: 'integer',
    unit: 'ms',
    min: 1000,
    max: 10 * MINUTES_MS,
    default: 20_000,
    from: 'own',
    doc: 'A segment is cut after this even when no key frame came.',
  },
  hls_memory_limit: {
    type: 'integer',
    unit: 'bytes',
    min: 1_048_576,
    max: 4 * GIB,
    default: 67_108_864,
    from: 'own',
    doc: 'Most memory that the segments of one stream take; the oldest go first.',
  },
  hls_start_wait: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 2 * MINUTES_MS,
    default: 15_000,
    from: 'own',
    doc: 'How long the first playlist request is held until there are segments to list.',
  },
  hls_manager_provider_timeout: {
    type: 'integer',
    unit: 's',
    min: 1,
    max: 86_400,
    default: 300,
    from: 'wcs',
    doc: 'Cutting stops this long after the last HLS viewer left.',
  },
  hls_access_control_headers: {
    type: 'string',
    format: 'headers',
    default: '',
    from: 'wcs',
    doc: 'Headers added to HLS responses: `Name: value`, separated by `;`. Empty: any origin may read.',
  },
  rest_access_control_allow_origin: {
    type: 'string',
    default: '*',
    from: 'wcs',
    doc: 'Value of `Access-Control-Allow-Origin` in REST responses.',
  },
  rest_access_control_allow_headers: {
    type: 'string',
    default: 'content-type,x-requested-with',
    from: 'wcs',
    doc: 'Value of `Access-Control-Allow-Headers` in REST responses.',
  },
  rest_access_control_allow_methods: {
    type: 'string',
    default: 'POST',
    from: 'wcs',
    doc: 'Value of `Access-Control-Allow-Methods` in REST responses.',
  },
  rest_access_control_headers: {
    type: 'string',
    format: 'headers',
    default: '',
    from: 'wcs',
    doc: 'Further headers added to REST responses: `Name: value`, separated by `;`.',
  },
} as const satisfies Record<string, SettingEntry>;

export type SettingName = keyof typeof SCHEMA;

type ValueOf<E> = E extends { type: 'boolean' }
  ? boolean
  : E extends { type: 'integer' | 'number' | 'port' }
    ? number
    : E extends { type: 'enum'; values: readonly (infer V)[] }
      ? V
      : E extends { type: 'list' }
        ? readonly string[]
        : string;

/** All settings, complete and checked: `settings['rtmp.port']` is a number. */
export type Settings = { readonly [K in SettingName]: ValueOf<(typeof SCHEMA)[K]> };

/** A value that a setting can have. */
export type SettingValue = number | boolean | string | readonly string[];

/** Other spellings that are understood, and the setting each one means. */
export const ALIASES: Readonly<Record<string, SettingName>> = {
  http_port: 'http.port',
  hls_port: 'hls.port',
  rtmp_port: 'rtmp.port',
  'hls.http.port': 'hls.port',
  external_ip: 'ip',
};

/** All settings in the order of the table. */
export const SETTING_NAMES = Object.keys(SCHEMA) as readonly SettingName[];

/** The table's entry of a setting, as its general type. */
export function settingEntry(name: SettingName): SettingEntry {
  return SCHEMA[name];
}

/** The setting that a key means, or undefined when there is none. */
export function resolveSettingName(key: string): SettingName | undefined {
  if (Object.hasOwn(SCHEMA, key)) return key as SettingName;
  return Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined;
}

/** The environment variable that sets a setting: `rtmp.port` is `SLUICE_RTMP_PORT`. */
export function environmentName(name: string): string {
  return `SLUICE_${name.replaceAll('.', '_').toUpperCase()}`;
}
