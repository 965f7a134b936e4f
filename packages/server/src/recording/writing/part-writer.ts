import type { FragmentSample, MediaPacket, Track } from '@sluice/media';
import type { RecordedTrack, RecordingContainer } from '../../core/index.ts';
import { type ContainerWriter, containerWriter } from './container-writer.ts';
import type { DiskSlots } from './disk-slots.ts';
import { Losses, TrackFacts } from './part-facts.ts';
import { FileGoneError, type OpenFile, WriteQueue } from './write-queue.ts';

export interface PartOptions {
  readonly fragmentDurationMs: number;
  readonly fragmentBytes: number;
  readonly sync: boolean;
  /** What may wait for the disk in memory. */
  readonly bufferBytes: number;
  readonly reservedBytes: number;
}

export interface PartParts {
  readonly id: string;
  readonly path: string;
  readonly container: RecordingContainer;
  readonly options: PartOptions;
  readonly slots: DiskSlots;
  readonly openFile: OpenFile;
  /** Bytes are in the file. */
  onWritten(bytes: number): void;
  /** The disk is too slow: packets were left out. */
  onLost(packets: number): void;
  /** Nothing more can be written to it: a sentence, and the packets that it had taken already. Called once. */
  onFailed(reason: string, lostPackets: number): void;
}

/** How long the last sample of a track is taken to be that has only one. */
const DEFAULT_DURATION_US = { video: 40_000, audio: 20_000 } as const;
/** After it was too slow, the disk must have taken so much of the buffer before more is given to it. */
const RESUME_SHARE = 0.5;

class Lane {
  readonly facts: TrackFacts;
  samples: FragmentSample[] = [];
  /** Waits for the next one, which tells how long it is. */
  held: MediaPacket | undefined;
  lastDurationUs: number;

  constructor(first: MediaPacket) {
    this.facts = new TrackFacts(first);
    this.lastDurationUs = DEFAULT_DURATION_US[first.track.kind];
  }
}

/**
 * One file while it is written: puts packets into fragments and those into the file. Its tracks are those of the packets
 * that it begins with. Nothing throws, whatever the packets and the disk are.
 */
export class PartWriter {
  readonly id: string;
  readonly path: string;
  readonly container: RecordingContainer;
  readonly createdAtMs = Date.now();
  /** Stream time at which it begins. */
  readonly baseUs: number;
  readonly losses = new Losses();
  bytes = 0;
  readonly #parts: PartParts;
  readonly #lanes = new Map<number, Lane>();
  readonly #first: readonly MediaPacket[];
  #writer: ContainerWriter | undefined;
  readonly #queue: WriteQueue;
  #pendingBytes = 0;
  #pendingFromUs = Number.POSITIVE_INFINITY;
  #pendingSinceMs = 0;
  #newestUs = Number.NEGATIVE_INFINITY;
  #dropping = false;
  #failure: string | undefined;
  #closed: Promise<void> | undefined;

  /** @param first those that it begins with, at least one of each track; they are pushed like all others. */
  constructor(first: readonly MediaPacket[], parts: PartParts) {
    this.#parts = parts;
    this.#first = first;
    this.id = parts.id;
    this.path = parts.path;
    this.container = parts.container;
    this.baseUs = first.reduce((least, { dtsUs, ptsUs }) => Math.min(least, dtsUs, ptsUs), Number.POSITIVE_INFINITY);
    // The picture first, which is what players expect.
    for (const kind of ['video', 'audio'])
      for (const packet of first)
        if (packet.track.kind === kind && !this.#lanes.has(packet.track.id))
          this.#lanes.set(packet.track.id, new Lane(packet));
    this.#queue = new WriteQueue({
      ...parts,
      sync: parts.options.sync,
      onWritten: (bytes) => {
        this.bytes += bytes;
        parts.onWritten(bytes);
      },
      onFailed: (error, lost) => this.#fail(describe(error), error instanceof FileGoneError ? this.#samples : lost),
    });
  }

  /** Why it failed; undefined while it has not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Writes its head. Once, before its packets. */
  begin(): void {
    const { container, options } = this.#parts;
    const tracks = Array.from(this.#lanes.values(), ({ facts }) => facts.track);
    try {
      this.#writer = containerWriter(container, tracks, {
        baseUs: this.baseUs,
        createdAtMs: this.createdAtMs,
        reservedBytes: options.reservedBytes,
        firstPicture: this.#first.find(({ track, key }) => track.kind === 'video' && key),
      });
      const head = this.#writer.head();
      if (head.length > 0) this.#queue.push(head, 0);
    } catch (error) {
      this.#fail(`its media can not be written: ${describe(error as Error)}`, 0);
    }
  }

  /** The track of that kind that its head tells. */
  trackOf(kind: Track['kind']): Track | undefined {
    for (const { facts } of this.#lanes.values()) if (facts.track.kind === kind) return facts.track;
    return undefined;
  }

  get tracks(): readonly RecordedTrack[] {
    return Array.from(this.#lanes.values(), ({ facts }) => facts.describe());
  }

  /** Media in it, those that wait for the disk included. */
  get durationUs(): number {
    let endUs = this.baseUs;
    for (const { facts } of this.#lanes.values()) endUs = Math.max(endUs, facts.endUs);
    return endUs - this.baseUs;
  }

  /** Bytes in memory that are not in the file yet. */
  get unwrittenBytes(): number {
    return this.#queue.waitingBytes + this.#pendingBytes;
  }

  /** Bytes that it will have when all that it was given is written. */
  get expectedBytes(): number {
    return this.bytes + this.unwrittenBytes;
  }

  /** True for a packet that its tracks can take: of the same codec, sound with the same configuration. */
  fits({ track }: MediaPacket): boolean {
    const head = this.#lanes.get(track.id)?.facts.track;
    if (head === undefined || head.codec !== track.codec || head.clockRate !== track.clockRate) return false;
    return head === track || track.kind === 'video' || sameBytes(head.parameters, track.parameters);
  }

  // Hot path: once per packet. A packet whose track it does not have is ignored.
  push(packet: MediaPacket): void {
    const lane = this.#lanes.get(packet.track.id);
    if (lane === undefined || this.#failure !== undefined || this.#closed !== undefined) return;
    const tooEarly = packet.dtsUs < this.baseUs || packet.ptsUs < this.baseUs;
    if (tooEarly || (this.#dropping && !this.#resumes(packet))) return this.#lose(1, packet.dtsUs);
    if (lane.held !== undefined) this.#complete(lane, lane.held, packet.dtsUs - lane.held.dtsUs);
    lane.held = packet;
    this.#pendingBytes += packet.byteLength;
    if (packet.dtsUs > this.#newestUs) this.#newestUs = packet.dtsUs;
    const { fragmentBytes, fragmentDurationMs } = this.#parts.options;
    const full = this.#newestUs - this.#pendingFromUs >= fragmentDurationMs * 1000;
    if (full || this.#pendingBytes >= fragmentBytes) this.#flush();
  }

  /** Of all fragments that were made. */
  get #samples(): number {
    return [...this.#lanes.values()].reduce((sum, { facts }) => sum + facts.samples, 0);
  }

  /** Writes what has waited too long, for sources that pause. */
  tick(nowMs: number): void {
    if (this.#pendingFromUs === Number.POSITIVE_INFINITY) return;
    if (nowMs - this.#pendingSinceMs >= this.#parts.options.fragmentDurationMs * 1.5) this.#flush();
  }

  /** Packets of the source are missing from here on. */
  lose(packets: number, atUs: number): void {
    this.losses.add(packets, atUs - this.baseUs);
  }

  /**
   * Writes the rest, and closes the file. The last picture lasts until `nextUs`, where that is known. Never rejects;
   * may be called again.
   */
  close(nextUs?: number): Promise<void> {
    if (this.#closed === undefined) {
      for (const lane of this.#lanes.values()) this.#completeLast(lane, nextUs);
      this.#flush();
      this.#closed = this.#queue.close();
    }
    return this.#closed;
  }

  #complete(lane: Lane, packet: MediaPacket, durationUs: number): void {
    lane.samples.push({ packet, durationUs });
    if (durationUs > 0) lane.lastDurationUs = durationUs;
    lane.held = undefined;
    if (this.#pendingFromUs !== Number.POSITIVE_INFINITY) return;
    this.#pendingFromUs = packet.dtsUs;
    this.#pendingSinceMs = performance.now();
  }

  #completeLast(lane: Lane, nextUs: number | undefined): void {
    const { held } = lane;
    if (held === undefined) return;
    const known = nextUs !== undefined && held.track.kind === 'video' && nextUs > held.dtsUs;
    this.#complete(lane, held, known ? nextUs - held.dtsUs : lane.lastDurationUs);
  }

  #flush(): void {
    const lanes = [...this.#lanes.values()];
    const tracks = lanes.map(({ facts, samples }) => ({ track: facts.track, facts, samples }));
    const packets = tracks.reduce((sum, { samples }) => sum + samples.length, 0);
    if (packets === 0 || this.#failure !== undefined || this.#writer === undefined) return;
    // Those that are held belong to the next fragment.
    this.#pendingBytes = lanes.reduce((sum, { held }) => sum + (held?.byteLength ?? 0), 0);
    for (const lane of lanes) lane.samples = [];
    const fromUs = this.#pendingFromUs;
    this.#pendingFromUs = Number.POSITIVE_INFINITY;
    try {
      const bytes = this.#writer.fragment(tracks);
      if (this.#queue.waitingBytes + bytes.length > this.#parts.options.bufferBytes) return this.#drop(packets, fromUs);
      for (const { facts, samples } of tracks)
        for (const { packet, durationUs } of samples) facts.add(packet, durationUs);
      this.#queue.push(bytes, packets);
    } catch (error) {
      this.#fail(`its media can not be written: ${describe(error as Error)}`, packets);
    }
  }

  /** The disk is too slow for this fragment, and what comes after it up to the next key frame. */
  #drop(packets: number, fromUs: number): void {
    let lost = packets;
    for (const lane of this.#lanes.values()) {
      if (lane.held !== undefined) lost++;
      lane.held = undefined;
    }
    this.#pendingBytes = 0;
    this.#dropping = true;
    this.#lose(lost, fromUs);
  }

  #resumes({ key, track }: MediaPacket): boolean {
    if (!key || (track.kind === 'audio' && this.trackOf('video') !== undefined)) return false;
    if (this.#queue.waitingBytes > this.#parts.options.bufferBytes * RESUME_SHARE) return false;
    this.#dropping = false;
    return true;
  }

  #lose(packets: number, atUs: number): void {
    this.lose(packets, atUs);
    this.#parts.onLost(packets);
  }

  #fail(reason: string, lostPackets: number): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    let lost = lostPackets;
    for (const { samples, held } of this.#lanes.values()) lost += samples.length + (held === undefined ? 0 : 1);
    this.#parts.onFailed(reason, lost);
  }
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return MEANINGS[code ?? ''] ?? error.message;
}

/** What errors of disks mean to people. */
const MEANINGS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  EIO: 'the disk is broken or gone (EIO)',
  ENOENT: 'its folder or file was removed or moved (ENOENT)',
  EACCES: 'the folder must not be written (EACCES)',
  EPERM: 'the folder must not be written (EPERM)',
  EROFS: 'the disk can only be read (EROFS)',
  ENAMETOOLONG: 'its path is too long (ENAMETOOLONG)',
  EMFILE: 'too many files are open (EMFILE)',
  ENFILE: 'too many files are open (ENFILE)',
  ENOTDIR: 'what should be its folder is a file (ENOTDIR)',
  EEXIST: 'what should be its folder is a file (EEXIST)',
};

function sameBytes(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return one.length === other.length && one.every((bytes, i) => Buffer.compare(bytes, other[i] as Uint8Array) === 0);
}
