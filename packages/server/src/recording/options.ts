import type { AudioOutput } from '../core/index.ts';
import type { Naming } from './names/index.ts';
import type { RecordingFormats } from './policy.ts';
import type { Rotation } from './rotation.ts';

/** How files are written. */
export interface WritingOptions {
  /** Absolute folder of files that are being written. */
  readonly tempDir: string;
  /** What was recorded goes to the file after so much media or time, or when it is so many bytes. */
  readonly fragmentDurationMs: number;
  readonly fragmentBytes: number;
  /** Have the disk keep each fragment at once. */
  readonly sync: boolean;
  /** What may wait for the disk in memory, for each recording. */
  readonly bufferBytes: number;
  /** Room for the index at the front of MP4 files; 0 for none. */
  readonly reservedBytes: number;
}

/** Choices of the recorder, as the settings of the same names say. */
export interface RecordingOptions {
  /** When false nothing is recorded, whoever asks for it. */
  readonly enabled: boolean;
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  readonly writing: WritingOptions;
  readonly formats: RecordingFormats;
  readonly rotation: Rotation;
  /** Files of a rotated recording are numbered. */
  readonly numbered: boolean;
  readonly naming: Pick<Naming, 'template' | 'encoding' | 'excludedCharacters'>;
  /** Packets of sound that are kept while a new recording waits for its first picture. */
  readonly audioBufferPackets: number;
  /** Form of AAC that is made for recordings. */
  readonly aac: AudioOutput;
  /** Whoever waits for the end of a recording waits this long for its file to be complete. */
  readonly stopTimeoutMs: number;
  /** A recording that fails more often than this within that time is given up. */
  readonly maxErrors: number;
  readonly errorIntervalMs: number;
  /** How often a recording whose disk is full or gone tries to go on. */
  readonly retryIntervalMs: number;
  readonly maxActive: number;
}
