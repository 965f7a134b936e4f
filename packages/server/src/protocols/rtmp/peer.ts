import type { StreamAccess } from '../../core/index.ts';

/** WCS's application key for RTMP sessions that name none (functions-1 §1.1). */
export const APP_KEY = 'flashStreamingApp';

/** What every session of one RTMP connection has in common. */
export interface RtmpPeer {
  /** `/<client ip>:<port>/<server ip>:<port>` (functions-1 §1.1). */
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly appKey: string;
  /** Names the peer in files of recordings. */
  readonly login: string;
  /** It came by TLS. */
  readonly secure: boolean;
  /** Bytes of the chunks that it sends. */
  readonly chunkBytes: number;
  /** Somebody waits for what it publishes, from now on. */
  watched(): void;
}

/** The name of what a peer wants to publish or play, with the parameters that it gave. */
export interface NamedRequest {
  readonly name: string;
  /** Where in a file to begin, microseconds. */
  readonly startUs?: number | undefined;
  readonly custom: Readonly<Record<string, string>>;
}

/** A request that was admitted. */
export interface AdmittedRequest {
  readonly mediaSessionId: string;
  /** Name in the hub, which the back end may have chosen. */
  readonly name: string;
  /** The name that the peer knows. */
  readonly askedName: string;
  readonly startUs: number | undefined;
  readonly custom: Readonly<Record<string, string>>;
  readonly access: StreamAccess;
}

/** What the back end hears of an end. */
export interface Outcome {
  readonly failed: boolean;
  readonly info: string;
}
