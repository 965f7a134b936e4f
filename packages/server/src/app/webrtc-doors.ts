import type { Log } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';
import {
  TurnServer,
  type WebRtcDeps,
  type WebRtcOptions,
  WebRtcServer,
  type WhipDeps,
  WhipMount,
} from '../protocols/webrtc/index.ts';
import { checkAddress } from './address-check.ts';
import type { Settings } from './settings/index.ts';
import { turnIceServers, turnOptions } from './turn-options.ts';
import { whipOptions } from './webrtc-options.ts';

/** WebRTC with all that is built on it; what is undefined is off. */
export interface WebRtcDoors {
  readonly webrtc: WebRtcServer | undefined;
  readonly turn: TurnServer | undefined;
  readonly whip: WhipMount | undefined;
  readonly whep: WhipMount | undefined;
}

export interface WebRtcPlace {
  readonly dataDir: string;
  readonly host: string;
  readonly identity: TlsIdentity | undefined;
  /** Undefined: WebRTC is off. */
  readonly webrtc: WebRtcOptions | undefined;
  readonly allowsOrigin: WhipDeps['allowsOrigin'];
}

/** Makes what WebRTC clients connect to, in the order in which it is started. */
export function makeWebRtc(
  settings: Settings,
  deps: WebRtcDeps & Omit<WhipDeps, 'gateway' | 'allowsOrigin'>,
  { dataDir, host, identity, webrtc: options, allowsOrigin }: WebRtcPlace,
): WebRtcDoors {
  if (options === undefined) return { webrtc: undefined, turn: undefined, whip: undefined, whep: undefined };
  const webrtc = new WebRtcServer(deps, options);
  const turnSettings = turnOptions(settings, { dataDir, host, identity, addresses: options.addresses });
  const turn = turnSettings && new TurnServer({ ...deps, port: webrtc.mediaPort }, turnSettings);
  const withWhip = settings.whip_enabled && settings['http.port'] !== 0;
  const whipDeps = { ...deps, gateway: webrtc, allowsOrigin };
  const told = { ...whipOptions(settings), iceServers: turnIceServers(settings, turn) };
  return {
    webrtc,
    turn,
    whip: withWhip ? new WhipMount('publish', whipDeps, told) : undefined,
    whep: withWhip ? new WhipMount('play', whipDeps, told) : undefined,
  };
}

/** Tells the log when clients seem unable to reach the address that they are told for media. Nobody need wait for it. */
export async function checkMediaAddress(
  settings: Settings,
  webrtc: WebRtcServer,
  { options, log }: { readonly options: WebRtcOptions; readonly log: Log },
): Promise<void> {
  if (!settings.webrtc_address_check) return;
  const about = {
    ip: settings.ip,
    advertised: options.addresses,
    bindAddress: settings.bind_address === '::' ? undefined : settings.bind_address,
    port: webrtc.port,
    tcp: options.tcp !== undefined,
    stunServer: settings.webrtc_stun_server,
  };
  await checkAddress(about, { log, askOutside: (server, timeoutMs) => webrtc.askOutside(server, timeoutMs) });
}
