import type { NumberPair } from '../wire/transport.ts';

/** Whose packet it is: the track's position, and whether it is RTCP, which alone may be of nobody knows which track. */
export type Route =
  | { readonly track: number; readonly rtcp: boolean }
  | { readonly track: undefined; readonly rtcp: true };

interface Entry {
  readonly track: number;
  readonly payloadType: number;
  readonly channels: NumberPair;
}

/**
 * Tells which track an interleaved packet belongs to. Channels are those that the server agreed to; where it sends on
 * others, or gave the same ones to two tracks, the payload type decides.
 */
export class ChannelRoutes {
  readonly #entries: Entry[] = [];
  readonly #routes = new Map<number, Route | undefined>();

  /** Adds a track; each once. */
  add(track: number, payloadType: number, channels: NumberPair): void {
    this.#entries.push({ track, payloadType, channels });
    for (const [index, channel] of channels.entries())
      this.#routes.set(channel, this.#routes.has(channel) ? undefined : { track, rtcp: index === 1 });
  }

  /** Where our RTCP about a track goes. */
  rtcpChannel(track: number): number | undefined {
    return this.#entries.find((entry) => entry.track === track)?.channels[1];
  }

  /** The route of a packet; undefined for what belongs to no track. Hot path: a look-up. */
  find(channel: number, packet: Uint8Array): Route | undefined {
    const known = this.#routes.get(channel);
    if (known !== undefined) return known;
    const second = packet[1] ?? 0;
    // RFC 5761 §4: RTCP has 192 to 223 there, which no RTP packet has.
    if (second >= 192 && second <= 223) return { track: undefined, rtcp: true };
    const matching = this.#entries.filter(({ payloadType }) => payloadType === (second & 0x7f));
    const [only] = matching;
    return only !== undefined && matching.length === 1 ? { track: only.track, rtcp: false } : undefined;
  }
}
