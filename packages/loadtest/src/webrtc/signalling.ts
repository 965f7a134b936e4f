/** How offers get to a server. */
export interface Signalling {
  /** Gives the answer. @throws Error when the server refuses */
  exchange(offer: string): Promise<string>;
  /** Tells the server that it is over. Never throws; idempotent. */
  close(): Promise<void>;
}

export interface SignallingOptions {
  readonly insecure: boolean;
  readonly timeoutMs: number;
  /** The server has ended it. */
  onEnded(reason: string): void;
}
