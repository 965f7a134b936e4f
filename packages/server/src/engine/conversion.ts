import { type MediaPacket, ProtocolError, sameParameters, splitAvcc, type Track, videoSize } from '@sluice/media';
import type { Conversion, ConversionCost, ConversionEvents, ConversionTarget, Counters } from '../core/index.ts';
import type { EngineOptions } from './options.ts';
import { payloadOf, sourceMessage } from './packet-message.ts';
import { PacketQueue } from './packet-queue.ts';
import {
  CLOSE,
  COST,
  DROPPED,
  FAILED,
  FLAG_KEY,
  type Frame,
  KEY_FRAME,
  OPEN,
  type OpenMessage,
  PACKET,
  readMessage,
  SOURCE,
  TRACK,
  type TrackMessage,
  WireError,
  type WorkReport,
  writeMessage,
} from './wire.ts';
import { WorkMeter } from './work-meter.ts';
import type { WorkerTask } from './worker-pool.ts';
import type { WorkerProcess } from './worker-process.ts';

/** So many deaths of workers in this time are the fault of what they were given. */
const MAX_STRIKES = 3;
const STRIKE_WINDOW_MS = 30_000;
/** Sources are asked for a key frame once in this time while none comes. */
const ASK_INTERVAL_MS = 1000;
/** Viewers may ask for key frames as often as they like; the worker hears of it this often. */
const KEY_FRAME_PACE_MS = 50;

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

/** The server's half of a conversion: what it takes to go on in another worker when one dies. */
export class EngineConversion implements Conversion, WorkerTask {
  readonly number: number;
  readonly kind: Track['kind'];
  /** How many places it takes in a worker: a picture is as much work as it has pixels. */
  readonly weight: number;
  readonly #parts: ConversionParts;
  readonly #queue: PacketQueue;
  #worker: WorkerProcess | undefined;
  #source: Track;
  /** What the worker was told last; undefined when it does not know this conversion. */
  #toldSource: Track | undefined;
  #track: Track | undefined;
  #packetUs = 0;
  #earliestUs = Number.NEGATIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;
  #wantedMs = Number.NEGATIVE_INFINITY;
  #strikesMs: number[] = [];
  #dropped = 0;
  #damaged = 0;
  readonly #work = new WorkMeter();
  #closed = false;

  constructor(parts: ConversionParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.kind = parts.target.codec === 'h264' ? 'video' : 'audio';
    this.weight = weightOf(parts.source);
    this.#source = parts.source;
    this.#queue = new PacketQueue(this.kind);
  }

  /** True after it may have killed a worker: it had better be alone. */
  get isSuspect(): boolean {
    return this.#strikesMs.length > 0;
  }

  push(packet: MediaPacket): void {
    if (this.#closed) return;
    this.#source = packet.track;
    this.#countDropped(this.#queue.push(packet, performance.now()));
    if (this.#queue.awaitsKey) this.#askForKeyFrame();
    else this.flush();
  }

  requestKeyFrame(): void {
    // A worker that was told nothing yet begins with one anyway.
    const nowMs = performance.now();
    if (!this.#toldSource || nowMs - this.#wantedMs < KEY_FRAME_PACE_MS) return;
    this.#wantedMs = nowMs;
    this.#worker?.send({ stream: this.number, type: KEY_FRAME }, []);
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

  /** Its worker is gone. Pictures go on at the next key frame. */
  detach(): void {
    this.#worker = undefined;
    this.#toldSource = undefined;
    this.#countDropped(this.#queue.restart());
    if (this.#queue.awaitsKey) this.#askForKeyFrame();
  }

  /** Counts a worker's death against it; true when that was once too often. */
  strike(nowMs: number): boolean {
    this.#strikesMs = this.#strikesMs.filter((strikeMs) => nowMs - strikeMs < STRIKE_WINDOW_MS);
    this.#strikesMs.push(nowMs);
    return this.#strikesMs.length >= MAX_STRIKES;
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
      const flags = packet.key ? FLAG_KEY : 0;
      worker.send({ stream: this.number, type: PACKET, flags, timeUs: packet.ptsUs }, [payloadOf(packet)]);
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
      keyFrameIntervalS: target.keyFrameIntervalS ?? options.keyFrameIntervalS,
      videoPreset: options.videoPreset,
      videoBitrateFactor: options.videoBitrateFactor,
      maxPicturePixels: options.maxPicturePixels,
      opusBitrateBps: options.opusBitrateBps,
      aacBitrateBps: options.aacBitrateBps,
    };
  }

  #setTrack({ clockRate, parameters, packetUs }: TrackMessage): void {
    const bytes = parameters.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
    this.#packetUs = packetUs;
    const { kind } = this;
    const { codec } = this.#parts.target;
    // A new worker makes what the old one made: nobody needs to open a decoder anew for that.
    const before = this.#track;
    if (before && before.clockRate === clockRate && sameParameters(before.parameters, bytes)) return;
    this.#track = { id: this.#source.id, kind, codec, clockRate, parameters: bytes };
  }

  #emit(frame: Frame): void {
    const { timeUs } = frame;
    const track = this.#track;
    // A new worker's first packets can reach back into what the old one put out.
    if (!track || timeUs < this.#earliestUs) return;
    const payload = new Uint8Array(frame.payload);
    const units = this.kind === 'video' ? splitUnits(payload) : [payload];
    if (units.length === 0) return;
    // Packets follow each other with rounded times.
    this.#earliestUs = timeUs + Math.max(1, this.#packetUs - 2);
    let byteLength = 0;
    for (const unit of units) byteLength += unit.length;
    const key = (frame.flags & FLAG_KEY) !== 0;
    this.#parts.events.onPacket({ track, units, ptsUs: timeUs, dtsUs: timeUs, key, byteLength });
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

  #askForKeyFrame(): void {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < ASK_INTERVAL_MS) return;
    this.#askedMs = nowMs;
    this.#parts.events.onKeyFrameNeeded?.();
  }
}

/** Pixels of a picture that takes one place. */
const PLACE_PIXELS = 1280 * 720;

/** Sources that do not tell their size beforehand are taken for small ones. */
function weightOf(source: Track): number {
  const size = source.kind === 'video' ? videoSize(source) : undefined;
  return size ? Math.max(1, Math.ceil((size.width * size.height) / PLACE_PIXELS)) : 1;
}

function splitUnits(payload: Uint8Array): Uint8Array[] {
  try {
    return splitAvcc(payload, 4);
  } catch (error) {
    throw error instanceof ProtocolError ? new WireError(error.message) : error;
  }
}
