import type { UdpRelay } from './udp-relay.ts';

const RTP_HEADER_BYTES = 12;
const VIDEO_TICKS_PER_MS = 90;

/**
 * The pictures that a client really sends to a server, seen on its line before anything is lost: timestamps and sources
 * are not encrypted (RFC 3711 §3.1). A browser that is short of time gives up pictures even after it has encoded them.
 */
export class SentPictures {
  readonly #timestamps = new Map<number, Set<number>>();

  constructor(line: UdpRelay) {
    line.onDatagram = (direction, datagram) => {
      if (direction === 'up') this.#see(datagram);
    };
  }

  /** Times of the pictures of a source in the order of sending, on the clock of their RTP timestamps, milliseconds. */
  timesMs(ssrc: number): number[] {
    const timestamps = [...(this.#timestamps.get(ssrc) ?? [])];
    const first = timestamps[0] ?? 0;
    // Differences of 32-bit numbers, which may have wrapped.
    return timestamps.map((timestamp) => ((timestamp - first) | 0) / VIDEO_TICKS_PER_MS);
  }

  #see(datagram: Buffer): void {
    const isRtp = (datagram[0] ?? 0) >> 6 === 2 && datagram.length >= RTP_HEADER_BYTES;
    const type = datagram[1] ?? 0;
    // RTCP shares the port (RFC 5761 §4).
    if (!isRtp || (type >= 192 && type <= 223)) return;
    const ssrc = datagram.readUInt32BE(8);
    const timestamps = this.#timestamps.get(ssrc) ?? new Set();
    timestamps.add(datagram.readUInt32BE(4));
    this.#timestamps.set(ssrc, timestamps);
  }
}
