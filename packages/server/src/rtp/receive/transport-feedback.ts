import { ArrivalRecorder } from './arrival-recorder.ts';
import type { FeedbackWriter } from './feedback-writer.ts';

const INTERVAL_MS = 100;
/** With so many arrivals, feedback goes before its time. */
const MAX_PENDING = 200;
/** In one go no more than this; what is left is not told. */
const MAX_PACKETS = 4;

/** Tells a sender when its packets arrived, of whatever track (transport-wide congestion control). */
export class TransportFeedback {
  readonly #arrivals = new ArrivalRecorder();
  readonly #writer: Pick<FeedbackWriter, 'arrivals'>;
  readonly #ssrc: () => number | undefined;
  #toldMs = 0;

  /** @param ssrc Any source of the sender; nothing is told while there is none */
  constructor(writer: Pick<FeedbackWriter, 'arrivals'>, ssrc: () => number | undefined) {
    this.#writer = writer;
    this.#ssrc = ssrc;
  }

  /** Takes the transport-wide number of a packet. Hot path. */
  record(sequence: number, arrivalMs: number): void {
    this.#arrivals.record(sequence, arrivalMs);
    if (this.#arrivals.pending >= MAX_PENDING) this.#tell(arrivalMs);
  }

  /** Does what is due. Called about every 20 ms. */
  tick(nowMs: number): void {
    if (nowMs - this.#toldMs >= INTERVAL_MS) this.#tell(nowMs);
  }

  #tell(nowMs: number): void {
    this.#toldMs = nowMs;
    const ssrc = this.#ssrc();
    for (let i = 0; i < MAX_PACKETS && ssrc !== undefined; i++) {
      const recorded = this.#arrivals.take();
      if (recorded === undefined) return;
      this.#writer.arrivals(ssrc, recorded);
    }
    this.#arrivals.discard();
  }
}
