/** One packet of a track, without header, as it goes into a lane. */
export interface LanePacket {
  /** The lane's own numbering, unwrapped: 0 or more. */
  readonly sequence: number;
  /** The low 32 bits count. */
  readonly timestamp: number;
  readonly marker: boolean;
  /** A decoder can begin with it; true for every packet of sound. */
  readonly startPoint: boolean;
  /** At least one byte. */
  readonly payload: Uint8Array;
  /** The byte of the video orientation header extension. */
  readonly orientation?: number | undefined;
}

/** Numbers that describe a packet: sequence, timestamp, flags, orientation or -1, offset, length. */
export const PACKET_FIELDS = 6;
export const MARKER = 1;
export const START_POINT = 2;
/** A datagram holds no more. */
const MAX_PAYLOAD_BYTES = 60_000;

/** Packets on their way into a lane, in memory that is used again and again. */
export class LaneBatch {
  /** Payloads, one behind the other. */
  bytes = new Uint8Array(32 * 1024);
  usedBytes = 0;
  /** `PACKET_FIELDS` numbers for each packet. */
  fields = new Float64Array(64 * PACKET_FIELDS);
  count = 0;

  /**
   * Copies a packet in. Hot path: allocates only while batches grow.
   * @throws RangeError for a packet that no lane takes
   */
  add(packet: LanePacket): void {
    const { payload, sequence } = packet;
    if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES || !Number.isSafeInteger(sequence) || sequence < 0)
      throw new RangeError(`packet ${sequence} of ${payload.length} bytes can not go into a lane`);
    if (this.usedBytes + payload.length > this.bytes.length) this.#growBytes(payload.length);
    const at = this.count * PACKET_FIELDS;
    if (at === this.fields.length) this.#growFields();
    const { fields } = this;
    fields[at] = sequence;
    fields[at + 1] = packet.timestamp;
    fields[at + 2] = (packet.marker ? MARKER : 0) | (packet.startPoint ? START_POINT : 0);
    fields[at + 3] = packet.orientation ?? -1;
    fields[at + 4] = this.usedBytes;
    fields[at + 5] = payload.length;
    this.bytes.set(payload, this.usedBytes);
    this.usedBytes += payload.length;
    this.count++;
  }

  clear(): void {
    this.usedBytes = 0;
    this.count = 0;
  }

  #growBytes(more: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.usedBytes + more));
    larger.set(this.bytes);
    this.bytes = larger;
  }

  #growFields(): void {
    const larger = new Float64Array(this.fields.length * 2);
    larger.set(this.fields);
    this.fields = larger;
  }
}
