import { parseAdts, writeAacConfig } from '../../codec/aac.ts';
import type { AacFraming } from './framed-stream.ts';

/** AAC frames behind ADTS headers (ISO 14496-3 §1.A.2.2). */
export const ADTS_FRAMING: AacFraming = {
  headerBytes: 7,
  // Sync word, layer 0, and a sampling rate that there is.
  isHeader: (bytes, at) =>
    bytes[at] === 0xff && ((bytes[at + 1] ?? 0) & 0xf6) === 0xf0 && ((bytes[at + 2] ?? 0) & 0x3c) < 0x34,
  lengthAt: (bytes, at) =>
    (((bytes[at + 3] ?? 0) & 3) << 11) | ((bytes[at + 4] ?? 0) << 3) | ((bytes[at + 5] ?? 0) >> 5),
  read: (unit) => {
    const { config, headerBytes } = parseAdts(unit);
    return {
      asc: writeAacConfig(config),
      frameTicks: config.frameLength,
      frames: [unit.subarray(headerBytes)],
    };
  },
};
