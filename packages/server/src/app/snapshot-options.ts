import { resolve } from 'node:path';
import {
  type AutoSnapshotOptions,
  DEFAULT_SNAPSHOT_MOUNT_OPTIONS,
  type SnapshotMountOptions,
  type SnapshotOptions,
} from '../snapshots/index.ts';
import { webHeaders } from './protocol-options.ts';
import type { Settings } from './settings/index.ts';

export function snapshotOptions(settings: Settings): SnapshotOptions {
  return {
    takingIntervalMs: settings.snapshot_taking_interval_ms,
    takingAttempts: settings.snapshot_taking_attempts,
    maxPending: settings.snapshot_max_pending,
  };
}

/** Pictures are on the web port, so what that tells browsers of other origins holds for them too. */
export function snapshotMountOptions(
  settings: Settings,
  allowsOrigin: SnapshotMountOptions['allowsOrigin'],
): SnapshotMountOptions {
  return {
    ...DEFAULT_SNAPSHOT_MOUNT_OPTIONS,
    cacheMs: settings.snapshot_http_cache_ms,
    headers: webHeaders(settings),
    allowsOrigin,
  };
}

/** Undefined when no pictures are kept in files. */
export function autoSnapshotOptions(settings: Settings, dataDir: string): AutoSnapshotOptions | undefined {
  if (!settings.snapshot_auto_enabled) return undefined;
  return {
    dir: resolve(dataDir, settings.snapshot_auto_dir),
    rateMs: settings.snapshot_auto_rate * 1000,
    naming: settings.snapshot_auto_naming,
    format: settings.snapshot_auto_format,
    retention: settings.snapshot_auto_retention,
    maxFolders: settings.snapshot_auto_max_folders,
  };
}
