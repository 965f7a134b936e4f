import type { MediaPacket, Track } from '@sluice/media';
import type { Adaptations, RecordingContainer, Stream } from '../../core/index.ts';
import type { RecordingPlan } from '../policy.ts';
import type { Rotation } from '../rotation.ts';
import type { DiskSlots } from './disk-slots.ts';
import { type Cursor, Intake } from './intake.ts';
import { type PartOptions, PartWriter } from './part-writer.ts';
import { type FoundTracks, TrackWait } from './track-wait.ts';
import { Trouble } from './trouble.ts';
import type { OpenFile } from './write-queue.ts';

type Kind = Track['kind'];

export interface CaptureOptions {
  readonly part: PartOptions;
  readonly rotation: Rotation;
  readonly audioBufferPackets: number;
  readonly maxErrors: number;
  readonly errorIntervalMs: number;
  readonly retryIntervalMs: number;
}

/** What becomes of a capture. All are called synchronously and must not throw. */
export interface CaptureEvents {
  /** A file has begun: there is something in it, or will be soon. */
  onPart(part: PartWriter): void;
  /** Nothing more goes to a file. It is to be closed, and tells then whether it has failed. */
  onPartEnded(part: PartWriter): void;
  /** A file that has begun nothing: its folder is still full or gone. */
  onPartDiscarded(part: PartWriter): void;
  /** Bytes are in a file. */
  onWritten(bytes: number): void;
  /** Packets of the source are missing. */
  onLost(packets: number): void;
  /** Nothing is written any more, for a reason, or again (undefined). */
  onTrouble(reason: string | undefined): void;
  /** There was too much trouble: it is over. */
  onGivenUp(reason: string): void;
  /** The source is over. */
  onOver(): void;
}

export interface CaptureParts {
  readonly source: Stream;
  readonly startAt: 'oldest' | 'gop';
  readonly options: CaptureOptions;
  readonly adaptations: Adaptations;
  readonly slots: DiskSlots;
  readonly openFile: OpenFile;
  /** How it is recorded while its picture is that one. */
  planFor(video: Track | undefined): RecordingPlan;
  /** Names a new file. */
  place(container: RecordingContainer): { readonly id: string; readonly path: string };
  readonly events: CaptureEvents;
}

/** Packets that wait for the tracks of the file that they are to begin. */
interface Gathered {
  readonly packets: MediaPacket[];
  readonly sinceMs: number;
}

/** A file waits so long, of media or of time, for a track that is known to be there: a conversion may have to start. */
const GATHER_MS = 5000;
/** When the source is over, a conversion that is behind may go on as long as it gives something that often. */
const CONVERSION_PATIENCE_MS = 5000;
/** Key frames come so much too early for a rotation that is a multiple of their distance. */
const ROTATION_TOLERANCE_US = 20_000;

/** Takes one stream into files: waits for its tracks, begins a new file where that is needed, goes on after trouble. */
export class Capture {
  readonly #parts: CaptureParts;
  readonly #trouble: Trouble;
  readonly #kinds = new Set<Kind>();
  #wait: TrackWait | undefined;
  #intake: Intake | undefined;
  #plan: RecordingPlan | undefined;
  #gathered: Gathered | undefined;
  #part: PartWriter | undefined;
  /** Newest times that went into a file. */
  #lastUs: Record<Kind, number> = { video: Number.NEGATIVE_INFINITY, audio: Number.NEGATIVE_INFINITY };
  /** Sound has changed at that time: a new file begins with it at the next key frame. */
  #audioChangeUs: number | undefined;
  /** Where the picture begins that is being read. */
  #openedUs = Number.NEGATIVE_INFINITY;
  #intakeLost = 0;
  #lacksEnd = false;
  #stopped: Promise<void> | undefined;

  constructor(parts: CaptureParts) {
    this.#parts = parts;
    this.#trouble = new Trouble(parts.options);
  }

  /** The file that is being written. */
  get part(): PartWriter | undefined {
    return this.#part;
  }

  /** Why nothing is written at this moment. */
  get trouble(): string | undefined {
    if (this.#trouble.isThere || this.#part !== undefined) return this.#trouble.reason;
    const reasons = [...this.#kinds].map((kind) => this.#intake?.leftOut(kind));
    return reasons.includes(undefined) ? undefined : reasons[0];
  }

  /** What is missing in what is written although the source has it. */
  get remark(): string | undefined {
    if (this.#lacksEnd) return 'without its end: the conversion did not come to it';
    const video = this.#intake?.leftOut('video');
    if (video !== undefined) return `without its picture: ${video}`;
    const audio = this.#intake?.leftOut('audio');
    return audio && `without its sound: ${audio}`;
  }

  /** Begins. Once. */
  start(): void {
    const { source, startAt, options } = this.#parts;
    this.#wait = new TrackWait({
      source,
      startAt,
      audioPackets: options.audioBufferPackets,
      onFound: (found) => this.#onFound(found),
    });
    this.#wait.begin();
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    this.#wait?.tick(nowMs);
    this.#part?.tick(nowMs);
    this.#countLost();
    if (this.#gathered !== undefined && nowMs - this.#gathered.sinceMs > GATHER_MS) this.#beginPart(this.#gathered);
  }

  /**
   * Stops. The source need not wait for it from now on; resolves when all that it has given is on its way to the last
   * file, whose end has been told.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    if (this.#wait !== undefined) {
      const found = this.#wait.found();
      this.#wait.close();
      if (found !== undefined) this.#onFound(found);
    }
    this.#lacksEnd = (await this.#intake?.finish(CONVERSION_PATIENCE_MS)) === false;
    this.#countLost();
    if (this.#gathered !== undefined && !this.#trouble.isThere) this.#beginPart(this.#gathered);
    // A try to go on may succeed with its last bytes.
    if (this.#trouble.isThere) await this.#part?.close();
    this.#endPart();
  }

  #onFound({ kinds, from }: FoundTracks): void {
    this.#wait = undefined;
    for (const kind of kinds) this.#kinds.add(kind);
    this.#open(from);
  }

  /** Reads on from there, as the tracks of this moment ask for it. */
  #open(from: Cursor): void {
    const { source, adaptations, planFor, events } = this.#parts;
    this.#countLost();
    this.#intake?.close();
    this.#plan = planFor(this.#kinds.has('video') ? source.state.video : undefined);
    this.#gather();
    this.#audioChangeUs = undefined;
    this.#openedUs = from.videoUs;
    this.#intakeLost = 0;
    const intake = new Intake({
      source,
      plan: this.#plan,
      from,
      adaptations,
      onPacket: (packet) => this.#take(packet),
      onOver: () => events.onOver(),
    });
    this.#intake = intake;
    intake.begin();
  }

  // Hot path: once per packet.
  #take(packet: MediaPacket): void {
    const part = this.#part;
    if (part === undefined) return this.#takeWithoutPart(packet);
    if (!part.fits(packet)) return this.#takeMisfit(part, packet);
    if (this.#cuts(packet)) {
      if (this.#audioChangeUs !== undefined && packet.dtsUs > this.#openedUs) {
        return this.#beginAnew({ videoUs: packet.dtsUs, audioUs: this.#audioChangeUs });
      }
      if (this.#isFull(part, packet)) {
        this.#endPart(packet.dtsUs);
        this.#gather();
        return this.#takeWithoutPart(packet);
      }
    }
    this.#lastUs[packet.track.kind] = packet.dtsUs;
    part.push(packet);
  }

  /** True for a packet that a file may begin with. */
  #cuts({ key, track }: MediaPacket): boolean {
    const hasVideo = this.#kinds.has('video') && this.#intake?.leftOut('video') === undefined;
    return key && (track.kind === 'video' || !hasVideo);
  }

  #isFull(part: PartWriter, { dtsUs }: MediaPacket): boolean {
    const { afterUs, afterBytes } = this.#parts.options.rotation;
    return dtsUs - part.baseUs >= afterUs - ROTATION_TOLERANCE_US || part.expectedBytes >= afterBytes;
  }

  /** A track that the file does not have, or that has become another one. */
  #takeMisfit(part: PartWriter, packet: MediaPacket): void {
    const { kind } = packet.track;
    const audioUs = this.#audioChangeUs ?? this.#lastUs.audio + 1;
    if (kind === 'video') {
      if (packet.key) {
        this.#kinds.add('video');
        return this.#beginAnew({ videoUs: packet.dtsUs, audioUs });
      }
      this.#parts.source.requestKeyFrame();
      return this.#lose(part, 1, packet.dtsUs);
    }
    this.#kinds.add('audio');
    if (part.trackOf('video') === undefined)
      return this.#beginAnew({ videoUs: Number.NEGATIVE_INFINITY, audioUs: packet.dtsUs });
    // It stays in the stream's log until then.
    if (this.#audioChangeUs !== undefined) return;
    this.#audioChangeUs = Math.max(packet.dtsUs, this.#lastUs.audio + 1);
    this.#parts.source.requestKeyFrame();
  }

  #beginAnew(from: Cursor): void {
    this.#endPart(from.videoUs);
    this.#open(from);
  }

  #takeWithoutPart(packet: MediaPacket): void {
    const gathered = this.#gathered;
    if (gathered === undefined) {
      if (this.#cuts(packet) && this.#trouble.mayRetry(performance.now())) {
        this.#gather();
        return this.#takeWithoutPart(packet);
      }
      return this.#lose(this.#trouble.part, 1, packet.dtsUs);
    }
    const awaitsKey = packet.track.kind === 'video' && !packet.key && !has(gathered.packets, 'video');
    if (awaitsKey) return this.#parts.source.requestKeyFrame();
    gathered.packets.push(packet);
    const [first] = gathered.packets as [MediaPacket];
    const complete = [...this.#kinds].every(
      (kind) => has(gathered.packets, kind) || this.#intake?.leftOut(kind) !== undefined,
    );
    if (complete || packet.dtsUs - first.dtsUs > GATHER_MS * 1000) this.#beginPart(gathered);
  }

  #gather(): void {
    this.#gathered = { packets: [], sinceMs: performance.now() };
  }

  #beginPart({ packets }: Gathered): void {
    if (packets.length === 0 || this.#plan === undefined) return;
    this.#gathered = undefined;
    const { options, slots, openFile, place, events } = this.#parts;
    const { container } = this.#plan;
    const part: PartWriter = new PartWriter(packets, {
      ...place(container),
      container,
      options: options.part,
      slots,
      openFile,
      onWritten: (bytes) => this.#onWritten(part, bytes),
      onLost: (count) => events.onLost(count),
      onFailed: (reason, lost) => this.#onFailed(part, reason, lost),
    });
    this.#part = part;
    if (!this.#trouble.isThere) events.onPart(part);
    part.begin();
    const intake = this.#intake;
    for (const packet of packets) {
      // Another one reads again what follows.
      if (this.#intake !== intake) return;
      this.#take(packet);
    }
  }

  #onWritten(part: PartWriter, bytes: number): void {
    this.#parts.events.onWritten(bytes);
    if (!this.#trouble.isThere || this.#part !== part) return;
    this.#trouble.end();
    this.#parts.events.onPart(part);
    this.#parts.events.onTrouble(undefined);
  }

  #onFailed(part: PartWriter, reason: string, lost: number): void {
    // One that is closed already tells it when its end is dealt with.
    if (this.#part !== part) return this.#lose(part, lost, part.baseUs + part.durationUs);
    const { events } = this.#parts;
    this.#part = undefined;
    this.#audioChangeUs = undefined;
    if (this.#trouble.isThere) {
      this.#lose(this.#trouble.part, lost, part.baseUs);
      events.onPartDiscarded(part);
      this.#trouble.goesOn(reason);
      return;
    }
    this.#lose(part, lost, part.baseUs + part.durationUs);
    const tooMuch = this.#trouble.begin(reason, part);
    events.onTrouble(reason);
    events.onPartEnded(part);
    if (tooMuch) events.onGivenUp(reason);
  }

  #endPart(nextUs?: number): void {
    const part = this.#part;
    if (part === undefined) return;
    this.#part = undefined;
    void part.close(nextUs);
    if (this.#trouble.isThere) this.#parts.events.onPartDiscarded(part);
    else this.#parts.events.onPartEnded(part);
  }

  #lose(part: PartWriter | undefined, packets: number, atUs: number): void {
    if (packets <= 0) return;
    part?.lose(packets, atUs);
    this.#parts.events.onLost(packets);
  }

  /** What was lost before it came here. */
  #countLost(): void {
    const lost = this.#intake?.lostPackets ?? 0;
    const { video, audio } = this.#lastUs;
    if (lost > this.#intakeLost) this.#lose(this.#part, lost - this.#intakeLost, Math.max(video, audio));
    this.#intakeLost = Math.max(this.#intakeLost, lost);
  }
}

function has(packets: readonly MediaPacket[], kind: Kind): boolean {
  return packets.some(({ track }) => track.kind === kind);
}
