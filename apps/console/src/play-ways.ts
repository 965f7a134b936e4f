import type { OverviewStream } from '@sluice/contract';
import {
  isHls,
  isOffered,
  needsTls,
  type PlayPage,
  type PlayPorts,
  type PlayProtocol,
  protocolName,
  protocolObstacles,
} from './play-protocol.ts';
import { planPlayback } from './playability.ts';
import { mediaSourceClass } from './player-source.ts';
import type { PlayerTarget } from './player-state.ts';
import { COMES_BY_HLS, type Way } from './stream-state.ts';
import { hostInUrl, ladderPath } from './url-parts.ts';

/** What decides which ways to play are open. */
export interface WayFacts {
  readonly order: readonly PlayProtocol[];
  readonly ports: PlayPorts;
  readonly page: PlayPage;
  /** Undefined while it is not live, or where nothing is told of it. */
  readonly stream: OverviewStream | undefined;
  /** Name of the quality that is wished, or `auto`; empty for the picture as it is published. */
  readonly quality?: string;
}

/** The ways in the order given, each with what stands in its way. */
export function waysToPlay({ order, ports, page, stream, quality = '' }: WayFacts): readonly Way[] {
  const takesLadder = quality !== '' && ports.hlsLadder && order.some(isHls);
  const obstacles = protocolObstacles(ports, page);
  return order.map((protocol) => {
    const off = isOffered(protocol, ports) ? '' : `${protocolName(protocol)} is turned off on this server.`;
    const other = takesLadder && !isHls(protocol) ? COMES_BY_HLS : '';
    const obstacle =
      off || other || obstacles[protocol] || browserObstacle(protocol) || planPlayback(stream, protocol).problem;
    return { protocol, obstacle };
  });
}

/** What this browser lacks; empty when it lacks nothing that can be known before playing. */
function browserObstacle(protocol: PlayProtocol): string {
  if (protocol === 'webrtc') return typeof RTCPeerConnection === 'function' ? '' : 'This browser has no WebRTC.';
  if (isHls(protocol)) return '';
  return mediaSourceClass() === undefined ? 'This browser has no Media Source Extensions.' : '';
}

/** How a stream is to be had, beside the protocol. */
export interface TargetWishes {
  readonly name: string;
  readonly ports: PlayPorts;
  readonly stream?: OverviewStream | undefined;
  readonly calm?: boolean;
  /** Empty for the picture as it is published, `auto` for what the line takes, else the name of one quality. */
  readonly quality?: string;
  /** Size of the picture that the server is to make. */
  readonly picture?: { readonly width?: number | undefined; readonly height?: number | undefined } | undefined;
  /** Parameters that go to the server with each address, such as a token. */
  readonly custom?: Readonly<Record<string, string>>;
}

/** What a page plays of the server that it came from. */
export function playTarget(protocol: PlayProtocol, wishes: TargetWishes): PlayerTarget {
  const { name, ports, stream, calm = false, quality = '', picture = {}, custom = {} } = wishes;
  const ladder = isHls(protocol) && quality !== '' && ports.hlsLadder;
  const base = isHls(protocol) ? hlsAddress(name, ports, ladder) : webAddress(protocol, name);
  const url = new URL(base);
  for (const [key, value] of Object.entries(custom)) url.searchParams.set(key, value);
  if (protocol === 'flv' || protocol === 'ws-flv') addFlvQuery(url, planPlayback(stream, protocol).flvQuery);
  if (protocol === 'webrtc' || protocol === 'mse') {
    for (const key of ['width', 'height'] as const) if (picture[key]) url.searchParams.set(key, String(picture[key]));
  }
  return { protocol, url: url.href, calm, ladder, quality: quality === 'auto' ? '' : quality };
}

/** HLS has ports of its own, and pages that came by https load nothing else. */
function hlsAddress(name: string, ports: PlayPorts, ladder: boolean): string {
  const secure = ports.hls === 0 || (needsTls(location) && ports.hlsSecure > 0);
  const host = hostInUrl(location.hostname.replace(/^\[|\]$/g, ''));
  const encoded = encodeURIComponent(name);
  const path = ladder ? ladderPath(encoded) : `/${encoded}/${encoded}.m3u8`;
  return `${secure ? 'https' : 'http'}://${host}:${secure ? ports.hlsSecure : ports.hls}${path}`;
}

/** All else comes from where the page came from, so that it works behind a proxy and by https as well. */
function webAddress(protocol: PlayProtocol, name: string): string {
  const encoded = encodeURIComponent(name);
  const paths: Partial<Record<PlayProtocol, string>> = { webrtc: `whep/${encoded}`, mse: `mse/${encoded}` };
  const address = new URL(paths[protocol] ?? `flv/${encoded}.flv`, document.baseURI);
  address.hash = '';
  if (protocol === 'ws-flv' || protocol === 'mse') address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}

function addFlvQuery(url: URL, query: string): void {
  for (const [key, value] of new URLSearchParams(query)) url.searchParams.set(key, value);
}
