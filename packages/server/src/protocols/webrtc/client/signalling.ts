import type { OutboundAddresses, RelayDirection, RelayEnd } from '../../../core/index.ts';
import type { RelayUrl } from './relay-url.ts';

/** How offer and answer are exchanged with another server: once. */
export interface Signalling {
  /** Where it goes; undefined before that is known. */
  readonly remoteAddress: string | undefined;
  /** What the other side calls the session, where it tells. */
  readonly remoteMediaSessionId: string | undefined;
  /** Gives our offer and resolves with the answer. Rejects with a RelayFailure or an error of the guard. */
  exchange(offer: string): Promise<string>;
  /** Ends the session there as far as that is quick; resolves when all is released. Never rejects. Idempotent. */
  close(): Promise<void>;
}

export interface SignallingOptions {
  readonly target: RelayUrl;
  readonly direction: RelayDirection;
  readonly outbound: OutboundAddresses;
  readonly timeoutMs: number;
  /** How long the end may take. */
  readonly closeTimeoutMs: number;
  readonly tlsVerify: boolean;
  readonly maxAnswerBytes: number;
  /** The other side has ended it, or the connection that it needs broke. Once, and not after `close`. */
  onEnded(end: RelayEnd): void;
}

/** A text of the other side in one line, for people. */
export function quoted(text: string): string {
  return text
    .slice(0, 200)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}
