import type { SignallingOptions } from '../control/index.ts';
import type { TlsIdentity } from '../io/index.ts';
import { webSocketKeepAlive } from './protocol-options.ts';
import type { Settings } from './settings/index.ts';

/** The options of the Web SDK's WebSockets as the settings say. */
export function signallingOptions(
  settings: Settings,
  { host, identity }: { readonly host: string; readonly identity: TlsIdentity | undefined },
): Partial<SignallingOptions> {
  const plain = { host, port: settings['ws.port'] };
  const secure = { host, port: settings['wss.port'], secure: true };
  return {
    listen: [plain, secure].filter(({ port }) => port !== 0),
    identity,
    maxConnections: settings.ws_max_sessions,
    resumeWindowMs: settings.ws_session_hold,
    roomApps: settings.ws_room_apps,
    maxRooms: settings.ws_rooms,
    maxRoomMembers: settings.ws_room_members,
    playWaitMs: settings.ws_play_wait,
    mediaSocketWaitMs: settings.mse_socket_wait,
    inboundVideoRateIntervalMs: settings.inbound_video_rate_stat_send_interval * 1000,
    outboundVideoRateIntervalMs: settings.outbound_video_rate_stat_send_interval * 1000,
    ...webSocketKeepAlive(settings),
  };
}
