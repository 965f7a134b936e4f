import type { SettingEntry } from '../setting-entry.ts';
import { MINUTES_MS } from './units.ts';

/** Settings of HTTP-FLV and WebSocket-FLV. */
export const FLV_SETTINGS = {
  flv_enabled: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Streams can be played as HTTP-FLV and WebSocket-FLV, under `/flv/` of the web port.',
  },
  flv_max_viewers: {
    type: 'integer',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    from: 'own',
    doc: 'FLV viewers that may be connected at once; further ones are answered with 503.',
  },
  flv_play_wait: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 10 * MINUTES_MS,
    default: 3000,
    from: 'own',
    doc: 'How long an FLV player waits for a stream that is not live yet before it is told that there is none.',
  },
  flv_viewer_stall_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 60 * MINUTES_MS,
    default: 10_000,
    from: 'own',
    doc: 'An FLV viewer that reads nothing for this long is dropped.',
  },
  flv_viewer_buffer: {
    type: 'integer',
    unit: 'bytes',
    min: 16_384,
    max: 67_108_864,
    default: 262_144,
    from: 'own',
    doc: 'Most bytes that an FLV viewer who is behind gets in one write.',
  },
  flv_flush_interval: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 1000,
    default: 50,
    from: 'own',
    doc: 'Frames are collected into one write per viewer when a stream has many viewers: at most this long, and the shorter the fewer there are. 0: never.',
  },
} as const satisfies Record<string, SettingEntry>;
