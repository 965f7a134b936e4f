import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MediaServerError, type MultipleRecording, type RecordingContainer, type Stream } from '../core/index.ts';
import type { Naming } from './names/index.ts';
import { recordingFileName } from './names/index.ts';
import { multiplePlan } from './policy.ts';
import type { RecordingEnv } from './recording.ts';
import { NO_ROTATION } from './rotation.ts';
import type { StoredMember } from './stored-recording.ts';
import { Capture } from './writing/capture.ts';
import type { PartWriter } from './writing/part-writer.ts';

/** Addresses of recorders of several streams. */
const URI = /^multi-recorder:\/\/\P{Cc}{1,200}$/u;

/** One stream on its way into the recording. */
interface Member {
  readonly stream: Stream;
  readonly capture: Capture;
  /** From the stream's clock to that of the recording, microseconds; known with its first file. */
  shiftUs: number | undefined;
}

/**
 * Several streams in one file. Each is written to a file of its own, which a crash leaves readable; they are joined, with
 * all their tracks at the times when they came, when the recording ends.
 */
export class MultipleRecorder {
  readonly uri: string;
  readonly id = randomUUID();
  readonly #env: RecordingEnv;
  readonly #naming: Naming;
  readonly #startedAtMs = Date.now();
  readonly #startMs = performance.now();
  readonly #members = new Map<string, Member>();
  /** Files that are being written or were, with the times of their beginnings before the earliest is made zero. */
  readonly #files: { readonly member: StoredMember; readonly writer: PartWriter }[] = [];
  #closing: Promise<unknown> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  /** @throws MediaServerError RECORDING_CONFIG_INVALID for an address that is not `multi-recorder://…` */
  constructor(uri: string, env: RecordingEnv) {
    if (!URI.test(uri))
      throw new MediaServerError('RECORDING_CONFIG_INVALID', `"${uri.slice(0, 64)}" is not multi-recorder://NAME`);
    this.uri = uri;
    this.#env = env;
    this.#naming = {
      template: uri.replace(/[:/]/g, '_'),
      encoding: 'none',
      excludedCharacters: '',
      extension: 'mp4',
    };
  }

  /** Begins, without a stream yet. Once. */
  start(): void {
    const { ledger, options, counters, log } = this.#env;
    const names = { streamName: this.uri, mediaSessionId: '', sessionId: '', login: '' };
    ledger.add({
      entry: {
        id: this.id,
        streamName: this.uri,
        mediaSessionId: '',
        appKey: '',
        login: '',
        part: 1,
        container: 'mp4',
        state: 'recording',
        fileName: recordingFileName(this.#naming, names),
        startedAtMs: this.#startedAtMs,
        durationMs: 0,
        bytes: 0,
        tracks: [],
        lostPackets: 0,
        gaps: [],
      },
      tempPath: join(options.writing.tempDir, `${this.id}.mp4`),
      naming: this.#naming,
      names,
      multipleUri: this.uri,
      members: [],
    });
    counters.count('recordings_started');
    log.info({ uri: this.uri }, 'recording of several streams started');
  }

  /** Bytes that wait for the disk in memory. */
  get unwrittenBytes(): number {
    return this.#files.reduce((sum, { writer }) => sum + writer.unwrittenBytes, 0);
  }

  describe(): MultipleRecording {
    const fileName = this.#env.ledger.entry(this.id)?.fileName ?? '';
    return { uri: this.uri, mediaSessionIds: [...this.#members.keys()], fileName };
  }

  has(mediaSessionId: string): boolean {
    return this.#members.has(mediaSessionId);
  }

  /** Takes a stream in, from its newest key frame on. */
  add(mediaSessionId: string, stream: Stream): void {
    const { options, adaptations, log } = this.#env;
    const member: Member = {
      stream,
      shiftUs: undefined,
      capture: new Capture({
        ...this.#env,
        source: stream,
        startAt: 'gop',
        options: { ...options, part: { ...options.writing, reservedBytes: 0 }, rotation: NO_ROTATION },
        planFor: () => multiplePlan(options.aac, adaptations.enabled),
        place: (container) => this.#place(container),
        events: {
          onPart: (part) => this.#onPart(mediaSessionId, member, part),
          onPartEnded: (part) => this.#onPartEnded(part),
          onPartDiscarded: (part) => this.#onPartDiscarded(part),
          onWritten: (bytes) => this.#env.counters.count('recording_bytes', bytes),
          onLost: (packets) => this.#env.counters.count('recording_lost_packets', packets),
          onTrouble: (reason) => this.#onTrouble(stream, reason),
          onGivenUp: (reason) => {
            log.error({ uri: this.uri, stream: stream.name, reason }, 'recording given up: it failed too often');
            void this.remove(mediaSessionId);
          },
          onOver: () => void this.remove(mediaSessionId),
        },
      }),
    };
    this.#members.set(mediaSessionId, member);
    member.capture.start();
  }

  /** Takes a stream out; what was recorded of it stays. Resolves when it is in its file. */
  async remove(mediaSessionId: string): Promise<void> {
    const member = this.#members.get(mediaSessionId);
    if (member === undefined) return;
    this.#members.delete(mediaSessionId);
    const stopped = member.capture.stop();
    this.#closing = Promise.all([this.#closing, stopped]);
    await stopped;
  }

  /** Takes out a stream that has no publisher any more. */
  removeStream(stream: Stream): void {
    for (const [mediaSessionId, member] of this.#members)
      if (member.stream === stream) void this.remove(mediaSessionId);
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    for (const { capture } of this.#members.values()) capture.tick(nowMs);
  }

  /** Tells the ledger how far it is. */
  tell(): void {
    const writers = this.#files.map(({ writer }) => writer);
    const durationMs = this.#members.size > 0 ? performance.now() - this.#startMs : 0;
    this.#env.ledger.update(this.id, {
      entry: {
        durationMs: Math.round(Math.max(durationMs, this.#env.ledger.entry(this.id)?.durationMs ?? 0)),
        bytes: writers.reduce((sum, { bytes }) => sum + bytes, 0),
        tracks: writers.flatMap(({ tracks }) => tracks),
        lostPackets: writers.reduce((sum, { losses }) => sum + losses.lostPackets, 0),
      },
    });
  }

  /** Ends it. Resolves when its file is complete. Never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#members.keys()].map((id) => this.remove(id)));
    await this.#closing;
    this.tell();
    this.#env.log.info({ uri: this.uri }, 'recording of several streams stopped');
    const failures = this.#files.map(({ writer }) => writer.failure).filter((failure) => failure !== undefined);
    const remark = failures.length > 0 ? failures.join('; ') : undefined;
    const endedAtMs = Date.now();
    await this.#env.completion.complete(this.id, { endedAtMs, names: { endTimeMillis: endedAtMs }, remark });
  }

  #place(container: RecordingContainer): { id: string; path: string } {
    const id = `${this.id}.${this.#files.length + 1}-${randomUUID().slice(0, 8)}`;
    return { id, path: join(this.#env.options.writing.tempDir, `${id}.${container}`) };
  }

  #onPart(mediaSessionId: string, member: Member, writer: PartWriter): void {
    const nowUs = Math.round((performance.now() - this.#startMs) * 1000);
    member.shiftUs ??= nowUs - member.stream.lastDtsUs;
    const offsetUs = writer.baseUs + member.shiftUs;
    this.#files.push({ member: { tempPath: writer.path, offsetUs, mediaSessionId }, writer });
    this.#tellMembers();
  }

  #onPartEnded(writer: PartWriter): void {
    this.#closing = Promise.all([this.#closing, writer.close()]);
  }

  #onPartDiscarded(writer: PartWriter): void {
    const gone = writer.close().then(() => rm(writer.path, { force: true }).catch(() => undefined));
    this.#closing = Promise.all([this.#closing, gone]);
  }

  #onTrouble(stream: Stream, reason: string | undefined): void {
    const { log, counters } = this.#env;
    if (reason === undefined)
      return log.info({ uri: this.uri, stream: stream.name }, 'recording goes on in a new file');
    counters.count('recording_failures');
    log.error({ uri: this.uri, stream: stream.name, reason }, 'recording can not be written');
  }

  /** A stream may begin with a key frame that came before the recording: that is where the file begins. */
  #tellMembers(): void {
    const earliestUs = Math.min(0, ...this.#files.map(({ member }) => member.offsetUs));
    const members = this.#files.map(({ member }) => ({ ...member, offsetUs: member.offsetUs - earliestUs }));
    this.#env.ledger.update(this.id, { members });
  }
}
