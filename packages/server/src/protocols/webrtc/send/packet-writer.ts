import type { RedContent } from '@sluice/media';
import { type RtpExtension, type RtpHeaderFields, redLength, writeRed, writeRtpHeader } from '@sluice/media';
import type { RtpLanePacket } from '../../../core/index.ts';
import type { SendFormat, SendTrackOptions } from './send-track.ts';
import type { Vp8Run } from './vp8-numbers.ts';

/** Where the packets of a peer go: encrypts in place and sends. */
export interface RtpSink {
  /** A buffer with room for a packet of that size and what encryption adds; valid until some hundred more were taken. */
  take(bytes: number): Buffer;
  /** Sends the first `length` bytes of a buffer that `take` gave. */
  sendRtp(buffer: Buffer, length: number): void;
}

/** The numbers of a packet that is written. */
export interface PacketNumbers {
  /** The low 16 bits count. */
  readonly sequence: number;
  /** The low 32 bits count. */
  readonly timestamp: number;
  /** What numbers frames of VP8 for this peer. */
  readonly vp8?: Vp8Run | undefined;
}

const SEND_TIME_TICKS_PER_MS = 262.144;
/** Room for the fixed header and our extensions. */
const MAX_HEADER_BYTES = 36;
const RTX_HEADER_BYTES = 2;
/** Of a packet that is nothing but padding; the last byte tells their number (RFC 3550 §5.1). */
const PADDING_BYTES = 224;
const PADDING_BIT = 0x20;

/** Writes packets of one track for one peer, and sends them. Gives the bytes of each, with its header. */
export class PacketWriter {
  readonly #sink: RtpSink;
  readonly #options: SendTrackOptions;
  readonly #extensions: RtpExtension[] = [];
  readonly #sendTime: RtpExtension | undefined;
  readonly #transportNumber: RtpExtension | undefined;
  #rtxSequence = Math.floor(Math.random() * 0x8000);

  constructor(sink: RtpSink, options: SendTrackOptions) {
    this.#sink = sink;
    this.#options = options;
    const { sendTimeId, transportSequenceId } = options;
    this.#sendTime = sendTimeId === undefined ? undefined : { id: sendTimeId, value: new Uint8Array(3) };
    this.#transportNumber =
      transportSequenceId === undefined ? undefined : { id: transportSequenceId, value: new Uint8Array(2) };
  }

  // Hot path: once per packet and peer.
  write(packet: RtpLanePacket, format: SendFormat, numbers: PacketNumbers): number {
    const { payload } = packet;
    const buffer = this.#sink.take(MAX_HEADER_BYTES + payload.length);
    const { payloadType } = format;
    const header = this.#writeHeader(buffer, packet, { ...numbers, format, payloadType, ssrc: this.#options.ssrc });
    buffer.set(payload, header);
    numbers.vp8?.write(buffer, header, packet.sequence);
    return this.#send(buffer, header + payload.length);
  }

  /** Sound with what was sent before it once more (RFC 2198). */
  writeRed(packet: RtpLanePacket, content: RedContent, as: PacketNumbers & { readonly format: SendFormat }): number {
    const length = redLength(content);
    const buffer = this.#sink.take(MAX_HEADER_BYTES + length);
    const { format } = as;
    const payloadType = format.redPayloadType ?? format.payloadType;
    const header = this.#writeHeader(buffer, packet, { ...as, payloadType, ssrc: this.#options.ssrc });
    return this.#send(buffer, writeRed(buffer, header, content));
  }

  /** The same payload under the numbers of the retransmission stream, with its own number in front (RFC 4588 §4). */
  writeRtx(packet: RtpLanePacket, format: SendFormat, numbers: PacketNumbers): number {
    const { payload } = packet;
    const buffer = this.#sink.take(MAX_HEADER_BYTES + RTX_HEADER_BYTES + payload.length);
    const header = this.#writeHeader(buffer, packet, {
      sequence: this.#rtxSequence++,
      timestamp: numbers.timestamp,
      format,
      payloadType: format.rtxPayloadType ?? 0,
      ssrc: this.#options.rtxSsrc,
    });
    buffer.writeUInt16BE(numbers.sequence & 0xffff, header);
    buffer.set(payload, header + RTX_HEADER_BYTES);
    numbers.vp8?.write(buffer, header + RTX_HEADER_BYTES, packet.sequence);
    return this.#send(buffer, header + RTX_HEADER_BYTES + payload.length);
  }

  /** A packet of padding in the retransmission stream: it is counted on the way, and nothing else comes of it. */
  writePadding(format: SendFormat, timestamp: number): number {
    const buffer = this.#sink.take(MAX_HEADER_BYTES + PADDING_BYTES);
    const payloadType = format.rtxPayloadType ?? 0;
    const numbers = { sequence: this.#rtxSequence++, timestamp, payloadType, ssrc: this.#options.rtxSsrc };
    const header = this.#writeHeader(buffer, { marker: false, orientation: undefined }, { ...numbers, format });
    buffer[0] = (buffer[0] ?? 0) | PADDING_BIT;
    buffer.fill(0, header, header + PADDING_BYTES);
    buffer[header + PADDING_BYTES - 1] = PADDING_BYTES;
    return this.#send(buffer, header + PADDING_BYTES);
  }

  #send(buffer: Buffer, length: number): number {
    this.#sink.sendRtp(buffer, length);
    if (this.#numbered) this.#options.path?.onNumbered(length);
    return length;
  }

  /** The packet that was written last has a transport-wide number. */
  #numbered = false;

  #writeHeader(
    buffer: Buffer,
    packet: Pick<RtpLanePacket, 'marker' | 'orientation'>,
    fields: Pick<RtpHeaderFields, 'sequence' | 'timestamp' | 'payloadType' | 'ssrc'> & { readonly format: SendFormat },
  ): number {
    const { orientationId, repeats, path } = this.#options;
    this.#extensions.length = 0;
    // Without a stream of retransmissions a packet may be sent twice under one number, which its encryption survives only
    // when it is the same, byte for byte: such packets don't tell of the moment at which they are sent.
    const unique = fields.format.rtxPayloadType !== undefined || repeats === false;
    this.#numbered = unique && this.#transportNumber !== undefined && path?.number !== undefined;
    if (this.#numbered && this.#transportNumber !== undefined) {
      const number = path?.number ?? 0;
      this.#transportNumber.value[0] = number >> 8;
      this.#transportNumber.value[1] = number;
      this.#extensions.push(this.#transportNumber);
    }
    if (this.#sendTime !== undefined && unique) {
      writeSendTime(this.#sendTime.value, performance.now());
      this.#extensions.push(this.#sendTime);
    }
    if (orientationId !== undefined && packet.orientation !== undefined)
      this.#extensions.push({ id: orientationId, value: Uint8Array.of(packet.orientation) });
    return writeRtpHeader(buffer, {
      payloadType: fields.payloadType,
      marker: packet.marker,
      sequence: fields.sequence & 0xffff,
      timestamp: fields.timestamp >>> 0,
      ssrc: fields.ssrc,
      extensions: this.#extensions,
    });
  }
}

/** Seconds modulo 64 with 18 bits of fraction, as `absoluteSendTime` reads them. */
function writeSendTime(bytes: Uint8Array, nowMs: number): void {
  const time = Math.floor((nowMs % 64_000) * SEND_TIME_TICKS_PER_MS);
  bytes[0] = time >> 16;
  bytes[1] = time >> 8;
  bytes[2] = time;
}
