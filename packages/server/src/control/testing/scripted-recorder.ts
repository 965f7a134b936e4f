import {
  MediaServerError,
  type MultipleRecording,
  type Recorder,
  type RecordingConfig,
  type RecordingEntry,
  type RunningRecording,
} from '../../core/index.ts';

/** A file of a recording as the ledger has it. */
export function recordingEntry(fields: Partial<RecordingEntry> = {}): RecordingEntry {
  return {
    id: 'r1',
    streamName: 'room',
    mediaSessionId: 'p',
    appKey: 'defaultApp',
    login: 'anna',
    part: 1,
    container: 'mp4',
    state: 'complete',
    fileName: 'a b/room.mp4',
    startedAtMs: 1000.4,
    endedAtMs: 3000,
    durationMs: 1999.6,
    bytes: 1234,
    tracks: [{ kind: 'video', codec: 'h264', width: 320, height: 180, samples: 50, durationMs: 2000.2 }],
    lostPackets: 0,
    gaps: [],
    ...fields,
  };
}

/** A recorder for tests of the control side: it keeps books and records nothing. Publications are those of `known`. */
export class ScriptedRecorder implements Recorder {
  readonly calls: unknown[][] = [];
  readonly known: Set<string>;
  readonly #running = new Map<string, RunningRecording>();
  readonly #multiple = new Map<string, Set<string>>();
  list: RecordingEntry[] = [];
  error: MediaServerError | undefined;

  constructor(known: readonly string[]) {
    this.known = new Set(known);
  }

  async start(mediaSessionId: string, config?: RecordingConfig): Promise<void> {
    this.calls.push(['start', mediaSessionId, config]);
    if (this.error !== undefined) throw this.error;
    this.#mustBePublished(mediaSessionId);
    this.#running.set(mediaSessionId, {
      id: 'r9',
      mediaSessionId,
      streamName: 'room',
      fileName: `${config?.fileTemplate ?? 'room'}-{endTime}.mp4`,
      startedAtMs: 5000,
      durationMs: 40.2,
      bytes: 17,
      trouble: undefined,
    });
  }

  async stop(mediaSessionId: string): Promise<void> {
    this.calls.push(['stop', mediaSessionId]);
    if (!this.#running.delete(mediaSessionId))
      throw new MediaServerError('RECORDING_NOT_FOUND', 'that publication is not being recorded');
  }

  running(): readonly RunningRecording[] {
    return [...this.#running.values()];
  }

  of(mediaSessionId: string): RunningRecording | undefined {
    return this.#running.get(mediaSessionId);
  }

  readonly enabled = true;

  async disk() {
    return { freeBytes: 7, sizeBytes: 10 };
  }

  backlog() {
    return { unwrittenBytes: 5, finalising: 1, uploads: 2 };
  }

  settled(): undefined {
    return undefined;
  }

  entries(): readonly RecordingEntry[] {
    return this.list;
  }

  entry(id: string): RecordingEntry | undefined {
    return this.list.find((entry) => entry.id === id);
  }

  async delete(id: string): Promise<void> {
    const entry = this.entry(id);
    if (entry === undefined) throw new MediaServerError('RECORDING_NOT_FOUND', 'no recording has that id');
    if (entry.state === 'finalising') throw new MediaServerError('RECORDING_BUSY', 'it is being finished');
    this.list = this.list.filter((other) => other !== entry);
  }

  async startMultiple(uri: string): Promise<void> {
    if (this.#multiple.has(uri)) throw new MediaServerError('RECORDING_BUSY', 'it runs already');
    this.#multiple.set(uri, new Set());
  }

  async addToMultiple(uri: string, mediaSessionId: string): Promise<void> {
    const members = this.#members(uri);
    this.#mustBePublished(mediaSessionId);
    if (members.has(mediaSessionId)) throw new MediaServerError('RECORDING_BUSY', 'it is in there already');
    members.add(mediaSessionId);
  }

  async removeFromMultiple(uri: string, mediaSessionId: string): Promise<void> {
    if (!this.#members(uri).delete(mediaSessionId))
      throw new MediaServerError('SESSION_NOT_FOUND', 'it is not in there');
  }

  multiple(): readonly MultipleRecording[] {
    return Array.from(this.#multiple, ([uri, members]) => ({
      uri,
      mediaSessionIds: [...members],
      fileName: `${uri.replace(/[:/]/g, '_')}.mp4`,
    }));
  }

  async stopMultiple(uri: string): Promise<void> {
    this.#members(uri);
    this.#multiple.delete(uri);
  }

  #members(uri: string): Set<string> {
    const members = this.#multiple.get(uri);
    if (members === undefined) throw new MediaServerError('RECORDING_NOT_FOUND', 'there is no such recorder');
    return members;
  }

  #mustBePublished(mediaSessionId: string): void {
    if (!this.known.has(mediaSessionId))
      throw new MediaServerError('SESSION_NOT_FOUND', 'nothing is published under that id');
  }
}
