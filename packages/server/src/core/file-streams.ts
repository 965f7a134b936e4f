/** What streams of files end with when all of the file was played (websdk-signalling.md §5.6). */
export const END_OF_FILE = 'end of the file';

const MAX_START_SECONDS = 365 * 24 * 3600;

/**
 * Where in a file to begin, microseconds, from the text of a parameter in seconds (`start=12.5`). Undefined for what is
 * no such number.
 */
export function startUsOf(seconds: string | undefined): number | undefined {
  if (seconds === undefined || !/^\d{1,9}(?:\.\d{1,9})?$/.test(seconds)) return undefined;
  return Math.round(Math.min(Number(seconds), MAX_START_SECONDS) * 1e6);
}

/** A file that plays as a stream, or to one viewer (rest-api.md §9). */
export interface FileStream {
  readonly mediaSessionId: string;
  readonly streamName: string;
  /** `vod://…` or `vod-live://…` */
  readonly uri: string;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  readonly loop: boolean;
  /** Where it is in the file, and how long that is; 0 where the file does not tell. */
  readonly positionMs: number;
  readonly durationMs: number;
}

/** Files that play as streams. */
export interface FileStreams {
  /**
   * Plays a file as a stream of that name.
   * @throws MediaServerError FILE_NOT_FOUND, FILE_INVALID, FILE_UNREADABLE, STREAM_NAME_BUSY, …
   */
  startup(uri: string, options: { readonly streamName: string; readonly loop?: boolean | undefined }): Promise<void>;
  all(): readonly FileStream[];
  /** Ends those that match; false when there is none. */
  terminate(match: { readonly uri?: string | undefined; readonly streamName?: string | undefined }): boolean;
}
