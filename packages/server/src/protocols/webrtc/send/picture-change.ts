import { KeyFrameRetry, type RtpLane, type RtpLanePacket } from '../../../core/index.ts';
import type { SendTrack } from './send-track.ts';
import type { PlayedSource } from './track-source.ts';

/** A key frame that is older than what the player has seen by more than this would show too much a second time. */
const TOLERANCE_US = 500_000;
/** A new one of an encoding of the publisher's is there soon: nothing need be seen twice. */
const LAYER_TOLERANCE_US = 100_000;
/** After so long any key frame is taken, */
const PATIENCE_MS = 3000;
/** and after so long without one it is given up. */
const TIMEOUT_MS = 10_000;

/**
 * Waits for the key frame that a player's picture can go on with from another source, while the old one goes on. Looks at
 * each packet of the new lane, so that the key frame is the first that the player gets of it.
 */
export class PictureChange {
  readonly #send: SendTrack;
  readonly #source: PlayedSource;
  readonly #onDone: (failure: string | undefined) => void;
  readonly #keyFrames = new KeyFrameRetry();
  readonly #beganMs = performance.now();
  #lane: RtpLane | undefined;
  #watch: Disposable | undefined;
  #done = false;

  /** `onDone` is called once, not after `close`: with undefined when the key frame is there, or with what is wrong. */
  constructor(send: SendTrack, source: PlayedSource, onDone: (failure: string | undefined) => void) {
    this.#send = send;
    this.#source = source;
    this.#onDone = onDone;
  }

  /** Looks where the new packets come from, and asks for a key frame. Call every 20 ms or so. */
  tick(nowMs: number): void {
    const { lost } = this.#source;
    if (lost !== undefined) return this.#finish(lost);
    if (nowMs - this.#beganMs > TIMEOUT_MS) return this.#finish('no key frame came of it in time');
    const lane = this.#source.laneFor(this.#lane);
    if (lane !== this.#lane) {
      this.#watch?.[Symbol.dispose]();
      this.#lane = lane;
      this.#watch = lane?.attach((packet) => this.#look(packet));
    }
    const kept = lane === undefined ? undefined : lane.at(lane.startPoint);
    if (kept !== undefined) this.#look(kept);
    const { origin } = this.#source;
    if (!this.#done && lane !== undefined && origin !== undefined) this.#keyFrames.ask(origin);
  }

  /** Gives it up, with all that it holds. Idempotent. */
  close(): void {
    if (this.#done) return;
    this.#stop();
    this.#source[Symbol.dispose]();
  }

  // Hot path: once per packet of a source that is waited for.
  #look({ startPoint, ptsUs }: RtpLanePacket): void {
    if (!startPoint || this.#done) return;
    const toleranceUs = this.#source.layer === undefined ? TOLERANCE_US : LAYER_TOLERANCE_US;
    const isRecent = !this.#send.started || ptsUs >= this.#send.position.ptsUs - toleranceUs;
    if (isRecent || performance.now() - this.#beganMs > PATIENCE_MS) this.#finish(undefined);
  }

  #finish(failure: string | undefined): void {
    this.#stop();
    this.#onDone(failure);
  }

  #stop(): void {
    this.#done = true;
    this.#watch?.[Symbol.dispose]();
  }
}
