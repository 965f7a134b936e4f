import { type MseDeps, type MseOptions, MseServer } from '../protocols/mse/index.ts';
import { webHeaders, webSocketKeepAlive } from './protocol-options.ts';
import type { Settings } from './settings/index.ts';

/** Plays by MSE and WSPlayer; undefined when both are off. */
export function makeMse(settings: Settings, deps: MseDeps, allowsOrigin: MseOptions['allowsOrigin']) {
  if (!settings.mse_enabled && !settings.wsplayer_enabled) return undefined;
  return new MseServer(deps, mseOptions(settings, allowsOrigin));
}

/** Players by WebSocket are on the web port, so what that tells browsers of other origins holds for them too. */
function mseOptions(settings: Settings, allowsOrigin: MseOptions['allowsOrigin']): Partial<MseOptions> {
  return {
    maxViewers: settings.mse_max_viewers,
    playWaitMs: settings.mse_play_wait,
    viewerStallTimeoutMs: settings.mse_viewer_stall_timeout,
    flushIntervalMs: settings.mse_flush_interval,
    enabled: settings.mse_enabled,
    wsPlayer: settings.wsplayer_enabled,
    headers: webHeaders(settings),
    allowsOrigin,
    ...webSocketKeepAlive(settings),
  };
}
