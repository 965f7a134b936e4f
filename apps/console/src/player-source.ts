import type { PeerFact } from './webrtc/peer-facts.ts';

/**
 * `absent`: the stream is not live, which no other way to play would change. `early`: it is, and there is nothing to play
 * yet. `trouble`: all else.
 */
export type FailureKind = 'absent' | 'early' | 'trouble';

/** What a source of media tells its player. */
export interface SourceEvents {
  /** There is something to play. */
  readonly ready: () => void;
  /** It stopped, and may work later: `message` says why, and that it is tried again. */
  readonly failed: (message: string, kind: FailureKind) => void;
  /** Nothing comes any more although nothing has failed. */
  readonly starved: () => void;
  /** Media come again after `starved`. */
  readonly resumed: () => void;
  /** This browser can never play it: `message` says what to do instead. */
  readonly impossible: (message: string) => void;
}

/** What to play, for a source. */
export interface SourceTarget {
  readonly url: string;
  /** True on a network that hesitates: more is kept ahead, at the price of more delay. */
  readonly calm: boolean;
  /** Name of one quality of several; empty when the player chooses by the network. */
  readonly quality: string;
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
  /** Why the network is too bad for this way at this moment, as the end of a sentence; empty when it is not. */
  strain?(): string;
  /** Ends all loading. */
  close(): void;
}

/** Opens a source; undefined when it told `impossible` at once. */
export type SourceOpener = (
  video: HTMLVideoElement,
  target: SourceTarget,
  events: SourceEvents,
) => PlayerSource | undefined;

/** Seconds of media that are loaded ahead of the position; 0 when there are none. */
export function bufferedAhead({ buffered, currentTime }: HTMLVideoElement): number {
  return buffered.length === 0 ? 0 : Math.max(0, buffered.end(buffered.length - 1) - currentTime);
}

/** What is on the screen, as the address of a picture; empty when there is nothing yet. */
export function pictureOf(video: HTMLVideoElement): string {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  if (context === null || canvas.width === 0) return '';
  try {
    context.drawImage(video, 0, 0);
    return canvas.toDataURL('image/jpeg', 0.8);
  } catch {
    // Media of another origin, which a page may show but not read.
    return '';
  }
}

/** The Media Source Extensions of this browser, in the form for phones where only that exists. */
export function mediaSourceClass(): typeof MediaSource | undefined {
  return globalThis.MediaSource ?? (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource;
}
