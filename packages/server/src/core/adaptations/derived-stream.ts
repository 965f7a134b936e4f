import type { Track } from '@sluice/media';
import { type Publisher, Stream } from '../stream.ts';

/**
 * A stream made from another one for viewers that can't take that as it is. It goes by the source's name, publisher
 * and signals, and its viewers count as the source's.
 */
export class DerivedStream extends Stream {
  readonly source: Stream;
  /** The conversion of the picture; undefined while that goes through as it is. */
  readonly #conversion: () => { requestKeyFrame(): void } | undefined;

  constructor(source: Stream, conversion: () => { requestKeyFrame(): void } | undefined) {
    super(source.name, source.options, source.signals);
    this.source = source;
    this.#conversion = conversion;
  }

  override get publisher(): Publisher | undefined {
    return this.source.publisher;
  }

  override get live(): boolean {
    return this.source.live;
  }

  override addViewers(delta: number): void {
    super.addViewers(delta);
    this.source.addViewers(delta);
  }

  override get canRequestKeyFrame(): boolean {
    return this.#conversion() !== undefined || this.source.canRequestKeyFrame;
  }

  override requestKeyFrame(): void {
    (this.#conversion() ?? this.source).requestKeyFrame();
  }

  /** The source has another publisher, or is at its first one. */
  begin(epoch: number): void {
    this.restart(epoch);
  }

  /** No packet of that kind will come for now. */
  leaveOut(kind: Track['kind']): void {
    if (this.state[kind] !== undefined) this.removeTrack(kind);
  }
}
