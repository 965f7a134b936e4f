import { ProtocolError, parseRtp, type RtpPacket } from '@sluice/media';
import { RtpOrder, type RtpOrderEvents } from './rtp-order.ts';

const SYNC_BYTE = 0x47;
/** Distances of transport packets: plain, M2TS, DVB with check bytes. */
const SPACINGS = [188, 192, 204];
/** Datagrams that are compared, to see whether the network gave one twice. */
const REMEMBERED = 4;

/** True for bytes with transport packets in them: three in a row anywhere, or nothing but whole ones. */
export function looksLikeTransportStream(bytes: Uint8Array): boolean {
  if (bytes.length > 0 && bytes.length % 188 === 0 && bytes.length < 3 * 188)
    return bytes[0] === SYNC_BYTE && bytes[bytes.length - 188] === SYNC_BYTE;
  return SPACINGS.some((spacing) => {
    for (let at = 0; at < spacing && at + 2 * spacing < bytes.length; at++)
      if (bytes[at] === SYNC_BYTE && bytes[at + spacing] === SYNC_BYTE && bytes[at + 2 * spacing] === SYNC_BYTE)
        return true;
    return false;
  });
}

/** Gives the bytes of a transport stream out of datagrams of one sender. */
export interface SenderFormat {
  push(datagram: Uint8Array, nowMs: number): void;
  /** To be called now and then. */
  check(nowMs: number): void;
}

/**
 * How a sender sends, from one datagram: transport packets alone, or in RTP (RFC 2250 §2). Undefined for what is no
 * transport stream.
 */
export function senderFormatOf(datagram: Uint8Array, events: RtpOrderEvents): SenderFormat | undefined {
  if (looksLikeTransportStream(datagram) && datagram[0] === SYNC_BYTE) return new PlainSender(events);
  const rtp = readRtp(datagram);
  if (rtp !== undefined && looksLikeTransportStream(rtp.payload)) return new RtpSender(rtp, events);
  return looksLikeTransportStream(datagram) ? new PlainSender(events) : undefined;
}

class PlainSender implements SenderFormat {
  readonly #events: RtpOrderEvents;
  /** The last datagrams: their counters go round, so the same bytes are the same datagram. */
  readonly #last: Uint8Array[] = [];

  constructor(events: RtpOrderEvents) {
    this.#events = events;
  }

  push(datagram: Uint8Array): void {
    if (this.#last.some((known) => Buffer.compare(known, datagram) === 0)) return;
    this.#last.push(datagram);
    if (this.#last.length > REMEMBERED) this.#last.shift();
    this.#events.onPayload(datagram);
  }

  check(): void {}
}

class RtpSender implements SenderFormat {
  readonly #order: RtpOrder;
  readonly #payloadType: number;
  #ssrc: number;

  constructor(first: RtpPacket, events: RtpOrderEvents) {
    this.#order = new RtpOrder(events);
    this.#payloadType = first.payloadType;
    this.#ssrc = first.ssrc;
  }

  push(datagram: Uint8Array, nowMs: number): void {
    const rtp = readRtp(datagram);
    // RTCP at the same port has other numbers there.
    if (rtp === undefined || rtp.payloadType !== this.#payloadType) return;
    if (rtp.ssrc !== this.#ssrc) {
      this.#ssrc = rtp.ssrc;
      this.#order.reset();
    }
    this.#order.push(rtp.sequence, rtp.payload, nowMs);
    this.#order.check(nowMs);
  }

  check(nowMs: number): void {
    this.#order.check(nowMs);
  }
}

function readRtp(datagram: Uint8Array): RtpPacket | undefined {
  try {
    return parseRtp(datagram);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
