/** WCS's application key for RTMP sessions (functions-1 §1.1). */
export const APP_KEY = 'flashStreamingApp';

/** What every session of one RTMP connection has in common. */
export interface RtmpPeer {
  /** `/<client ip>:<port>/<server ip>:<port>` (functions-1 §1.1). */
  readonly sessionId: string;
  readonly remoteAddress: string;
}

/** The name of what a peer wants to publish or play, with the parameters that it gave. */
export interface NamedRequest {
  readonly name: string;
  readonly custom: Readonly<Record<string, string>>;
}
