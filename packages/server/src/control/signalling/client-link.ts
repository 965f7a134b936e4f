import type { Log } from '../../core/index.ts';

/** A client that can be told things, as the parts of its session see it. */
export interface ClientLink {
  /** `/<client ip>:<port>/<server ip>:<port>`. */
  readonly sessionId: string;
  readonly appKey: string;
  /** Address of the client. */
  readonly remoteAddress: string;
  /** The server's address that the client reached. */
  readonly localAddress: string;
  /** For lines about this client. Another one after its level was changed: not to be kept. */
  readonly log: Log;
  /** Sends `{message, data}`; does nothing when the client is gone. */
  send(message: string, ...data: readonly unknown[]): void;
  /** Asks the client for a sign of life; false when none comes within that time, or when it is gone. */
  responds(withinMs: number): Promise<boolean>;
  /** Ends the connection after what has been sent; its session can't be resumed. */
  disconnect(reason: string): void;
  /** Notes an error of the server itself. */
  fault(error: unknown, what: string): void;
}
