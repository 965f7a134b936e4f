import {
  h264Depacketizer,
  h264Packetizer,
  h264Track,
  type MediaPacket,
  parseRtp,
  type RtpPacketizer,
  type Track,
  writeRtp,
} from '@sluice/media';

const PARAMETERS = [Buffer.from('Z0LADdoFB+wEQAAAAwBAAAA=', 'base64'), Buffer.from('aM4PyA==', 'base64')];

/** No byte of a number is 0, so that there is nothing like a start code. */
const FIRST_NUMBER = 0x01010101;

/** A source of H.264 whose pictures carry their number, in RTP packets as a camera sends them. */
export class SyntheticVideo {
  /** By the number of the picture. */
  readonly frames: Uint8Array[] = [];
  readonly track: Track;
  readonly #packetizer: RtpPacketizer = h264Packetizer(1);
  readonly #frameBytes: number;
  readonly #keyInterval: number;
  #sequence: number;

  constructor(
    options: { readonly frameBytes?: number; readonly keyInterval?: number; readonly sequence?: number } = {},
  ) {
    this.track = h264Track(0, PARAMETERS);
    this.#frameBytes = options.frameBytes ?? 3000;
    this.#keyInterval = options.keyInterval ?? 10;
    this.#sequence = options.sequence ?? 65_500;
  }

  isKey(number: number): boolean {
    return number % this.#keyInterval === 0;
  }

  /** The next picture. */
  nextPacket(): MediaPacket {
    const number = this.frames.length;
    const key = this.isKey(number);
    const unit = new Uint8Array(this.#frameBytes + (number % 7) * 100);
    for (let i = 0; i < unit.length; i++) unit[i] = 1 + ((number * 31 + i) % 250);
    unit[0] = key ? 0x65 : 0x41;
    // first_mb_in_slice is 0.
    unit[1] = 0x88;
    new DataView(unit.buffer).setUint32(4, number + FIRST_NUMBER);
    this.frames.push(unit);
    const ptsUs = number * 40_000;
    return { track: this.track, units: [unit], ptsUs, dtsUs: ptsUs, key, byteLength: unit.length };
  }

  /** The RTP packets of the next picture. */
  next(): Uint8Array[] {
    const packet = this.nextPacket();
    const timestamp = (packet.ptsUs / 1000) * 90;
    return this.#packetizer
      .packetize(packet, 1200)
      .map(({ payload, marker }) =>
        writeRtp({ payloadType: 96, marker, sequence: this.#sequence++ & 0xffff, timestamp, ssrc: 0xcafe }, payload),
      );
  }

  /** Numbers of the pictures that RTP packets, all of one source and in order, make up. */
  numbersOf(packets: readonly Uint8Array[]): number[] {
    const depacketizer = h264Depacketizer();
    const numbers: number[] = [];
    for (const bytes of packets) {
      const packet = parseRtp(bytes);
      if (packet.payloadType !== 96) continue;
      const frame = depacketizer.push(packet, false);
      const number = frame && this.numberOf(frame);
      if (number !== undefined) numbers.push(number);
    }
    return numbers;
  }

  /** Number of the picture that a packet of a stream is; undefined when it is not exactly one that was sent. */
  numberOf(packet: Pick<MediaPacket, 'units'>): number | undefined {
    const [unit] = packet.units;
    if (unit === undefined || packet.units.length !== 1 || unit.length < 8) return undefined;
    const number = new DataView(unit.buffer, unit.byteOffset).getUint32(4) - FIRST_NUMBER;
    const sent = this.frames[number];
    return sent !== undefined && Buffer.compare(sent, unit) === 0 ? number : undefined;
  }
}
