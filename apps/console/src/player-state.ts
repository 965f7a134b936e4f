import type { PlayProtocol } from './play-protocol.ts';
import type { PeerFact } from './webrtc/peer-facts.ts';

export type PlayerPhase = 'idle' | 'loading' | 'playing' | 'paused' | 'buffering' | 'waiting' | 'error';

/** What the page shows about playback. */
export interface PlayerState {
  readonly phase: PlayerPhase;
  /** What is wrong and what to do; empty when all is well. */
  readonly message: string;
  /** True while it waits only because the stream is not live. */
  readonly absent: boolean;
  /** True once the server has answered with something to play. */
  readonly connected: boolean;
  /** How often it failed, but for streams that were not live. */
  readonly failures: number;
  /** Why the network is too bad for this way at this moment; empty when it is not. */
  readonly strain: string;
  /** Seconds behind the newest media that the server offers; undefined while unknown. */
  readonly delaySeconds: number | undefined;
  /** Seconds of media that are loaded ahead. */
  readonly bufferSeconds: number;
  /** How often playback ran out of media after it had begun. */
  readonly stalls: number;
  readonly muted: boolean;
  /** What the way of playing tells about itself; none for those that tell nothing. */
  readonly facts: readonly PeerFact[];
}

/** Before anything is loaded. */
export const IDLE: PlayerState = {
  phase: 'idle',
  message: '',
  absent: false,
  connected: false,
  failures: 0,
  strain: '',
  delaySeconds: undefined,
  bufferSeconds: 0,
  stalls: 0,
  muted: true,
  facts: [],
};

/** What is played and how. */
export interface PlayerTarget {
  readonly protocol: PlayProtocol;
  readonly url: string;
  /** True on a network that hesitates: more is kept ahead, at the price of more delay. */
  readonly calm?: boolean;
  /** True when the address is that of several qualities. */
  readonly ladder?: boolean;
  /** Name of one of them; empty when the player chooses by the network. */
  readonly quality?: string;
}
