import { join, resolve } from 'node:path';
import type { TlsIdentity } from '../io/index.ts';
import { type HlsOptions, resolveHlsOptions } from '../protocols/hls/index.ts';
import { PACKAGE_FOLDER } from './package-folder.ts';
import { parseHeaderList, type Settings } from './settings/index.ts';

/** Where the server stands: its folder, the address that it listens on, and its certificate where one is needed. */
export interface HlsPlace {
  readonly dataDir: string;
  readonly host: string;
  readonly identity: TlsIdentity | undefined;
}

const OWN_CLIPS = join(PACKAGE_FOLDER, '../../assets/preloader');

/** Undefined when HLS is off on both ports. */
export function hlsOptions(settings: Settings, { dataDir, host, identity }: HlsPlace): HlsOptions | undefined {
  const port = settings['hls.port'];
  const securePort = settings['hls.https.port'];
  if (port === 0 && securePort === 0) return undefined;
  const isTs = settings.hls_container === 'ts';
  const clips = (isTs ? settings.hls_preloader_dir : settings.ll_hls_preloader_dir) || OWN_CLIPS;
  return resolveHlsOptions({
    host,
    port: port === 0 ? undefined : port,
    secure: securePort === 0 || identity === undefined ? undefined : { port: securePort, identity },
    listSize: settings.hls_list_size,
    segmentMinMs: settings.hls_time_min,
    maxSegmentMs: settings.hls_max_segment_time,
    container: isTs ? 'ts' : 'fmp4',
    autoStart: settings.hls_auto_start,
    autoStartLadders: settings.hls_abr_auto_start,
    providerTimeoutMs: settings.hls_manager_provider_timeout * 1000,
    maxBytes: settings.hls_memory_limit,
    startWaitMs: settings.hls_start_wait,
    extraHeaders: parseHeaderList(settings.hls_access_control_headers),
    lowLatency: settings.ll_hls_enabled && !isTs,
    partMs: settings.ll_hls_part_time,
    lowLatencyListSize: settings.ll_hls_list_size,
    maxWaiting: settings.ll_hls_max_waiting,
    dvrWindowMs: settings.hls_dvr_window * 1000,
    archive:
      settings.hls_dvr_window === 0
        ? undefined
        : { dir: resolve(dataDir, settings.hls_dir), maxBytes: settings.hls_dvr_disk_limit },
    preloader: settings.hls_preloader_enabled
      ? { dir: clips, segmentMinMs: settings.hls_preloader_time_min }
      : undefined,
    dash: settings.dash_enabled && !isTs,
  });
}
