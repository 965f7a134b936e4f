import type { LatmConfig } from '../../codec/latm.ts';

/** Widths in bits of the fields of an AU header (RFC 3640 §3.2.1); 0 for fields that are absent. */
export interface AacAuHeaderFormat {
  readonly mode: 'au-headers';
  readonly sizeLength: number;
  readonly indexLength: number;
  readonly indexDeltaLength: number;
  readonly ctsDeltaLength: number;
  readonly dtsDeltaLength: number;
  readonly randomAccess: boolean;
  readonly streamStateLength: number;
  /** Width of the size of the auxiliary section, which is passed over. */
  readonly auxiliaryDataSizeLength: number;
  /** Bytes of every frame where headers do not tell them; 0 when unknown. */
  readonly constantSize: number;
  /** Ticks of the RTP clock that a frame lasts; 0 for what the configuration says. */
  readonly constantDuration: number;
}

/** How AAC lies in RTP packets: by RFC 3640 (`mpeg4-generic`), or as LATM by RFC 6416 (`MP4A-LATM`). */
export type AacPayloadFormat =
  | AacAuHeaderFormat
  | {
      readonly mode: 'latm';
      /** The configuration is in the packets (`cpresent`, 1 unless the description says 0). */
      readonly configPresent: boolean;
      /** What the description tells in `config`. */
      readonly config?: LatmConfig | undefined;
    };

/** `mode=AAC-hbr` of RFC 3640 §3.3.6, which nearly everybody sends. */
export const AAC_HBR: AacAuHeaderFormat = Object.freeze({
  mode: 'au-headers',
  sizeLength: 13,
  indexLength: 3,
  indexDeltaLength: 3,
  ctsDeltaLength: 0,
  dtsDeltaLength: 0,
  randomAccess: false,
  streamStateLength: 0,
  auxiliaryDataSizeLength: 0,
  constantSize: 0,
  constantDuration: 0,
});
