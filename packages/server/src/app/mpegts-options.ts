import { MediaServerError } from '../core/index.ts';
import type { SrtServerOptions, TransportStreamOptions } from '../protocols/mpegts/index.ts';
import type { Settings } from './settings/index.ts';

/**
 * How transport streams are received, by the settings. `host` is this server's name in addresses that are given out.
 * @throws MediaServerError CONFIG_INVALID for a range of ports that ends before it begins
 */
export function transportStreamOptions(
  settings: Settings,
  place: { readonly address: string; readonly host: string },
): Partial<TransportStreamOptions> {
  const { mpegts_port_from: from, mpegts_port_to: to } = settings;
  if (to < from)
    throw new MediaServerError('CONFIG_INVALID', `mpegts_port_to=${to} is less than mpegts_port_from=${from}`);
  return {
    address: place.address,
    host: place.host,
    ports: { from, to },
    timeoutMs: settings.mpegts_timeout,
    maxTimestampDiffS: settings.mpegts_max_timestamp_diff,
  };
}

/** How callers of the SRT port for all streams are served, by the settings. */
export function srtServerOptions(settings: Settings, address: string): Partial<SrtServerOptions> {
  return {
    address,
    port: settings['srt.port'],
    passphrase: settings.srt_passphrase,
    latencyMs: settings.srt_latency,
    maxCallers: settings.srt_max_connections,
    publishTimeoutMs: settings.mpegts_timeout,
    maxTimestampDiffS: settings.mpegts_max_timestamp_diff,
  };
}
