import type { RedContent } from '@sluice/media';
import { type RtpExtension, redLength, writeRed, writeRtpHeader } from '@sluice/media';
import type { RtpFormat, RtpPlaces } from '@sluice/native';
import type { RtpLanePacket } from '../../../core/index.ts';
import type { SendFormat, SendTrackOptions } from './send-format.ts';
import type { Vp8Run } from './vp8-numbers.ts';

/** Where the packets of a peer go: encrypts in place and sends. */
export interface RtpSink {
  /** A buffer with room for a packet of that size and what encryption adds; valid until some hundred more were taken. */
  take(bytes: number): Buffer;
  /** Sends the first `length` bytes of a buffer that `take` gave. Who numbers packets itself does so at `places`. */
  sendRtp(buffer: Buffer, length: number, places?: RtpPlaces): void;
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
/** Of what goes before the value of the first extension, and of the next one: with one-byte elements, and with two-byte ones. */
const FIXED_HEADER_BYTES = 12;
const EXTENSION_HEADER_BYTES = 4;
const MAX_SHORT_ID = 14;
/** Room for the fixed header and our extensions. */
const MAX_HEADER_BYTES = 36;
const RTX_HEADER_BYTES = 2;
/** Of a packet that is nothing but padding; the last byte tells their number (RFC 3550 §5.1). */
const PADDING_BYTES = 224;
const PADDING_BIT = 0x20;
const PADDING = { marker: false, orientation: undefined };

/** Writes packets of one track for one peer, and sends them. Gives the bytes of each, with its header. */
export class PacketWriter {
  readonly #sink: RtpSink;
  readonly #options: SendTrackOptions;
  readonly #extensions: RtpExtension[] = [];
  readonly #sendTime: RtpExtension | undefined;
  readonly #transportNumber: RtpExtension | undefined;
  /** Of the packet that is being written: one object for all, as there are many. */
  readonly #header = {
    payloadType: 0,
    marker: false,
    sequence: 0,
    timestamp: 0,
    ssrc: 0,
    extensions: this.#extensions,
  };
  #rtxSequence = Math.floor(Math.random() * 0x8000);

  constructor(sink: RtpSink, options: SendTrackOptions) {
    this.#sink = sink;
    this.#options = options;
    const { sendTimeId, transportSequenceId } = options;
    this.#sendTime = sendTimeId === undefined ? undefined : { id: sendTimeId, value: new Uint8Array(3) };
    this.#transportNumber =
      transportSequenceId === undefined ? undefined : { id: transportSequenceId, value: new Uint8Array(2) };
  }

  /** How packets are written that are sent along a shared lane: as they would be here. */
  formatOf(format: SendFormat): Omit<RtpFormat, 'timestampOffset' | 'vp8'> {
    const { ssrc, sendTimeId, transportSequenceId, orientationId, path } = this.#options;
    const unique = this.#isUnique(format);
    return {
      ssrc,
      payloadType: format.payloadType,
      transportSequenceId: unique && path?.number !== undefined ? transportSequenceId : undefined,
      sendTimeId: unique ? sendTimeId : undefined,
      orientationId,
    };
  }

  // Hot path: once per packet and peer.
  write(packet: RtpLanePacket, format: SendFormat, numbers: PacketNumbers): number {
    const { payload } = packet;
    const buffer = this.#sink.take(MAX_HEADER_BYTES + payload.length);
    this.#address(numbers, format.payloadType, this.#options.ssrc);
    const header = this.#writeHeader(buffer, packet, format);
    buffer.set(payload, header);
    numbers.vp8?.write(buffer, header, packet.sequence);
    return this.#send(buffer, header + payload.length);
  }

  /** Sound with what was sent before it once more (RFC 2198). */
  writeRed(packet: RtpLanePacket, content: RedContent, as: PacketNumbers & { readonly format: SendFormat }): number {
    const length = redLength(content);
    const buffer = this.#sink.take(MAX_HEADER_BYTES + length);
    const { format } = as;
    this.#address(as, format.redPayloadType ?? format.payloadType, this.#options.ssrc);
    const header = this.#writeHeader(buffer, packet, format);
    return this.#send(buffer, writeRed(buffer, header, content));
  }

  /** The same payload under the numbers of the retransmission stream, with its own number in front (RFC 4588 §4). */
  writeRtx(packet: RtpLanePacket, format: SendFormat, numbers: PacketNumbers): number {
    const { payload } = packet;
    const buffer = this.#sink.take(MAX_HEADER_BYTES + RTX_HEADER_BYTES + payload.length);
    this.#addressRtx(numbers.timestamp, format);
    const header = this.#writeHeader(buffer, packet, format);
    buffer.writeUInt16BE(numbers.sequence & 0xffff, header);
    buffer.set(payload, header + RTX_HEADER_BYTES);
    numbers.vp8?.write(buffer, header + RTX_HEADER_BYTES, packet.sequence);
    return this.#send(buffer, header + RTX_HEADER_BYTES + payload.length);
  }

  /** A packet of padding in the retransmission stream: it is counted on the way, and nothing else comes of it. */
  writePadding(format: SendFormat, timestamp: number): number {
    const buffer = this.#sink.take(MAX_HEADER_BYTES + PADDING_BYTES);
    this.#addressRtx(timestamp, format);
    const header = this.#writeHeader(buffer, PADDING, format);
    buffer[0] = (buffer[0] ?? 0) | PADDING_BIT;
    buffer.fill(0, header, header + PADDING_BYTES);
    buffer[header + PADDING_BYTES - 1] = PADDING_BYTES;
    return this.#send(buffer, header + PADDING_BYTES);
  }

  #send(buffer: Buffer, length: number): number {
    const { path } = this.#options;
    this.#places.mark = this.#numbered ? (path?.onNumbered(length) ?? 0) : 0;
    this.#sink.sendRtp(buffer, length, this.#places);
    return length;
  }

  /** Of the packet that was written last, for who fills them in. */
  readonly #places = { transportSequenceAt: 0, sendTimeAt: 0, mark: 0 };
  /** The packet that was written last has a transport-wide number. */
  #numbered = false;

  #address({ sequence, timestamp }: PacketNumbers, payloadType: number, ssrc: number): void {
    const header = this.#header;
    header.sequence = sequence & 0xffff;
    header.timestamp = timestamp >>> 0;
    header.payloadType = payloadType;
    header.ssrc = ssrc;
  }

  #addressRtx(timestamp: number, format: SendFormat): void {
    const header = this.#header;
    header.sequence = this.#rtxSequence++ & 0xffff;
    header.timestamp = timestamp >>> 0;
    header.payloadType = format.rtxPayloadType ?? 0;
    header.ssrc = this.#options.rtxSsrc;
  }

  #writeHeader(buffer: Buffer, packet: Pick<RtpLanePacket, 'marker' | 'orientation'>, format: SendFormat): number {
    const { orientationId, path } = this.#options;
    this.#extensions.length = 0;
    const unique = this.#isUnique(format);
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
    this.#header.marker = packet.marker;
    this.#findPlaces();
    return writeRtpHeader(buffer, this.#header);
  }

  /**
   * Without a stream of retransmissions a packet may be sent twice under one number, which its encryption survives only
   * when it is the same, byte for byte: such packets don't tell of the moment at which they are sent.
   */
  #isUnique(format: SendFormat): boolean {
    return format.rtxPayloadType !== undefined || this.#options.repeats === false;
  }

  /** Where the extensions are that tell of the moment of sending: they are the first ones. */
  #findPlaces(): void {
    const extensions = this.#extensions;
    let headBytes = 1;
    for (let i = 0; i < extensions.length; i++) if ((extensions[i]?.id ?? 0) > MAX_SHORT_ID) headBytes = 2;
    let at = FIXED_HEADER_BYTES + EXTENSION_HEADER_BYTES + headBytes;
    this.#places.transportSequenceAt = 0;
    this.#places.sendTimeAt = 0;
    for (let i = 0; i < extensions.length; i++) {
      const element = extensions[i];
      if (element === this.#transportNumber) this.#places.transportSequenceAt = at;
      else if (element === this.#sendTime) this.#places.sendTimeAt = at;
      at += (element?.value.length ?? 0) + headBytes;
    }
  }
}

/** Seconds modulo 64 with 18 bits of fraction, as `absoluteSendTime` reads them. */
function writeSendTime(bytes: Uint8Array, nowMs: number): void {
  const time = Math.floor((nowMs % 64_000) * SEND_TIME_TICKS_PER_MS);
  bytes[0] = time >> 16;
  bytes[1] = time >> 8;
  bytes[2] = time;
}
