import { type MediaPacket, type Track, videoSize } from '@sluice/media';
import type { ConversionCost, ConversionTarget, Counters } from '../core/index.ts';
import { FeedBacklog } from './feed-backlog.ts';
import type { FeedMember, MemberFeed } from './feed-member.ts';
import type { EngineOptions } from './options.ts';
import { payloadOf, sourceMessage } from './packet-message.ts';
import { Strikes } from './strikes.ts';
import { decodeCores, picturesOf } from './video-cost.ts';
import {
  CLOSE,
  COST,
  DROPPED,
  FAILED,
  type FeedMessage,
  FLAG_KEY,
  type Frame,
  flagsOf,
  KEY_FRAME,
  MAX_OUTPUT,
  OPEN,
  OUTPUT,
  type OutputMessage,
  outputOf,
  PACKET,
  readMessage,
  SOURCE,
  TAKEN,
  type WorkReport,
  writeMessage,
} from './wire.ts';
import { WorkMeter } from './work-meter.ts';
import type { WorkerTask } from './worker-pool.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Sources are asked for a key frame once in this time while none comes. */
const ASK_INTERVAL_MS = 1000;
/** Before that, what a worker tells is of its start and of what it had to catch up with. */
const SETTLED_MS = 3000;
/** What costs less tells nothing of this machine. */
const TELLING_CORES = 0.05;
/** A place in a worker, in processor cores, and in pixels of a source. */
const PLACE_CORES = 0.25;
const PLACE_PIXELS = 1280 * 720;

/** What the worker is to be told of a member but for the time from which on it is there. */
export type OutputOrder = Omit<OutputMessage, 'fromUs'>;

interface Joined {
  readonly member: FeedMember;
  readonly order: OutputOrder;
  /** From when on it gets pictures; undefined before its first packet says it. */
  fromUs: number | undefined;
}

export interface FeedParts {
  /** Its number on the connection to a worker; never 0. */
  readonly number: number;
  readonly source: Track;
  /** Members push the same packets; each counts once. */
  readonly shared: boolean;
  readonly options: EngineOptions;
  readonly counters: Counters;
  /** The last member has left. */
  onEmpty(feed: Feed): void;
}

/**
 * The server's half of a source of pictures that a worker decodes once for all that want it in some form: what it takes
 * to go on in another worker when one dies.
 */
export class Feed implements WorkerTask, MemberFeed {
  readonly number: number;
  readonly #parts: FeedParts;
  readonly #backlog = new FeedBacklog();
  readonly #members = new Map<number, Joined>();
  readonly #strikes = new Strikes();
  readonly #decoding = new WorkMeter();
  #worker: WorkerProcess | undefined;
  /** The newest packet's track. */
  #source: Track;
  /** What the worker was told last; undefined when it does not know this feed. */
  #toldSource: Track | undefined;
  /** Time of the newest packet, and those that have the same. */
  #newestUs = Number.NEGATIVE_INFINITY;
  #newest: MediaPacket[] = [];
  #held = false;
  #askedMs = Number.NEGATIVE_INFINITY;
  #dropped = 0;
  #damaged = 0;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.#source = parts.source;
  }

  /** A picture is as much work as it has pixels, but not less than its forms are expected to be. */
  get weight(): number {
    const size = videoSize(this.#source);
    const pixels = size ? size.width * size.height : 0;
    return Math.max(1, Math.ceil(pixels / PLACE_PIXELS), Math.round(this.estimatedCores / PLACE_CORES));
  }

  get isSuspect(): boolean {
    return this.#strikes.any;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Members that make pictures in a form that somebody asked for. */
  get forms(): number {
    let forms = 0;
    for (const { member } of this.#members.values()) if (asksForForm(member.target)) forms++;
    return forms;
  }

  /** What it is expected to cost where the figures were measured. */
  get estimatedCores(): number {
    let cores = decodeCores(this.#source);
    for (const { member } of this.#members.values()) cores += member.estimate.cores;
    return cores;
  }

  /** A number for another member; undefined when there are too many. */
  freeOutput(): number | undefined {
    for (let output = 1; output <= MAX_OUTPUT; output++) if (!this.#members.has(output)) return output;
    return undefined;
  }

  /** Adds a member; one that joins a feed that runs gets pictures from its first packet on. */
  join(member: FeedMember, order: OutputOrder): void {
    const fromUs = this.#toldSource ? undefined : Number.MIN_SAFE_INTEGER;
    this.#members.set(member.output, { member, order, fromUs });
    this.#hold();
  }

  leave({ output }: FeedMember): void {
    if (!this.#members.delete(output)) return;
    if (this.#members.size > 0) {
      if (this.#toldSource) this.#tell(CLOSE, output);
      return;
    }
    if (this.#toldSource) this.#tell(CLOSE, 0);
    this.#parts.onEmpty(this);
  }

  /** Takes a packet, from whichever member is the first with it. */
  push(packet: MediaPacket, output: number): void {
    const joined = this.#members.get(output);
    if (joined !== undefined && joined.fromUs === undefined) {
      joined.fromUs = packet.dtsUs;
      if (this.#toldSource) this.#tellOutput(joined);
    }
    if (this.#parts.shared && !this.#isNew(packet)) return;
    this.#source = packet.track;
    this.#countDropped(this.#backlog.push(packet, performance.now()));
    if (this.#backlog.awaitsKey) this.#askForKeyFrame();
    else this.flush();
  }

  requestKeyFrame(output: number): void {
    // A worker that was told nothing yet begins with one anyway.
    if (this.#toldSource) this.#tell(KEY_FRAME, output);
  }

  sharedCost(): ConversionCost {
    const nowMs = performance.now();
    const { cpuShare, busyShare, msPerFrame } = this.#decoding.read(nowMs);
    let busy = busyShare;
    for (const { member } of this.#members.values()) {
      const share = member.work.read(nowMs).busyShare;
      if (busy !== undefined && share !== undefined) busy += share;
    }
    return {
      worker: this.#worker?.pid,
      cpuShare: cpuShare === undefined ? undefined : cpuShare / Math.max(1, this.#members.size),
      busyShare: busy === undefined ? undefined : Math.min(1, Math.round(busy * 1000) / 1000),
      msPerFrame,
      queued: this.#backlog.length,
      dropped: this.#dropped,
      damaged: this.#damaged,
    };
  }

  /** Processor cores that it takes: measured, or as estimated on this machine while that is not known. */
  usedCores(factor: number, nowMs: number): number {
    const of = (work: WorkMeter, estimate: number) =>
      (work.sinceMs(nowMs) >= SETTLED_MS ? work.read(nowMs).cpuShare : undefined) ?? estimate * factor;
    let cores = of(this.#decoding, decodeCores(this.#source));
    for (const { member } of this.#members.values()) cores += of(member.work, member.estimate.cores);
    return cores;
  }

  /** How many times its estimate it costs; undefined while that is not known, or says nothing of others. */
  estimateError(nowMs: number): number | undefined {
    // A worker's own work counts for much where there is little else, and an estimate without a size is none.
    if (this.estimatedCores < TELLING_CORES || videoSize(this.#source) === undefined) return undefined;
    const { fps } = picturesOf(this.#source);
    if (Math.abs(Math.log2((this.#decoding.framesPerS(nowMs) ?? 0) / fps)) > 1) return undefined;
    const parts = [{ work: this.#decoding, fps }];
    for (const { member } of this.#members.values()) parts.push({ work: member.work, fps: member.estimate.fps });
    let cores = 0;
    for (const { work, fps } of parts) {
      const cpuMs = work.sinceMs(nowMs) >= SETTLED_MS ? work.cpuMsPerFrame(nowMs) : undefined;
      if (cpuMs === undefined) return undefined;
      cores += (cpuMs * fps) / 1000;
    }
    return cores / this.estimatedCores;
  }

  /**
   * Gives up the costliest of its forms when the worker has not kept up with them for some seconds; the last one stays
   * and is left to key frames. The result is true when it did so.
   */
  relieve(nowMs: number): boolean {
    if (this.#worker?.ready !== true || !this.#backlog.isOverloaded(nowMs)) return false;
    this.#backlog.forgive();
    if (this.#members.size < 2) return false;
    const costOf = ({ work, estimate }: FeedMember) => work.read(nowMs).cpuShare ?? estimate.cores;
    const members = Array.from(this.#members.values(), ({ member }) => member);
    const costliest = members.reduce((most, member) => (costOf(member) > costOf(most) ? member : most));
    this.#parts.counters.count('engine_overloads');
    costliest.fail('this machine did not keep up with the source, and this was the costliest form of it');
    return true;
  }

  attach(worker: WorkerProcess): void {
    this.#worker = worker;
    this.flush();
  }

  /** Its worker is gone. It goes on at the next key frame. */
  detach(): void {
    this.#worker = undefined;
    this.#toldSource = undefined;
    this.#countDropped(this.#backlog.restart());
    this.#askForKeyFrame();
  }

  strike(nowMs: number): boolean {
    return this.#strikes.add(nowMs);
  }

  fail(reason: string): void {
    for (const { member } of [...this.#members.values()]) member.fail(reason);
  }

  /** Ends all its members, without an event. */
  close(): void {
    for (const { member } of [...this.#members.values()]) member.close();
  }

  flush(): void {
    if (!this.#held) this.#send();
  }

  onFrame(frame: Frame): void {
    const output = outputOf(frame);
    if (output > 0) {
      this.#members.get(output)?.member.onFrame(frame);
    } else if (frame.type === TAKEN) {
      this.#backlog.taken(frame.timeUs);
      this.flush();
    } else if (frame.type === COST) {
      this.#decoding.add(readMessage<WorkReport>(frame.payload), performance.now());
    } else if (frame.type === DROPPED) {
      this.#damaged += frame.timeUs;
      this.#parts.counters.count('engine_damaged_packets', frame.timeUs);
    } else if (frame.type === FAILED) {
      this.fail(frame.payload.toString());
    }
  }

  /** Forms that are asked for together begin with the same picture: nothing is sent before all of them are there. */
  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    setImmediate(() => {
      this.#held = false;
      this.#send();
    });
  }

  #send(): void {
    const worker = this.#members.size > 0 ? this.#worker : undefined;
    while (worker?.canWrite) {
      const packet = this.#backlog.next();
      if (!packet) return;
      this.#tellSource(packet.track);
      const flags = packet.key ? FLAG_KEY : 0;
      worker.send({ stream: this.number, type: PACKET, flags, timeUs: packet.ptsUs }, [payloadOf(packet)]);
    }
  }

  /** True for a packet that no member has pushed before: their times never decrease. */
  #isNew(packet: MediaPacket): boolean {
    if (packet.dtsUs < this.#newestUs) return false;
    if (packet.dtsUs > this.#newestUs) this.#newest = [];
    else if (this.#newest.includes(packet)) return false;
    this.#newestUs = packet.dtsUs;
    this.#newest.push(packet);
    return true;
  }

  #tellSource(track: Track): void {
    if (track === this.#toldSource) return;
    const isOpen = this.#toldSource !== undefined;
    this.#toldSource = track;
    const source = sourceMessage(track);
    if (isOpen) {
      this.#tell(SOURCE, 0, writeMessage(source));
      return;
    }
    const { maxPicturePixels, keyFrameIntervalS } = this.#parts.options;
    const message: FeedMessage = { source, maxPicturePixels, keyFrameIntervalS, feed: true };
    this.#tell(OPEN, 0, writeMessage(message));
    for (const joined of this.#members.values()) this.#tellOutput(joined);
  }

  #tellOutput({ member, order, fromUs }: Joined): void {
    if (fromUs !== undefined) this.#tell(OUTPUT, member.output, writeMessage({ ...order, fromUs }));
  }

  #tell(type: number, output: number, payload?: Buffer): void {
    this.#worker?.send({ stream: this.number, type, flags: flagsOf(output) }, payload ? [payload] : []);
  }

  #countDropped(packets: number): void {
    if (packets === 0) return;
    this.#dropped += packets;
    this.#parts.counters.count('engine_dropped_packets', packets);
  }

  /** All members have the same source: one of them asks it. */
  #askForKeyFrame(): void {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < ASK_INTERVAL_MS) return;
    this.#askedMs = nowMs;
    for (const { member } of this.#members.values()) return member.askForKeyFrame();
  }
}

/** Whether a target is one of many that a source can have; what is only to be of another codec is one for all. */
export function asksForForm({ codec, picture }: ConversionTarget): boolean {
  return picture !== undefined || codec === 'mpeg1';
}
