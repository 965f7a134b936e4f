import type { SettingEntry } from '../setting-entry.ts';

/** Settings of playing files. `media_dir` is among the general ones. */
export const VOD_SETTINGS = {
  vod_live_loop: {
    type: 'boolean',
    default: false,
    from: 'wcs',
    doc: 'Streams of `vod-live://` begin anew at the end of their file; otherwise they end.',
  },
  vod_stream_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 24 * 3_600_000,
    default: 30_000,
    from: 'wcs',
    doc: 'A stream of `vod-live://` goes on for this long after its last viewer has left.',
  },
  vod_mp4_container_new: {
    type: 'boolean',
    default: true,
    from: 'wcs',
    doc: 'Read by the settings file and without effect: files are always played while they are read.',
  },
  vod_mp4_container_new_buffer_ms: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 600_000,
    default: 10_000,
    from: 'wcs',
    doc: 'How much of a file in S3 is read ahead.',
  },
  vod_read_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 500,
    max: 600_000,
    default: 10_000,
    from: 'own',
    doc: 'A file whose storage gives nothing for this long is given up.',
  },
  vod_max_files: {
    type: 'integer',
    min: 1,
    max: 100_000,
    default: 1000,
    from: 'own',
    doc: 'Files that may play at the same time.',
  },
} as const satisfies Record<string, SettingEntry>;
