import { extension, type RtpPacket } from '@sluice/media';
import type { Loudness } from '../../core/index.ts';
import type { NegotiatedTrack } from './options.ts';

const LEVEL_MASK = 0x7f;

/** Tells a stream how loud its sound is, by what its publisher says with each packet (RFC 6464). */
export class AudioLevel {
  readonly #id: number;
  readonly #loudness: Loudness;

  private constructor(id: number, loudness: Loudness) {
    this.#id = id;
    this.#loudness = loudness;
  }

  /** For a track of sound whose packets tell it; undefined for any other. */
  static of({ kind, extensions }: NegotiatedTrack, loudness: Loudness): AudioLevel | undefined {
    const id = extensions.audioLevel;
    return kind === 'audio' && id !== undefined ? new AudioLevel(id, loudness) : undefined;
  }

  /**
   * Takes the newest packet. Hot path. The highest bit, whether its sender takes it for a voice, is left out: clients
   * differ in what they call that.
   */
  heard(packet: Pick<RtpPacket, 'extensions'>, nowMs: number): void {
    const level = extension(packet, this.#id)?.[0];
    if (level !== undefined) this.#loudness.tell(-(level & LEVEL_MASK), nowMs);
  }
}
