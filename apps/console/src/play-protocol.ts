import type { OverviewPorts } from '@sluice/contract';
import { type Ref, ref, watch } from 'vue';

/** How the page's player gets a stream. */
export type PlayProtocol = 'webrtc' | 'hls' | 'flv' | 'ws-flv';

/** One choice of the player, with what a person should know about it. */
export interface ProtocolChoice {
  readonly id: PlayProtocol;
  readonly label: string;
  readonly about: string;
}

/** All choices, in the order they are offered. */
export const PROTOCOLS: readonly ProtocolChoice[] = [
  { id: 'webrtc', label: 'WebRTC', about: 'A fraction of a second behind; needs UDP to the server.' },
  { id: 'hls', label: 'HLS', about: 'Plays on every device; some seconds behind.' },
  { id: 'flv', label: 'HTTP-FLV', about: 'About one second behind; played by mpegts.js.' },
  { id: 'ws-flv', label: 'WebSocket-FLV', about: 'As HTTP-FLV, for networks where only a WebSocket goes through.' },
];

/** Why a choice can not be taken on this server and page; those that can are left out. */
export type ProtocolObstacles = Readonly<Partial<Record<PlayProtocol, string>>>;

/** What stands in the way of playing from a server with these ports in the page at `page`. */
export function protocolObstacles(
  ports: OverviewPorts,
  page: { readonly protocol: string; readonly hostname: string },
): ProtocolObstacles {
  const obstacles: Partial<Record<PlayProtocol, string>> = {};
  if (!ports.webrtc) obstacles.webrtc = 'WebRTC is turned off on this server.';
  if (ports.hls === 0) obstacles.hls = 'HLS is turned off on this server.';
  else if (page.protocol === 'https:' && !LOOPBACK.test(page.hostname))
    obstacles.hls = 'HLS comes by http:// here, which browsers do not load into a page that came by https://.';
  return obstacles;
}

/** Names of this machine, to which browsers let any page speak by http. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const STORAGE_KEY = 'sluice.play-protocol';

/** What was chosen last in this browser; shared by all players of the page. */
export const chosenProtocol: Ref<PlayProtocol> = ref(remembered());

watch(chosenProtocol, (now) => {
  try {
    localStorage.setItem(STORAGE_KEY, now);
  } catch {
    // A browser that stores nothing for this page; the choice lasts until it is closed.
  }
});

function remembered(): PlayProtocol {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return PROTOCOLS.find((choice) => choice.id === stored)?.id ?? 'hls';
  } catch {
    return 'hls';
  }
}
