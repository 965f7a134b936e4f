import type { VideoPreset } from './video-cost.ts';

/** What the engine is allowed to use, and how it encodes. */
export interface EngineOptions {
  /** Audio conversions that share a worker process. */
  readonly audioPerWorker: number;
  /** Video conversions up to 720p that share a worker process, each a quarter of a core; larger ones count as more. */
  readonly videoPerWorker: number;
  /** SRT connections that share a worker process; each takes a thread of it. */
  readonly srtPerWorker: number;
  /** SRT connections at once. */
  readonly srtConnections: number;
  /** Pictures that are taken at the same time, each in a worker process of its own. */
  readonly pictureWorkers: number;
  /** A picture that takes a worker longer is given up, in milliseconds. */
  readonly pictureTimeoutMs: number;
  /** A worker that has converted nothing for this long is ended, in milliseconds. */
  readonly idleMs: number;
  /** A worker that says nothing for this long is killed, in milliseconds. */
  readonly silenceMs: number;
  /** Keep one started worker in reserve for each kind that is in use. A start takes about 150 ms. */
  readonly warmSpare: boolean;
  /** Speed against quality of H.264, by x264's names, unless the target says it. */
  readonly videoPreset: VideoPreset;
  /**
   * Encoders of H.264 by WCS's names (`FF`, `OPENH264`, `NVENC`, `VAAPI`, `QSV`, `V4L2M2M`, `AMF`, `VIDEOTOOLBOX`), in
   * the order in which they are tried; x264 comes last in any case.
   */
  readonly encoderPriority: readonly string[];
  /** Processor cores that conversions of pictures may take together; 0 for all of the machine but half a core. */
  readonly maxCores: number;
  /** Seconds between key frames of video when the target does not say it. */
  readonly keyFrameIntervalS: number;
  /** Scales the table of bitrates by picture size; 1 is the table as it is. */
  readonly videoBitrateFactor: number;
  /** Larger pictures are not decoded, in pixels. */
  readonly maxPicturePixels: number;
  /** Bits a second of a stereo track; mono gets half of it. */
  readonly opusBitrateBps: number;
  readonly aacBitrateBps: number;
}

export const DEFAULT_ENGINE_OPTIONS: EngineOptions = {
  audioPerWorker: 40,
  videoPerWorker: 3,
  srtPerWorker: 32,
  srtConnections: 500,
  pictureWorkers: 2,
  pictureTimeoutMs: 10_000,
  idleMs: 60_000,
  silenceMs: 3000,
  warmSpare: true,
  videoPreset: 'veryfast',
  encoderPriority: ['FF'],
  maxCores: 0,
  keyFrameIntervalS: 2,
  videoBitrateFactor: 1,
  maxPicturePixels: 4096 * 2304,
  opusBitrateBps: 64_000,
  aacBitrateBps: 128_000,
};
