import type { Track } from '../packet.ts';

/** One access unit out of a tag, in the form that `MediaPacket` asks for. */
export interface FlvFrame {
  readonly track: Track;
  /** Views into the tag's body, or copies where views would hold on to much more than they show. */
  readonly units: readonly Uint8Array[];
  /** True when a decoder can start here; always for audio. */
  readonly key: boolean;
  /** Presentation time minus the tag's timestamp, microseconds; negative in broken streams only. */
  readonly compositionUs: number;
}

/** Thrown when a source sends a codec that the hub does not carry; names it. */
export class UnsupportedCodecError extends Error {
  readonly kind: 'video' | 'audio';
  /** The codec's name for people, such as 'MP3' or 'VP6'. */
  readonly codecName: string;

  constructor(kind: 'video' | 'audio', codecName: string) {
    super(`${kind} codec ${codecName} is not supported`);
    this.name = 'UnsupportedCodecError';
    this.kind = kind;
    this.codecName = codecName;
  }
}

/** Bytes of a tag that a kept unit may hold on to without being part of it. */
const MAX_WASTE_BYTES = 1024;

/** The units as they are, or copied where views into the body would hold on to much more than they show. */
export function ownedUnits(units: readonly Uint8Array[], bodyBytes: number): readonly Uint8Array[] {
  let bytes = 0;
  for (const unit of units) bytes += unit.length;
  return bodyBytes - bytes > MAX_WASTE_BYTES + bytes ? units.map((unit) => new Uint8Array(unit)) : units;
}
