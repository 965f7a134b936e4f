import { DependencyDescriptors, extension, type RtpPacket, rtpTemporalMark, type TemporalMark } from '@sluice/media';
import type { LayerTrack } from './layers/layer-tracks.ts';

const BASE: TemporalMark = { layer: 0, start: true };

/** Tells the temporal layer of a source's packets: by dependency descriptors where it sends them, else by its payloads. */
export class TemporalMarks {
  readonly #track: LayerTrack;
  readonly #descriptors = new DependencyDescriptors();
  #ticks = Number.NaN;
  #mark: TemporalMark | undefined;
  /** Pictures of H.264 that nothing refers to have come: so the others are the base. */
  #hasDisposable = false;

  constructor(track: LayerTrack) {
    this.#track = track;
  }

  /** The mark of a packet that came, with its payload and time. Hot path. */
  of(packet: RtpPacket, payload: Uint8Array, ticks: number): TemporalMark | undefined {
    const { codec, extensions } = this.#track;
    const { dependencyDescriptor } = extensions;
    const value = dependencyDescriptor === undefined ? undefined : extension(packet, dependencyDescriptor);
    const described = value && this.#descriptors.read(value);
    if (described !== undefined) return described;
    if (codec !== 'h264') return rtpTemporalMark(codec, payload);
    // What comes first of a picture decides, as a delimiter before the slice must not come without it.
    if (ticks === this.#ticks) return this.#mark;
    this.#ticks = ticks;
    const mark = rtpTemporalMark(codec, payload);
    if (mark !== undefined) this.#hasDisposable = true;
    this.#mark = mark ?? (this.#hasDisposable ? BASE : undefined);
    return this.#mark;
  }
}
