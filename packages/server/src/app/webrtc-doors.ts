import type { TlsIdentity } from '../io/index.ts';
import {
  TurnServer,
  type WebRtcDeps,
  type WebRtcOptions,
  WebRtcServer,
  type WhipDeps,
  WhipMount,
} from '../protocols/webrtc/index.ts';
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
