import type { SessionProtocol } from './session-registry.ts';

/** A port that waits for, or gets, an MPEG transport stream (rest-api.md §18). */
export interface TransportStreamInput {
  readonly mediaSessionId: string;
  readonly streamName: string;
  /** Where to send it: `srt://host:31014`, `udp://host:31014`. */
  readonly uri: string;
  readonly protocol: Extract<SessionProtocol, 'mpegts' | 'srt'>;
  /** False until media comes. */
  readonly receiving: boolean;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  readonly timeoutMs: number;
  readonly maxTimestampDiffS: number;
  readonly allowedList: readonly string[];
  readonly notes: readonly string[];
}

export interface TransportStreamStart {
  readonly streamName: string;
  readonly transport: 'udp' | 'srt';
  /** False for what is to be left out; both are taken by default. */
  readonly hasVideo?: boolean | undefined;
  readonly hasAudio?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
  readonly maxTimestampDiffS?: number | undefined;
  /** Addresses and networks that may send; all by default. */
  readonly allowedList?: readonly string[] | undefined;
  /** A free one of the settings' range by default. */
  readonly port?: number | undefined;
  /** UDP: a multicast group to join. */
  readonly group?: string | undefined;
  /** SRT only; 10 to 79 characters. */
  readonly passphrase?: string | undefined;
  readonly latencyMs?: number | undefined;
  readonly record?: boolean | undefined;
  readonly appKey?: string | undefined;
  /** Host name or address by which the caller knows this server, for the URI. */
  readonly host?: string | undefined;
}

/** Ports that take MPEG transport streams. */
export interface TransportStreams {
  /**
   * Takes the name, opens a port.
   * @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID, STREAM_LIMIT, PORT_IN_USE, CONFIG_INVALID
   */
  startup(start: TransportStreamStart): Promise<TransportStreamInput>;
  all(): readonly TransportStreamInput[];
  /** Ends those that match; gives how many there were. */
  end(matches: (input: TransportStreamInput) => boolean, reason: string): number;
}
