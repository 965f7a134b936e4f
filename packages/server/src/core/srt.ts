/** How to open an SRT connection. */
export interface SrtOpen {
  /** `listener` takes the first caller that comes to `port`, and no other. */
  readonly mode: 'caller' | 'listener';
  /** Address to connect to, or to listen at. */
  readonly address: string;
  readonly port: number;
  /** What goes over it, seen from here. */
  readonly direction: 'receive' | 'send';
  readonly streamId?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly latencyMs: number;
  /** No connection after this: it is closed; 0 waits for ever. */
  readonly connectTimeoutMs: number;
}

/**
 * Why a connection is over. `timeout`: nobody answered, or nobody called. `refused`: the other side said no, mostly for
 * the passphrase or the stream id. `ended`: the other side closed it. `broken`: nothing came any more. `failed`: an
 * error here.
 */
export type SrtEndCode = 'timeout' | 'refused' | 'ended' | 'broken' | 'failed';

export interface SrtEvents {
  onConnected(): void;
  /** Bytes of a transport stream, in order; theirs to keep. */
  onData(bytes: Uint8Array): void;
  /** More may be written after `write` has said no. */
  onWritable(): void;
  /** It is over, or never came to be; `reason` for people. Once. */
  onClosed(reason: string, code: SrtEndCode): void;
}

export interface SrtConnection {
  /** Sends; false when enough waits already: it was taken all the same, but the next had better wait for `onWritable`. */
  write(bytes: Uint8Array): boolean;
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
  /** Ends it; no event follows. Idempotent. */
  close(): void;
}

/** SRT, carried out by a library in another process (the engine). */
export interface SrtTransport {
  open(options: SrtOpen, events: SrtEvents): SrtConnection;
}
