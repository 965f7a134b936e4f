import { resolve } from 'node:path';
import { FolderStore, LOCAL_READ_AHEAD_MS, type VodOptions, type VodStore } from '../vod/index.ts';
import type { Settings } from './settings/index.ts';

/** How files are played, by the settings. `stores` are asked before the folder of media files. */
export function vodOptions(settings: Settings, dataDir: string, stores: readonly VodStore[] = []): VodOptions {
  const folder = new FolderStore(resolve(dataDir, settings.media_dir));
  return {
    stores: [...stores, { store: folder, readAheadMs: LOCAL_READ_AHEAD_MS }],
    loop: settings.vod_live_loop,
    idleTimeoutMs: settings.vod_stream_timeout,
    readTimeoutMs: settings.vod_read_timeout,
    maxFiles: settings.vod_max_files,
  };
}
