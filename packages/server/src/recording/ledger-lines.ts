import { createReadStream } from 'node:fs';
import type { RecordingEntry } from '../core/index.ts';
import { changed, type RecordingChange, type StoredRecording } from './stored-recording.ts';

/** One change of the ledger, as a line of JSON. */
export type LedgerLine =
  | { readonly put: StoredRecording }
  | { readonly id: string; readonly change: RecordingChange }
  | { readonly remove: string };

/** What was found in a file. */
export interface LedgerContent {
  readonly lines: number;
  readonly badLines: number;
  /** Length of the part that is worth keeping: without a torn line at the end. */
  readonly bytes: number;
  /** The last line is whole, but without its line feed. */
  readonly lacksLineFeed: boolean;
}

/** Longer lines are none of ours. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const LINE_FEED = 0x0a;

/** A field that a change forgets is `null` on disk. */
export function lineOf(line: LedgerLine): string {
  if (!('change' in line)) return `${JSON.stringify(line)}\n`;
  const { entry, ...internal } = line.change;
  const change = { ...forgettable(internal), entry: entry && forgettable(entry) };
  return `${JSON.stringify({ id: line.id, change })}\n`;
}

/**
 * Carries out the changes of a file on `recordings`; a file that is not there has none. Bad lines are skipped.
 * @throws the errors of reading
 */
export async function readLedger(path: string, recordings: Map<string, StoredRecording>): Promise<LedgerContent> {
  const lines = new LedgerLines(recordings);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) lines.push(chunk as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return lines.end();
}

class LedgerLines {
  readonly #recordings: Map<string, StoredRecording>;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #lines = 0;
  #badLines = 0;
  #bytes = 0;

  constructor(recordings: Map<string, StoredRecording>) {
    this.#recordings = recordings;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      this.#keep(chunk.subarray(from, end));
      this.#bytes += this.#restBytes + 1;
      this.#take();
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  end(): LedgerContent {
    const restBytes = this.#restBytes;
    const bad = this.#badLines;
    if (restBytes > 0) this.#take();
    const isWhole = restBytes > 0 && this.#badLines === bad;
    return {
      lines: this.#lines,
      badLines: this.#badLines,
      bytes: this.#bytes + (isWhole ? restBytes : 0),
      lacksLineFeed: isWhole,
    };
  }

  #keep(piece: Buffer): void {
    this.#restBytes += piece.length;
    if (this.#restBytes <= MAX_LINE_BYTES) this.#rest.push(piece);
    else this.#rest = [];
  }

  #take(): void {
    const isTooLong = this.#restBytes > MAX_LINE_BYTES;
    const text = isTooLong ? '' : Buffer.concat(this.#rest).toString();
    this.#rest = [];
    this.#restBytes = 0;
    this.#lines++;
    if (isTooLong || !this.#carryOut(text)) this.#badLines++;
  }

  #carryOut(text: string): boolean {
    const line = parsed(text);
    if (line === undefined) return false;
    if (typeof line.remove === 'string') {
      this.#recordings.delete(line.remove);
      return true;
    }
    const recording = isObject(line.put) ? line.put : this.#changed(line);
    if (!isStored(recording)) return false;
    this.#recordings.set(recording.entry.id, recording);
    return true;
  }

  #changed({ id, change }: Record<string, unknown>): unknown {
    const before = typeof id === 'string' ? this.#recordings.get(id) : undefined;
    if (before === undefined || !isObject(change)) return undefined;
    if (change.entry !== undefined && !isObject(change.entry)) return undefined;
    const { entry, ...internal } = change;
    return changed(before, { ...forgotten(internal), entry: forgotten(entry ?? {}) } as RecordingChange);
  }
}

function forgettable(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value ?? null]));
}

function forgotten(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value ?? undefined]));
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const STATES: ReadonlySet<unknown> = new Set(['recording', 'finalising', 'complete', 'failed']);
const CONTAINERS: ReadonlySet<unknown> = new Set(['mp4', 'webm', 'mkv', 'ts']);
const ENTRY_TEXTS = ['id', 'streamName', 'mediaSessionId', 'appKey', 'login', 'fileName'] as const;
const ENTRY_NUMBERS = ['part', 'startedAtMs', 'durationMs', 'bytes', 'lostPackets'] as const;

/** True for what has the shape that the rest of the server relies on: files can be edited, and come from other versions. */
function isStored(value: unknown): value is StoredRecording {
  if (!isObject(value) || typeof value.tempPath !== 'string') return false;
  const { entry, naming, names } = value;
  if (!isObject(naming) || typeof naming.template !== 'string' || typeof naming.extension !== 'string') return false;
  return isObject(names) && typeof names.streamName === 'string' && isEntry(entry);
}

function isEntry(entry: unknown): entry is RecordingEntry {
  if (!isObject(entry) || !STATES.has(entry.state) || !CONTAINERS.has(entry.container)) return false;
  if (!ENTRY_TEXTS.every((name) => typeof entry[name] === 'string')) return false;
  if (!ENTRY_NUMBERS.every((name) => Number.isFinite(entry[name]))) return false;
  return Array.isArray(entry.tracks) && Array.isArray(entry.gaps);
}
