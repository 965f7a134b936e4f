import type { MediaPacket, Track } from '@sluice/media';
import type { Adaptations, OwnStream, Reader, Stream, StreamLog } from '../../core/index.ts';
import { type RecordingPlan, takes } from '../policy.ts';

/** Where in a stream to begin: packets from these times on, microseconds; pictures at a key frame. */
export interface Cursor {
  readonly videoUs: number;
  readonly audioUs: number;
}

export interface IntakeParts {
  readonly source: Stream;
  readonly plan: RecordingPlan;
  readonly from: Cursor;
  readonly adaptations: Adaptations;
  onPacket(packet: MediaPacket): void;
  /** The stream is over, or has another publisher. */
  onOver(): void;
}

/**
 * Reads a stream in the form that a plan asks for: the source itself while it holds nothing else, or a stream of its own
 * that is derived from it. Hands on each packet once; it is read as it is published, so nothing is skipped.
 */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #own: OwnStream | undefined;
  readonly #reader: Reader;
  readonly #epoch: number;
  /** Kinds of tracks that can't be recorded, because nothing is converted here. */
  readonly #skipped: ReadonlySet<Track['kind']>;
  #closed = false;
  #finishing = false;

  constructor(parts: IntakeParts) {
    const { source, plan, from, adaptations } = parts;
    this.#parts = parts;
    this.#epoch = source.state.epoch;
    const position = positionOf(source.log, from);
    const { video, audio } = source.state;
    const unfit = [video, audio].filter((track) => track !== undefined && !takes(plan, track)) as Track[];
    this.#own = unfit.length === 0 ? undefined : adaptations.own(source, plan.acceptance, position);
    this.#skipped = new Set(this.#own === undefined ? unfit.map(({ kind }) => kind) : []);
    const stream = this.#own?.stream ?? source;
    this.#reader = stream.attach({
      startAt: this.#own === undefined ? position : stream.log.start,
      onReadable: () => this.#drain(),
      onEnd: () => this.#end(),
    });
  }

  /** Packets of the source that were lost on the way: this reader or a conversion was too slow, or they were damaged. */
  get lostPackets(): number {
    return this.#reader.dropped + (this.#own?.lostPackets ?? 0);
  }

  /** Why there will be no packets of that kind, although the source has some. */
  leftOut(kind: Track['kind']): string | undefined {
    if (this.#skipped.has(kind)) return 'its codec can not be converted here';
    return this.#own?.leftOut[kind];
  }

  /** Hands on what is there already. To be called once, when the owner knows this object. */
  begin(): void {
    this.#drain();
  }

  /** Reads no more. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.close();
    this.#own?.[Symbol.dispose]();
  }

  /**
   * Lets go of the source at once, and hands on what a conversion still owes of it. Resolves when it is closed: with
   * false when the end is missing, because nothing has come of a conversion for that time.
   */
  async finish(patienceMs: number): Promise<boolean> {
    let isWhole = true;
    if (this.#own !== undefined && !this.#closed) {
      this.#finishing = true;
      isWhole = await this.#own.finish(patienceMs);
      // What still waits there for its turn comes out when it ends.
      this.#own[Symbol.dispose]();
    }
    this.close();
    return isWhole;
  }

  // Hot path: once per packet.
  #drain(): void {
    const { from, onPacket } = this.#parts;
    while (!this.#closed) {
      const entry = this.#reader.read();
      if (entry === undefined) return;
      if (entry.state.epoch !== this.#epoch) return this.#over();
      const { packet } = entry;
      const { kind } = packet.track;
      if (packet.dtsUs >= (kind === 'video' ? from.videoUs : from.audioUs) && !this.#skipped.has(kind))
        onPacket(packet);
    }
  }

  #end(): void {
    if (this.#closed) return;
    this.#drain();
    this.#over();
  }

  #over(): void {
    if (this.#closed) return;
    this.close();
    if (!this.#finishing) this.#parts.onOver();
  }
}

/** The entry of a log where the first packet is that a cursor asks for; the next one when there is none yet. */
function positionOf(log: StreamLog, { videoUs, audioUs }: Cursor): number {
  for (let at = log.start; at < log.end; at++) {
    const packet = log.at(at)?.packet;
    if (packet !== undefined && packet.dtsUs >= (packet.track.kind === 'video' ? videoUs : audioUs)) return at;
  }
  return log.end;
}
