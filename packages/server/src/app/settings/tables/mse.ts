import type { SettingEntry } from '../setting-entry.ts';
import { MINUTES_MS } from './units.ts';

/** Settings of playing over WebSockets: fragmented MP4, and the Web SDK's providers MSE and WSPlayer. */
export const MSE_SETTINGS = {
  mse_enabled: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Streams can be played as fragmented MP4 over a WebSocket, at `/mse/<stream>` of the web port, and by Web SDK clients with the provider MSE.',
  },
  mse_max_viewers: {
    type: 'integer',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    from: 'own',
    doc: 'Viewers by MSE and WSPlayer that may be connected at once; further ones are refused.',
  },
  mse_play_wait: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 10 * MINUTES_MS,
    default: 3000,
    from: 'own',
    doc: 'How long a player at `/mse/` waits for a stream that is not live yet before it is told that there is none.',
  },
  mse_viewer_stall_timeout: {
    type: 'integer',
    unit: 'ms',
    min: 100,
    max: 60 * MINUTES_MS,
    default: 10_000,
    from: 'own',
    doc: 'A viewer that reads nothing for this long is dropped.',
  },
  mse_flush_interval: {
    type: 'integer',
    unit: 'ms',
    min: 0,
    max: 1000,
    default: 42,
    from: 'own',
    doc: 'Frames are collected into one message per viewer when a stream has many viewers: at most this long, and the shorter the fewer there are. 0: never.',
  },
  mse_socket_wait: {
    type: 'integer',
    unit: 'ms',
    min: 500,
    max: 10 * MINUTES_MS,
    default: 10_000,
    from: 'own',
    doc: 'A Web SDK player whose second WebSocket has not come by then is ended.',
  },
  wsplayer_enabled: {
    type: 'boolean',
    default: false,
    from: 'own',
    doc: 'The provider WSPlayer of old Web SDK applications works: MPEG-1 video and G.711 sound, made anew for it. Superseded by MSE and WebRTC.',
  },
} as const satisfies Record<string, SettingEntry>;
