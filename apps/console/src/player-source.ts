import type { PeerFact } from './webrtc/peer-facts.ts';

/** What a source of media tells its player. */
export interface SourceEvents {
  /** There is something to play. */
  readonly ready: () => void;
  /** It stopped, and may work later: `message` says why, and that it is tried again. */
  readonly failed: (message: string) => void;
  /** Nothing comes any more although nothing has failed. */
  readonly starved: () => void;
  /** Media come again after `starved`. */
  readonly resumed: () => void;
  /** This browser can never play it: `message` says what to do instead. */
  readonly impossible: (message: string) => void;
}

/** One way to bring a live stream into a video element. */
export interface PlayerSource {
  /** Loads anew after it failed. */
  reload(): void;
  /** The viewer paused. */
  pause(): void;
  /** The viewer wants to go on, with what is live now. */
  resume(): void;
  /** Seconds behind the newest media; undefined while unknown. */
  delaySeconds(): number | undefined;
  /** Facts of this moment that explain trouble, where the source has any. */
  facts?(): Promise<readonly PeerFact[]>;
  /** Ends all loading. */
  close(): void;
}

/** Seconds of media that are loaded ahead of the position; 0 when there are none. */
export function bufferedAhead({ buffered, currentTime }: HTMLVideoElement): number {
  return buffered.length === 0 ? 0 : Math.max(0, buffered.end(buffered.length - 1) - currentTime);
}
