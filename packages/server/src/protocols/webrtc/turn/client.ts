import type { Allocation } from './allocation.ts';
import type { NonceHolder } from './nonces.ts';

/** One client of the TURN server: the 5-tuple of RFC 8656 §3, with the way back. */
export interface TurnClient extends NonceHolder {
  /** Frames of channels are padded (RFC 8656 §12.5). */
  readonly isStream: boolean;
  /** The one that it has made. */
  allocation: Allocation | undefined;
  /** Sends a message; it is the callee's from now on. Never throws. */
  answer(message: Buffer): void;
  /**
   * The same for what a peer says; false when it was dropped because too much waits, or because it is `media` and the
   * way stands still. Hot path.
   */
  relay(frame: Buffer, media: boolean): boolean;
  /** Its allocation is there: it must be found again. */
  keep(): void;
  /** Its allocation is over. */
  letGo(): void;
}

/** What has happened since the beginning. Plain numbers, for the sake of hot paths. */
export interface TurnTallies {
  /** Datagrams from clients to the media, and back. */
  relayedIn: number;
  relayedOut: number;
  /** Datagrams that were not relayed: no permission, no such channel, or too much waited. */
  dropped: number;
  /** Bytes that are no TURN, and connections closed for them. */
  malformed: number;
}
