import { type MediaPacket, sameParameters, type Track } from '@sluice/media';
import type { Conversion, ConversionCost, ConversionEvents, ConversionTarget, Counters } from '../core/index.ts';
import type { EngineOptions } from './options.ts';
import { payloadOf, sourceMessage } from './packet-message.ts';
import { PacketQueue } from './packet-queue.ts';
import { Strikes } from './strikes.ts';
import {
  CLOSE,
  COST,
  DROPPED,
  FAILED,
  type Frame,
  OPEN,
  type OpenMessage,
  PACKET,
  readMessage,
  SOURCE,
  TRACK,
  type TrackMessage,
  type WorkReport,
  writeMessage,
} from './wire.ts';
import { WorkMeter } from './work-meter.ts';
import type { WorkerTask } from './worker-pool.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface ConversionParts {
  /** Its number on the connection to a worker; never 0. */
  readonly number: number;
  readonly source: Track;
  readonly target: ConversionTarget;
  readonly events: ConversionEvents;
  readonly options: EngineOptions;
  readonly counters: Counters;
  /** Called once, when it needs no worker any more. */
  onClosed(conversion: EngineConversion): void;
}

/** The server's half of a conversion of sound: what it takes to go on in another worker when one dies. */
export class EngineConversion implements Conversion, WorkerTask {
  readonly number: number;
  readonly weight = 1;
  readonly #parts: ConversionParts;
  readonly #queue = new PacketQueue('audio');
  readonly #strikes = new Strikes();
  #worker: WorkerProcess | undefined;
  #source: Track;
  /** What the worker was told last; undefined when it does not know this conversion. */
  #toldSource: Track | undefined;
  #track: Track | undefined;
  #packetUs = 0;
  #earliestUs = Number.NEGATIVE_INFINITY;
  #dropped = 0;
  #damaged = 0;
  readonly #work = new WorkMeter();
  #closed = false;

  constructor(parts: ConversionParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.#source = parts.source;
  }

  /** True after it may have killed a worker: it had better be alone. */
  get isSuspect(): boolean {
    return this.#strikes.any;
  }

  push(packet: MediaPacket): void {
    if (this.#closed) return;
    this.#source = packet.track;
    this.#countDropped(this.#queue.push(packet, performance.now()));
    this.flush();
  }

  requestKeyFrame(): void {
    // Each packet of sound is one.
  }

  cost(): ConversionCost {
    return {
      worker: this.#worker?.pid,
      ...this.#work.read(performance.now()),
      queued: this.#queue.length,
      dropped: this.#dropped,
      damaged: this.#damaged,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#toldSource) this.#worker?.send({ stream: this.number, type: CLOSE }, []);
    this.#parts.onClosed(this);
  }

  /** Goes on in this worker, with what waits. */
  attach(worker: WorkerProcess): void {
    this.#worker = worker;
    this.flush();
  }

  /** Its worker is gone. */
  detach(): void {
    this.#worker = undefined;
    this.#toldSource = undefined;
  }

  /** Counts a worker's death against it; true when that was once too often. */
  strike(nowMs: number): boolean {
    return this.#strikes.add(nowMs);
  }

  fail(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#parts.counters.count('engine_failed_conversions');
    this.#parts.events.onFailed(reason);
  }

  /** Sends what waits, as far as the worker takes it. */
  flush(): void {
    const worker = this.#worker;
    while (worker?.canWrite) {
      const packet = this.#queue.shift();
      if (!packet) return;
      this.#tellSource(worker, packet.track);
      worker.send({ stream: this.number, type: PACKET, timeUs: packet.ptsUs }, [payloadOf(packet)]);
    }
  }

  /** Takes what the worker says about it. */
  onFrame(frame: Frame): void {
    if (this.#closed) return;
    if (frame.type === PACKET) this.#emit(frame);
    else if (frame.type === TRACK) this.#setTrack(readMessage<TrackMessage>(frame.payload));
    else if (frame.type === DROPPED) this.#countDamaged(frame.timeUs);
    else if (frame.type === COST) this.#work.add(readMessage<WorkReport>(frame.payload), performance.now());
    else if (frame.type === FAILED) this.fail(frame.payload.toString());
  }

  #tellSource(worker: WorkerProcess, track: Track): void {
    if (track === this.#toldSource) return;
    const type = this.#toldSource ? SOURCE : OPEN;
    this.#toldSource = track;
    const message = type === OPEN ? this.#openMessage(track) : sourceMessage(track);
    worker.send({ stream: this.number, type }, [writeMessage(message)]);
  }

  #openMessage(track: Track): OpenMessage {
    const { target, options } = this.#parts;
    return {
      source: sourceMessage(track),
      target: target.codec,
      bitrateBps: target.bitrateBps,
      sampleRate: target.sampleRate,
      channels: target.channels,
      variableBitrate: target.variableBitrate ?? 0,
      opusBitrateBps: options.opusBitrateBps,
      aacBitrateBps: options.aacBitrateBps,
    };
  }

  #setTrack({ clockRate, parameters, packetUs }: TrackMessage): void {
    const bytes = parameters.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
    this.#packetUs = packetUs;
    const { codec } = this.#parts.target;
    // A new worker makes what the old one made: nobody needs to open a decoder anew for that.
    const before = this.#track;
    if (before && before.clockRate === clockRate && sameParameters(before.parameters, bytes)) return;
    this.#track = { id: this.#source.id, kind: 'audio', codec, clockRate, parameters: bytes };
  }

  #emit(frame: Frame): void {
    const { timeUs } = frame;
    const track = this.#track;
    // A new worker's first packets can reach back into what the old one put out.
    if (!track || timeUs < this.#earliestUs) return;
    const payload = new Uint8Array(frame.payload);
    if (payload.length === 0) return;
    // Packets follow each other with rounded times.
    this.#earliestUs = timeUs + Math.max(1, this.#packetUs - 2);
    const packet = { track, units: [payload], ptsUs: timeUs, dtsUs: timeUs, key: true, byteLength: payload.length };
    this.#parts.events.onPacket(packet);
  }

  #countDropped(packets: number): void {
    if (packets === 0) return;
    this.#dropped += packets;
    this.#parts.counters.count('engine_dropped_packets', packets);
  }

  #countDamaged(packets: number): void {
    this.#damaged += packets;
    this.#parts.counters.count('engine_damaged_packets', packets);
  }
}
