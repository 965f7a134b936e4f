import type { SettingEntry } from './setting-entry.ts';
import { ABR_SETTINGS } from './tables/abr.ts';
import { ACCESS_SETTINGS } from './tables/access.ts';
import { ENGINE_SETTINGS } from './tables/engine.ts';
import { FLV_SETTINGS } from './tables/flv.ts';
import { GENERAL_SETTINGS } from './tables/general.ts';
import { HLS_SETTINGS } from './tables/hls.ts';
import { HOOK_SETTINGS } from './tables/hooks.ts';
import { LL_HLS_SETTINGS } from './tables/ll-hls.ts';
import { MPEGTS_SETTINGS } from './tables/mpegts.ts';
import { MSE_SETTINGS } from './tables/mse.ts';
import { RECORDING_SETTINGS } from './tables/recording.ts';
import { RELAY_SETTINGS } from './tables/relays.ts';
import { RTC_MEDIA_SETTINGS } from './tables/rtc-media.ts';
import { RTC_NETWORK_SETTINGS } from './tables/rtc-network.ts';
import { RTMP_SETTINGS } from './tables/rtmp.ts';
import { RTSP_SETTINGS } from './tables/rtsp.ts';
import { SNAPSHOT_SETTINGS } from './tables/snapshot.ts';
import { STORAGE_SETTINGS } from './tables/storage.ts';
import { VOD_SETTINGS } from './tables/vod.ts';
import { WEB_SETTINGS } from './tables/web.ts';
import { WEBRTC_SETTINGS } from './tables/webrtc.ts';

/**
 * Every setting of the server. These tables are the only place where a setting is declared: types, defaults, checks,
 * `sluice config print` and the reference page all follow from them.
 */
export const SCHEMA = {
  ...GENERAL_SETTINGS,
  ...WEB_SETTINGS,
  ...ACCESS_SETTINGS,
  ...RTMP_SETTINGS,
  ...FLV_SETTINGS,
  ...HLS_SETTINGS,
  ...LL_HLS_SETTINGS,
  ...ABR_SETTINGS,
  ...MSE_SETTINGS,
  ...WEBRTC_SETTINGS,
  ...RTC_MEDIA_SETTINGS,
  ...RTC_NETWORK_SETTINGS,
  ...RTSP_SETTINGS,
  ...MPEGTS_SETTINGS,
  ...RELAY_SETTINGS,
  ...ENGINE_SETTINGS,
  ...RECORDING_SETTINGS,
  ...STORAGE_SETTINGS,
  ...VOD_SETTINGS,
  ...SNAPSHOT_SETTINGS,
  ...HOOK_SETTINGS,
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

/** Other spellings that are understood, and the setting each one means. */
export const ALIASES: Readonly<Record<string, SettingName>> = {
  http_port: 'http.port',
  hls_port: 'hls.port',
  ll_hls_create_preloader: 'hls_preloader_enabled',
  ll_hls_custom_preloader_dir: 'll_hls_preloader_dir',
  rtmp_port: 'rtmp.port',
  'hls.http.port': 'hls.port',
  external_ip: 'ip',
  https_port: 'https.port',
  ws_port: 'ws.port',
  wss_port: 'wss.port',
  rtsp_port: 'rtsp.port',
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
