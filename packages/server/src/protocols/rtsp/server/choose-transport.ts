import { type NumberPair, parseTransports, type RtspTransport } from '../wire/transport.ts';

/** How the media of one track goes. */
export type MediaPath =
  | { readonly kind: 'tcp'; readonly channels: NumberPair }
  | { readonly kind: 'udp'; readonly clientPorts: NumberPair };

export interface TransportNeeds {
  readonly mode: 'play' | 'record';
  /** What the other tracks of the session have; undefined for the first one. All must have the same. */
  readonly kind: MediaPath['kind'] | undefined;
  readonly udpEnabled: boolean;
  /** Channels that other tracks have. */
  readonly usedChannels: readonly NumberPair[];
  /** Channel of RTP unless the client wants another one. */
  readonly usualChannel: number;
}

/** The first of the client's alternatives that can be served; undefined when none can: 461. */
export function chooseTransport(header: string, needs: TransportNeeds): MediaPath | undefined {
  for (const transport of parseTransports(header)) {
    const path = pathOf(transport, needs);
    if (path !== undefined) return path;
  }
  return undefined;
}

function pathOf(transport: RtspTransport, needs: TransportNeeds): MediaPath | undefined {
  if (transport.profile !== 'RTP/AVP' && transport.profile !== 'RTP/AVPF') return undefined;
  if (transport.delivery === 'multicast' || !fitsMode(transport.mode, needs.mode)) return undefined;
  const kind = transport.lower === 'TCP' ? 'tcp' : 'udp';
  if (needs.kind !== undefined && needs.kind !== kind) return undefined;
  if (kind === 'tcp') return { kind, channels: channelsFor(transport.interleaved, needs) };
  const { clientPort } = transport;
  if (!needs.udpEnabled || clientPort === undefined || clientPort[0] === 0 || clientPort[1] === 0) return undefined;
  return { kind, clientPorts: clientPort };
}

/** Old publishers say `receive`, as they see it from our side. */
function fitsMode(mode: string | undefined, wanted: 'play' | 'record'): boolean {
  if (wanted === 'play') return mode === undefined || mode === 'play';
  return mode === undefined || mode === 'record' || mode === 'receive';
}

/** RFC 2326 §12.39 lets the server choose others than the client wants, as when another track has them. */
function channelsFor(wanted: NumberPair | undefined, { usedChannels, usualChannel }: TransportNeeds): NumberPair {
  const isFree = ([rtp, rtcp]: NumberPair): boolean =>
    rtcp === rtp + 1 && usedChannels.every((used) => !used.includes(rtp) && !used.includes(rtcp));
  const first: NumberPair = wanted ?? [usualChannel, usualChannel + 1];
  if (isFree(first)) return first;
  for (let channel = 0; channel < 254; channel += 2) if (isFree([channel, channel + 1])) return [channel, channel + 1];
  return first;
}
