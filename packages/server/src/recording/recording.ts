import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  Adaptations,
  Counters,
  Log,
  PublicationToRecord,
  RecordingContainer,
  RecordingEntry,
  RecordingEvent,
  RunningRecording,
  Stream,
} from '../core/index.ts';
import { RateLimiter } from '../io/index.ts';
import type { Completion } from './completion.ts';
import type { Ledger } from './ledger.ts';
import { type NameFacts, type Naming, recordingFileName } from './names/index.ts';
import type { RecordingOptions } from './options.ts';
import { planFor } from './policy.ts';
import { type Rotation, rotates } from './rotation.ts';
import { Capture } from './writing/capture.ts';
import type { DiskSlots } from './writing/disk-slots.ts';
import type { PartWriter } from './writing/part-writer.ts';
import type { OpenFile } from './writing/write-queue.ts';

/** What all recordings share. */
export interface RecordingEnv {
  readonly adaptations: Adaptations;
  readonly ledger: Ledger;
  readonly completion: Pick<Completion, 'complete'>;
  readonly slots: DiskSlots;
  readonly openFile: OpenFile;
  readonly log: Log;
  readonly counters: Counters;
  readonly options: RecordingOptions;
}

/** What one recording is about. */
export interface RecordingRequest {
  readonly stream: Stream;
  readonly publication: PublicationToRecord;
  readonly sessionId: string;
  /** `oldest`: from the beginning of the publication. `gop`: from its newest key frame. */
  readonly startAt: 'oldest' | 'gop';
  readonly naming: RecordingOptions['naming'];
  readonly rotation: Rotation;
}

/** A file of the recording that has begun. */
interface BegunPart {
  readonly writer: PartWriter;
  readonly naming: Naming;
  readonly names: NameFacts;
}

/**
 * The recording of one publication: its files, one after the other, with their entries in the ledger.
 */
export class Recording {
  readonly publication: PublicationToRecord;
  readonly stream: Stream;
  readonly #env: RecordingEnv;
  readonly #request: RecordingRequest;
  readonly #log: Log;
  readonly #capture: Capture;
  readonly #startedAtMs = Date.now();
  readonly #onOver: (recording: Recording) => void;
  #parts = 0;
  #part: BegunPart | undefined;
  /** The one that failed, while what is lost after it counts for it. */
  #failed: BegunPart | undefined;
  /** Of the files before the one that is being written. */
  #durationUs = 0;
  #bytes = 0;
  #completing: Promise<unknown> = Promise.resolve();
  #fileName: string | undefined;
  #tellsMs = 0;
  #hasBegun = false;
  readonly #losses = new RateLimiter(1);
  /** Packets since the line in the log before. */
  #lost = 0;
  #stopped: Promise<string | undefined> | undefined;

  /** `onOver` is called when it is to be stopped: its source is over, or it was given up. */
  constructor(request: RecordingRequest, env: RecordingEnv, onOver: (recording: Recording) => void) {
    const { stream, publication, rotation, startAt } = request;
    const { options } = env;
    this.#env = env;
    this.#request = request;
    this.#onOver = onOver;
    this.publication = publication;
    this.stream = stream;
    this.#log = env.log.child({ stream: stream.name, mediaSessionId: publication.mediaSessionId });
    this.#capture = new Capture({
      ...env,
      source: stream,
      startAt,
      options: { ...options, part: options.writing, rotation },
      planFor: (video) => planFor(video, options, env.adaptations.enabled),
      place: (container) => this.#place(container),
      events: {
        onPart: (part) => this.#onPart(part),
        onPartEnded: (part) => this.#onPartEnded(part),
        onPartDiscarded: (part) => this.#discard(part),
        onWritten: (bytes) => env.counters.count('recording_bytes', bytes),
        onLost: (packets) => this.#onLost(packets),
        onTrouble: (reason) => this.#onTrouble(reason),
        onGivenUp: (reason) => this.#onGivenUp(reason),
        onOver: () => onOver(this),
      },
    });
  }

  /** Begins. Once. */
  start(): void {
    this.#env.counters.count('recordings_started');
    this.#log.info({}, 'recording started');
    this.#capture.start();
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    this.#capture.tick(nowMs);
    if (nowMs - this.#tellsMs < 1000) return;
    this.#tellsMs = nowMs;
    this.#tell(this.#part);
  }

  /** Bytes that wait for the disk in memory. */
  get unwrittenBytes(): number {
    return this.#capture.part?.unwrittenBytes ?? 0;
  }

  describe(): RunningRecording {
    const part = this.#part;
    return {
      id: part?.writer.id,
      mediaSessionId: this.publication.mediaSessionId,
      streamName: this.stream.name,
      fileName: part === undefined ? this.#nameNow('mp4') : recordingFileName(part.naming, part.names),
      startedAtMs: this.#startedAtMs,
      durationMs: Math.round((this.#durationUs + (part?.writer.durationUs ?? 0)) / 1000),
      bytes: this.#bytes + (part?.writer.bytes ?? 0),
      trouble: this.#capture.trouble,
    };
  }

  /**
   * Stops: the source need not wait for it from now on. Resolves with the name of its last file when that is complete,
   * undefined when nothing was recorded. Never rejects.
   */
  stop(): Promise<string | undefined> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<string | undefined> {
    await this.#capture.stop();
    this.#forgetFailed();
    this.#log.info({}, 'recording stopped');
    if (this.#hasBegun)
      this.#emit('recordingStopped', this.#fileName ?? '', { durationMs: this.#durationUs / 1000, bytes: this.#bytes });
    await this.#completing;
    return this.#fileName;
  }

  #place(container: RecordingContainer): { id: string; path: string } {
    const id = randomUUID();
    return { id, path: join(this.#env.options.writing.tempDir, `${id}.${container}`) };
  }

  #namingOf(container: RecordingContainer, part: number): Naming {
    const { naming, rotation } = this.#request;
    // Without rotation a further file is the exception: the first one keeps the plain name.
    const numbered = this.#env.options.numbered && (rotates(rotation) || part > 1);
    return { ...naming, extension: container, part: numbered ? part : undefined };
  }

  #namesOf(): NameFacts {
    const { stream, publication, sessionId } = this.#request;
    const { mediaSessionId, login } = publication;
    return { streamName: stream.name, mediaSessionId, sessionId, login };
  }

  #nameNow(container: RecordingContainer): string {
    return recordingFileName(this.#namingOf(container, this.#parts + 1), this.#namesOf());
  }

  #onPart(writer: PartWriter): void {
    this.#forgetFailed();
    const { appKey, login, mediaSessionId } = this.publication;
    const part = ++this.#parts;
    const naming = this.#namingOf(writer.container, part);
    const names: NameFacts = {
      ...this.#namesOf(),
      startTime: Math.round(writer.baseUs / 1000),
      startTimeMillis: writer.createdAtMs,
      videoCodec: writer.trackOf('video')?.codec ?? '',
      audioCodec: writer.trackOf('audio')?.codec ?? '',
    };
    this.#part = { writer, naming, names };
    const entry: RecordingEntry = {
      id: writer.id,
      streamName: this.stream.name,
      mediaSessionId,
      appKey,
      login,
      part,
      container: writer.container,
      state: 'recording',
      fileName: recordingFileName(naming, names),
      startedAtMs: writer.createdAtMs,
      durationMs: 0,
      bytes: 0,
      tracks: writer.tracks,
      lostPackets: 0,
      gaps: [],
    };
    this.#env.ledger.add({ entry, tempPath: writer.path, naming, names });
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#emit('recordingStarted', entry.fileName, { container: entry.container });
  }

  #onPartEnded(writer: PartWriter): void {
    const part = this.#part;
    if (part?.writer !== writer) return;
    this.#part = undefined;
    this.#durationUs += writer.durationUs;
    if (writer.failure !== undefined) this.#failed = part;
    const remark = this.#capture.remark;
    // In the order of the files, so that the last one's name comes last.
    const completed = this.#complete(part, remark);
    this.#completing = Promise.all([this.#completing, completed]).then(([, name]) => {
      this.#fileName = name ?? this.#fileName;
    });
  }

  /** Never rejects. */
  async #complete(part: BegunPart, remark: string | undefined): Promise<string | undefined> {
    const { writer } = part;
    const endedAtMs = Date.now();
    await writer.close();
    this.#bytes += writer.bytes;
    this.#tell(part);
    const names: Partial<NameFacts> = {
      endTime: Math.round((writer.baseUs + writer.durationUs) / 1000),
      endTimeMillis: endedAtMs,
    };
    const { completion, ledger } = this.#env;
    const fileName = await completion.complete(writer.id, { endedAtMs, names, failure: writer.failure, remark });
    const entry = ledger.entry(writer.id);
    const failed = fileName === undefined || writer.failure !== undefined;
    this.#emit(failed ? 'recordingFailed' : 'recordingCompleted', fileName ?? entry?.fileName ?? '', {
      part: entry?.part,
      durationMs: entry?.durationMs,
      bytes: entry?.bytes,
      lostPackets: entry?.lostPackets,
      reason: entry?.reason ?? writer.failure,
    });
    return fileName;
  }

  /** Deletes a file that nothing was written to. */
  #discard(part: PartWriter): void {
    const gone = part.close().then(() => rm(part.path, { force: true }).catch(() => undefined));
    this.#completing = Promise.all([this.#completing, gone]);
  }

  /** Tells the ledger how far a file is. */
  #tell(part: BegunPart | undefined): void {
    if (part === undefined) return;
    const { id, durationUs, bytes, tracks, losses } = part.writer;
    const { lostPackets, gaps } = losses;
    const durationMs = Math.round(durationUs / 1000);
    this.#env.ledger.update(id, { entry: { durationMs, bytes, tracks, lostPackets, gaps } });
  }

  /** What came after a failure was lost until now. */
  #forgetFailed(): void {
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed === undefined) return;
    const { lostPackets, gaps } = failed.writer.losses;
    this.#env.ledger.update(failed.writer.id, { entry: { lostPackets, gaps } });
  }

  #onLost(packets: number): void {
    this.#env.counters.count('recording_lost_packets', packets);
    this.#lost += packets;
    if (this.#losses.take() < 0) return;
    this.#log.warn({ packets: this.#lost, reason: this.#capture.trouble }, 'packets are missing in a recording');
    this.#lost = 0;
  }

  #onTrouble(reason: string | undefined): void {
    if (reason === undefined) return this.#log.info({}, 'recording goes on in a new file');
    this.#env.counters.count('recording_failures');
    this.#log.error({ reason, file: this.#part?.writer.path }, 'recording can not be written');
  }

  #onGivenUp(reason: string): void {
    this.#log.error({ reason }, 'recording given up: it failed too often');
    this.#onOver(this);
  }

  #emit(type: RecordingEvent['type'], fileName: string, facts: RecordingEvent['facts']): void {
    try {
      this.publication.onEvent?.({ type, fileName, facts });
    } catch (error) {
      this.#log.error({ error: String(error) }, 'an event of a recording could not be told');
    }
  }
}
