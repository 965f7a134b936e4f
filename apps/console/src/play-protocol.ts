import type { OverviewPorts } from '@sluice/contract';

/** How the page's player gets a stream. */
export type PlayProtocol = 'webrtc' | 'mse' | 'll-hls' | 'hls' | 'flv' | 'ws-flv';

/** What a person chooses: one way, or that the player finds the best. */
export type PlayChoice = 'auto' | PlayProtocol;

/** One choice of the player, with what a person should know about it. */
export interface ProtocolChoice {
  readonly id: PlayChoice;
  readonly label: string;
  readonly about: string;
}

/** All choices, in the order they are offered. */
export const PROTOCOLS: readonly ProtocolChoice[] = [
  { id: 'auto', label: 'Automatic', about: 'Takes the way with the least delay that this browser and network can.' },
  {
    id: 'webrtc',
    label: 'WebRTC',
    about: 'A fraction of a second behind; by UDP, where that is blocked by TCP or TURN.',
  },
  { id: 'mse', label: 'MSE', about: 'Less than a second behind, over a WebSocket; goes where web pages go.' },
  { id: 'll-hls', label: 'LL-HLS', about: 'Two seconds behind; goes through proxies and caches.' },
  { id: 'hls', label: 'HLS', about: 'Plays on every device; some seconds behind.' },
  { id: 'flv', label: 'HTTP-FLV', about: 'About one second behind; played by mpegts.js.' },
  { id: 'ws-flv', label: 'WebSocket-FLV', about: 'As HTTP-FLV, for networks where only a WebSocket goes through.' },
];

/** The ways that are tried without being asked, the one with the least delay first. */
export const AUTOMATIC_ORDER: readonly PlayProtocol[] = ['webrtc', 'mse', 'll-hls', 'hls'];

/** The name that people use for a way to play. */
export function protocolName(protocol: PlayChoice): string {
  return PROTOCOLS.find(({ id }) => id === protocol)?.label ?? protocol;
}

/** True for the ways that load playlists and segments. */
export function isHls(protocol: PlayChoice): boolean {
  return protocol === 'hls' || protocol === 'll-hls';
}

/** The ports that decide about ways to play. */
export type PlayPorts = Pick<
  OverviewPorts,
  'hls' | 'hlsSecure' | 'http' | 'https' | 'webrtc' | 'mse' | 'lowLatencyHls' | 'hlsLadder'
>;

/** False for ways that a server may well not have at all, and has not. */
export function isOffered(protocol: PlayChoice, ports: PlayPorts): boolean {
  if (protocol === 'mse') return ports.mse;
  if (protocol === 'll-hls') return ports.lowLatencyHls && (ports.hls > 0 || ports.hlsSecure > 0);
  return true;
}

/** Why a choice can not be taken on this server and page; those that can are left out. */
export type ProtocolObstacles = Readonly<Partial<Record<PlayProtocol, string>>>;

/** The page that plays, as far as browsers judge by it. */
export interface PlayPage {
  readonly protocol: string;
  readonly hostname: string;
}

/** What stands in the way of playing from a server with these ports in the page at `page`. */
export function protocolObstacles(ports: PlayPorts, page: PlayPage): ProtocolObstacles {
  const obstacles: Partial<Record<PlayProtocol, string>> = {};
  if (!ports.webrtc) obstacles.webrtc = 'WebRTC is turned off on this server.';
  const hls = hlsObstacle(ports, page);
  if (hls === '') return obstacles;
  if (isOffered('ll-hls', ports)) obstacles['ll-hls'] = hls;
  obstacles.hls = hls;
  return obstacles;
}

/** True where browsers load nothing by http into the page. */
export function needsTls({ protocol, hostname }: PlayPage): boolean {
  return protocol === 'https:' && !LOOPBACK.test(hostname);
}

function hlsObstacle(ports: PlayPorts, page: PlayPage): string {
  if (ports.hls === 0 && ports.hlsSecure === 0) return 'HLS is turned off on this server.';
  if (needsTls(page) && ports.hlsSecure === 0)
    return 'HLS comes by http:// here, which browsers do not load into a page that came by https://.';
  return '';
}

/** Names of this machine, to which browsers let any page speak by http. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
