import { rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  MediaServerError,
  type MultipleRecording,
  type Recorder,
  type RecordingConfig,
  type RecordingEntry,
  type RunningRecording,
  type Stream,
  type StreamRegistry,
} from '../core/index.ts';
import { Ticker } from '../io/index.ts';
import { isBusy } from './ledger.ts';
import { MultipleRecorder } from './multiple-recorder.ts';
import { namesSomething } from './names/index.ts';
import type { RecordingOptions } from './options.ts';
import { Recording, type RecordingEnv, type RecordingRequest } from './recording.ts';
import { parseRotation } from './rotation.ts';
import { DiskSlots } from './writing/disk-slots.ts';
import { openNewFile } from './writing/write-queue.ts';

export interface RecordingDeps
  extends Pick<RecordingEnv, 'adaptations' | 'ledger' | 'completion' | 'log' | 'counters'>,
    Partial<Pick<RecordingEnv, 'openFile'>> {
  readonly streams: StreamRegistry;
}

const TICK_MS = 250;
/** Of the four threads that Node has for files. */
const DISK_SLOTS = 2;
/** Ended recordings that are remembered for those who ask late. */
const MAX_REMEMBERED = 1000;
/** The server has to end within ten seconds. */
const CLOSE_MS = 4000;
const MAX_TEMPLATE_CHARACTERS = 1024;

/** A recording that runs, until its end has begun. */
interface Running {
  readonly recording: Recording;
  readonly ticking: Disposable;
}

/** Records publications: those that are wanted from their beginning, others when somebody asks for it. */
export class RecordingServer implements Recorder {
  readonly #deps: RecordingDeps;
  readonly #options: RecordingOptions;
  readonly #env: RecordingEnv;
  readonly #ticker = new Ticker(TICK_MS);
  /** By media session id. */
  readonly #running = new Map<string, Running>();
  /** Names of the last files of recordings that have ended or are about to. */
  readonly #ended = new Map<string, Promise<string | undefined>>();
  /** Recordings whose files are not complete yet. */
  readonly #finishing = new Set<Promise<unknown>>();
  readonly #multiple = new Map<string, { readonly recorder: MultipleRecorder; readonly ticking: Disposable }>();
  #listeners: readonly Disposable[] = [];
  #closed: Promise<void> | undefined;

  constructor(deps: RecordingDeps, options: RecordingOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#env = { openFile: openNewFile, ...deps, slots: new DiskSlots(DISK_SLOTS), options };
  }

  /** Records what is wanted from now on, and what is published already. Once; `start` is that of a recording. */
  open(): void {
    const { streams } = this.#deps;
    this.#listeners = [
      streams.events.on('published', (stream) => this.#onPublished(stream)),
      streams.events.on('unpublished', (stream) => this.#onUnpublished(stream)),
    ];
    for (const stream of streams.all()) this.#onPublished(stream);
  }

  async start(mediaSessionId: string, config: RecordingConfig = {}): Promise<void> {
    this.#checkEnabled();
    const stream = this.#streamOf(mediaSessionId);
    const { rotation, naming } = this.#options;
    const wishes = {
      rotation: config.rotation === undefined ? rotation : parseRotation(config.rotation),
      naming: config.fileTemplate === undefined ? naming : { ...naming, template: checkTemplate(config.fileTemplate) },
    };
    this.#end(mediaSessionId);
    this.#begin(stream, { ...wishes, startAt: 'gop' });
  }

  async stop(mediaSessionId: string): Promise<void> {
    if (!this.#running.has(mediaSessionId)) throw notRecorded(mediaSessionId);
    this.#end(mediaSessionId);
    await this.#inTime(this.#ended.get(mediaSessionId));
  }

  running(): readonly RunningRecording[] {
    return Array.from(this.#running.values(), ({ recording }) => recording.describe());
  }

  of(mediaSessionId: string): RunningRecording | undefined {
    return this.#running.get(mediaSessionId)?.recording.describe();
  }

  settled(mediaSessionId: string): Promise<string> | undefined {
    const ended = this.#ended.get(mediaSessionId);
    if (ended === undefined) return undefined;
    const known = this.entries().find((entry) => entry.mediaSessionId === mediaSessionId);
    if (known === undefined) return undefined;
    return this.#inTime(ended).then((fileName) => fileName ?? this.entry(known.id)?.fileName ?? known.fileName);
  }

  entries(): readonly RecordingEntry[] {
    return this.#deps.ledger.entries();
  }

  entry(id: string): RecordingEntry | undefined {
    return this.#deps.ledger.entry(id);
  }

  async delete(id: string): Promise<void> {
    const { ledger, log } = this.#deps;
    const recording = ledger.get(id);
    if (recording === undefined)
      throw new MediaServerError('RECORDING_NOT_FOUND', `no recording has the id "${id.slice(0, 64)}"`);
    const { entry, path, finishedPath, tempPath, members = [] } = recording;
    if (isBusy(entry)) throw new MediaServerError('RECORDING_BUSY', `"${entry.fileName}" is still being worked on`);
    const paths = [path, finishedPath, tempPath, ...members.map((member) => member.tempPath)];
    // The name of a file that was deleted after its upload may be that of another one by now.
    const own = entry.localDeleted === true ? paths.slice(1) : paths;
    await Promise.all(own.filter((one) => one !== undefined).map((one) => rm(one, { force: true })));
    ledger.remove(id);
    log.info({ file: entry.fileName, stream: entry.streamName }, 'recording deleted');
  }

  get enabled(): boolean {
    return this.#options.enabled;
  }

  async disk(): Promise<{ readonly freeBytes: number; readonly sizeBytes: number } | undefined> {
    // The folder may be made only by the first recording.
    for (let folder = this.#options.recordDir; ; folder = dirname(folder)) {
      try {
        const { bsize, bavail, blocks } = await statfs(folder);
        return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder === dirname(folder)) return undefined;
      }
    }
  }

  backlog(): ReturnType<Recorder['backlog']> {
    const parts = [
      ...this.#running.values(),
      ...Array.from(this.#multiple.values(), ({ recorder }) => ({ recording: recorder })),
    ];
    const entries = this.entries();
    return {
      unwrittenBytes: parts.reduce((sum, { recording }) => sum + recording.unwrittenBytes, 0),
      finalising: entries.filter(({ state }) => state === 'finalising').length,
      uploads: entries.filter(({ upload }) => upload?.state === 'waiting' || upload?.state === 'uploading').length,
    };
  }

  async startMultiple(uri: string): Promise<void> {
    this.#checkEnabled();
    if (this.#multiple.has(uri)) throw new MediaServerError('RECORDING_BUSY', `"${uri.slice(0, 200)}" runs already`);
    const recorder = new MultipleRecorder(uri, this.#env);
    this.#checkLimit();
    let toldMs = 0;
    const ticking = this.#ticker.on((nowMs) => {
      recorder.tick(nowMs);
      if (nowMs - toldMs < 1000) return;
      toldMs = nowMs;
      recorder.tell();
    });
    this.#multiple.set(uri, { recorder, ticking });
    recorder.start();
  }

  async addToMultiple(uri: string, mediaSessionId: string): Promise<void> {
    const recorder = this.#multipleOf(uri);
    const stream = this.#streamOf(mediaSessionId);
    if (recorder.has(mediaSessionId))
      throw new MediaServerError('RECORDING_BUSY', `"${mediaSessionId}" is in "${uri.slice(0, 200)}" already`);
    recorder.add(mediaSessionId, stream);
  }

  async removeFromMultiple(uri: string, mediaSessionId: string): Promise<void> {
    const recorder = this.#multipleOf(uri);
    if (!recorder.has(mediaSessionId))
      throw new MediaServerError('SESSION_NOT_FOUND', `"${mediaSessionId.slice(0, 64)}" is not in that recording`);
    await this.#inTime(recorder.remove(mediaSessionId));
  }

  multiple(): readonly MultipleRecording[] {
    return Array.from(this.#multiple.values(), ({ recorder }) => recorder.describe());
  }

  async stopMultiple(uri: string): Promise<void> {
    const recorder = this.#multipleOf(uri);
    await this.#inTime(this.#endMultiple(recorder));
  }

  /** Stops all recordings, and waits for their files as long as the settings allow. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    for (const mediaSessionId of [...this.#running.keys()]) this.#end(mediaSessionId);
    for (const { recorder } of [...this.#multiple.values()]) void this.#endMultiple(recorder);
    // What is not finished by then is finished at the next start.
    await within(Promise.all(this.#finishing), Math.min(this.#options.stopTimeoutMs, CLOSE_MS));
  }

  #onPublished(stream: Stream): void {
    const publication = stream.publisher?.recording;
    if (publication?.wanted !== true || !this.#options.enabled) return;
    try {
      const rotation =
        publication.rotation === undefined ? this.#options.rotation : parseRotation(publication.rotation);
      this.#begin(stream, { rotation, naming: this.#options.naming, startAt: 'oldest' });
    } catch (error) {
      this.#deps.log.error({ stream: stream.name, error: String(error) }, 'a stream is not recorded');
    }
  }

  #onUnpublished(stream: Stream): void {
    // The publisher is gone from the stream by now.
    for (const [mediaSessionId, { recording }] of this.#running)
      if (recording.stream === stream) this.#end(mediaSessionId);
    for (const { recorder } of this.#multiple.values()) recorder.removeStream(stream);
  }

  #begin(stream: Stream, wishes: Pick<RecordingRequest, 'rotation' | 'naming' | 'startAt'>): void {
    const { publisher } = stream;
    const publication = publisher?.recording;
    if (publication === undefined || this.#closed !== undefined) return;
    const { mediaSessionId } = publication;
    if (this.#running.has(mediaSessionId)) return;
    this.#checkLimit();
    const request = { ...wishes, stream, publication, sessionId: publisher?.sessionId ?? '' };
    const recording = new Recording(request, this.#env, () => this.#end(mediaSessionId, recording));
    const ticking = this.#ticker.on((nowMs) => recording.tick(nowMs));
    this.#running.set(mediaSessionId, { recording, ticking });
    recording.start();
  }

  /** Begins the end of a recording. */
  #end(mediaSessionId: string, only?: Recording): void {
    const running = this.#running.get(mediaSessionId);
    if (running === undefined || (only !== undefined && running.recording !== only)) return;
    this.#running.delete(mediaSessionId);
    running.ticking[Symbol.dispose]();
    const ended = running.recording.stop();
    this.#ended.delete(mediaSessionId);
    this.#ended.set(mediaSessionId, ended);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= MAX_REMEMBERED) break;
      this.#ended.delete(oldest);
    }
    this.#finish(ended);
  }

  #endMultiple(recorder: MultipleRecorder): Promise<void> {
    this.#multiple.get(recorder.uri)?.ticking[Symbol.dispose]();
    this.#multiple.delete(recorder.uri);
    const ended = recorder.stop();
    this.#finish(ended);
    return ended;
  }

  #finish(ended: Promise<unknown>): void {
    this.#finishing.add(ended);
    void ended.finally(() => this.#finishing.delete(ended));
  }

  #streamOf(mediaSessionId: string): Stream {
    for (const stream of this.#deps.streams.all())
      if (stream.publisher?.recording?.mediaSessionId === mediaSessionId) return stream;
    throw new MediaServerError(
      'SESSION_NOT_FOUND',
      `nothing is published with the id "${mediaSessionId.slice(0, 64)}"`,
    );
  }

  #multipleOf(uri: string): MultipleRecorder {
    const found = this.#multiple.get(uri)?.recorder;
    if (found === undefined) throw new MediaServerError('RECORDING_NOT_FOUND', `"${uri.slice(0, 200)}" does not run`);
    return found;
  }

  #checkEnabled(): void {
    if (!this.#options.enabled) throw new MediaServerError('RECORDING_DISABLED', 'record_streams=false forbids it');
  }

  #checkLimit(): void {
    const { maxActive } = this.#options;
    if (this.#running.size + this.#multiple.size >= maxActive)
      throw new MediaServerError('RECORDING_LIMIT', `${maxActive} recordings run already (record_max_active)`);
  }

  /** What a promise that never rejects gives, or undefined when it takes longer than the settings allow. */
  #inTime<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
    return within(promise, this.#options.stopTimeoutMs);
  }
}

async function within<T>(promise: Promise<T> | undefined, timeoutMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function notRecorded(mediaSessionId: string): MediaServerError {
  return new MediaServerError('RECORDING_NOT_FOUND', `"${mediaSessionId.slice(0, 64)}" is not being recorded`);
}

function checkTemplate(template: string): string {
  if (template.length > MAX_TEMPLATE_CHARACTERS || template.trim() === '')
    throw new MediaServerError(
      'RECORDING_CONFIG_INVALID',
      `a file name has 1 to ${MAX_TEMPLATE_CHARACTERS} characters`,
    );
  if (namesSomething(template)) return template;
  throw new MediaServerError('RECORDING_CONFIG_INVALID', `"${template.slice(0, 40)}" names no file`);
}
