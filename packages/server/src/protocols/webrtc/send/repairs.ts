import type { RtpLanePacket } from '../../../core/index.ts';
import type { PacketWriter } from './packet-writer.ts';
import { ResendAllowance } from './resend-allowance.ts';
import type { SendFormat } from './send-format.ts';
import type { SendRun, SentNumbers } from './sent-numbers.ts';
import { sentTimestamp } from './sent-times.ts';

/** Probes are filled with the newest of so many packets; less than that many bytes are plain padding. */
const RECENT = 64;
const PLAIN_PADDING_BYTES = 300;

export interface RepairsParts {
  readonly numbers: SentNumbers;
  readonly writer: PacketWriter;
  /** How a packet is sent to this peer; undefined when it can't take it. */
  formatOf(packet: RtpLanePacket): SendFormat | undefined;
}

/** Sends packets of one track again that were sent before, from what their lane keeps. */
export class Repairs {
  readonly allowance = new ResendAllowance();
  resent = 0;
  /** Requests for packets that are not kept any more. */
  misses = 0;
  /** Packets before that number are not sent again any more. */
  from = 0;
  readonly #parts: RepairsParts;
  #padded = 0;

  constructor(parts: RepairsParts) {
    this.#parts = parts;
  }

  /** True when a packet that the peer asks for by its number is to be sent again, which counts then. */
  accept(sequence: number, nowMs: number, rttMs: number): boolean {
    if (!this.allowance.take(sequence, nowMs, rttMs) || this.#isGivenUp(sequence)) return false;
    if (this.#keptPacket(sequence) === undefined) {
      this.misses++;
      return false;
    }
    this.resent++;
    return true;
  }

  /** Sends a packet again. Gives its bytes; 0 when it is not kept any more. */
  send(number: number): number {
    const { formatOf, writer } = this.#parts;
    const kept = this.#isGivenUp(number) ? undefined : this.#keptPacket(number);
    const format = kept && formatOf(kept.packet);
    if (kept === undefined || format === undefined) return 0;
    const { packet, run } = kept;
    const numbers = { sequence: number, timestamp: sentTimestamp(packet, run), vp8: run.vp8 };
    if (format.rtxPayloadType === undefined) return writer.write(packet, format, numbers);
    return writer.writeRtx(packet, format, numbers);
  }

  /** As a packet that was sent before once more where one is kept that fits, else as plain padding. */
  pad(bytes: number, format: SendFormat, timestamp: number): number {
    const { numbers, writer } = this.#parts;
    const sequence = numbers.last - (this.#padded % RECENT);
    const kept = bytes > PLAIN_PADDING_BYTES ? this.#keptPacket(sequence) : undefined;
    if (bytes > PLAIN_PADDING_BYTES) this.#padded++;
    if (kept === undefined || kept.packet.payload.length < PLAIN_PADDING_BYTES)
      return writer.writePadding(format, timestamp);
    const { packet, run } = kept;
    return writer.writeRtx(packet, format, { sequence, timestamp: sentTimestamp(packet, run), vp8: run.vp8 });
  }

  /** What was sent so far is not sent again any more. */
  giveUp(): void {
    this.from = this.#parts.numbers.last + 1;
  }

  #isGivenUp(number: number): boolean {
    const { last } = this.#parts.numbers;
    return last - ((last - number) & 0xffff) < this.from;
  }

  #keptPacket(number: number): { readonly packet: RtpLanePacket; readonly run: SendRun } | undefined {
    const sent = this.#parts.numbers.find(number);
    if (sent === undefined || sent.run.lane.epoch !== sent.run.epoch) return undefined;
    const packet = sent.run.lane.at(sent.sequence);
    return packet && { packet, run: sent.run };
  }
}
