import { DEFAULT_ENGINE_OPTIONS, type EngineOptions } from '../engine/index.ts';
import type { FlvOptions } from '../protocols/flv/index.ts';
import { parseHeaderList, type Settings } from './settings/index.ts';

/** FLV is played on the web port, so what that tells browsers of other origins holds for it too. */
export function flvOptions(settings: Settings): Partial<FlvOptions> {
  return {
    maxViewers: settings.flv_max_viewers,
    playWaitMs: settings.flv_play_wait,
    viewerStallTimeoutMs: settings.flv_viewer_stall_timeout,
    viewerWriteBytes: settings.flv_viewer_buffer,
    flushIntervalMs: settings.flv_flush_interval,
    headers: webHeaders(settings),
    ...webSocketKeepAlive(settings),
  };
}

/** What answers of the web port tell browsers of other origins. */
export function webHeaders(settings: Settings): readonly (readonly [name: string, value: string])[] {
  const list = parseHeaderList(settings.rest_access_control_headers);
  if (list.length > 0) return list;
  return [
    ['Access-Control-Allow-Origin', settings.rest_access_control_allow_origin],
    ['Access-Control-Allow-Headers', settings.rest_access_control_allow_headers],
  ];
}

/** Pings of WebSockets, which the Web SDK and WebSocket-FLV share. */
export function webSocketKeepAlive(settings: Settings) {
  return {
    keepAlive: settings['keep_alive.enabled'].includes('websocket') && settings['keep_alive.algorithm'] !== 'NONE',
    keepAliveIntervalMs: settings['keep_alive.server_interval'],
    keepAliveProbes: settings['keep_alive.probes'],
  };
}

export function engineOptions(settings: Settings): EngineOptions {
  return {
    ...DEFAULT_ENGINE_OPTIONS,
    opusBitrateBps: settings['opus.encoder.bitrate'],
    aacBitrateBps: settings.aac_encoder_bitrate,
    videoPreset: settings.video_transcoder_preset,
    keyFrameIntervalS: settings.video_transcoder_key_frame_interval,
    videoBitrateFactor: settings.video_transcoder_bitrate_factor,
    idleMs: settings.transcoder_idle_time * 1000,
    srtConnections: settings.srt_max_connections,
    maxCores: settings.transcoder_max_cores,
    encoderPriority: settings.encoder_priority,
  };
}
