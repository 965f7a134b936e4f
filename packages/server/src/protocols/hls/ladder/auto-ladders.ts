import { type Log, MediaServerError, type StreamRegistry } from '../../../core/index.ts';
import type { HlsLadder } from './ladder.ts';

export interface AutoLaddersDeps {
  readonly streams: StreamRegistry;
  readonly log: Log;
  openLadder(streamName: string): Promise<HlsLadder | undefined>;
}

/** Qualities end some time after nobody has asked for them: so often they are asked for. */
const INTERVAL_MS = 2000;

/** Has all qualities of every published stream made, as if somebody watched each of them (`hls_abr_auto_start`). */
export class AutoLadders {
  readonly #deps: AutoLaddersDeps;
  /** Streams that are being opened. */
  readonly #opening = new Set<string>();
  /** Streams of which it was told that something of them can't be made. */
  readonly #told = new Set<string>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: AutoLaddersDeps) {
    this.#deps = deps;
  }

  /** Begins what is missing, and keeps what runs. Call it often. */
  sweep(nowMs: number): void {
    if (nowMs - this.#lookedMs < INTERVAL_MS) return;
    this.#lookedMs = nowMs;
    const live = [...this.#deps.streams.all()].filter((stream) => stream.live && stream.state.video !== undefined);
    for (const { name } of live) {
      if (this.#opening.has(name)) continue;
      this.#opening.add(name);
      void this.#open(name).finally(() => this.#opening.delete(name));
    }
    const names = new Set(live.map(({ name }) => name));
    for (const name of this.#told) if (!names.has(name)) this.#told.delete(name);
  }

  /** Never rejects. */
  async #open(streamName: string): Promise<void> {
    try {
      const opened = await this.#deps.openLadder(streamName);
      for (const { name } of opened?.ladder.renditions ?? []) this.#begin(opened, name);
    } catch (error) {
      this.#tell(streamName, error);
    }
  }

  #begin(ladder: HlsLadder | undefined, name: string): void {
    try {
      ladder?.open(name, performance.now());
    } catch (error) {
      this.#tell(ladder?.streamName ?? name, error);
    }
  }

  #tell(streamName: string, error: unknown): void {
    if (this.#told.has(streamName)) return;
    this.#told.add(streamName);
    const why = error instanceof MediaServerError ? error.message : String(error);
    this.#deps.log.warn({ stream: streamName, why }, 'not all qualities of a stream are made');
  }
}
