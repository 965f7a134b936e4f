import type { ByteSource, MediaFileReader } from './file-plan.ts';
import { Mp4Reader } from './mp4/index.ts';
import { ProtocolError } from './packet.ts';
import { WavReader } from './wav/index.ts';
import { WebmReader } from './webm/index.ts';

/** The first bytes of every WebM and Matroska file (RFC 8794 §11.2.1: the EBML header's id). */
const EBML_MAGIC = 0x1a45_dfa3;
/** `RIFF`, `RF64` and `BW64` (EBU Tech 3306, ITU-R BS.2088). */
const RIFF_MAGICS: ReadonlySet<number> = new Set([0x5249_4646, 0x5246_3634, 0x4257_3634]);

/**
 * Opens a file that is to be played, whatever its container: MP4, WebM, Matroska or WAV, told by its first bytes.
 * @throws ProtocolError MEDIA_UNKNOWN_FILE when it is none of them, and what its reader throws for a damaged one
 */
export async function openMediaFile(source: ByteSource): Promise<MediaFileReader> {
  const bytes = source.size < 8 ? new Uint8Array() : await source.read(0, 8);
  if (bytes.length < 8) throw unknownFile();
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  if (view.getUint32(0) === EBML_MAGIC) return WebmReader.open(source);
  if (RIFF_MAGICS.has(view.getUint32(0))) return WavReader.open(source);
  // The name of the first box, which nearly always is ftyp; old QuickTime files begin with others.
  if (!isBoxName(view.getUint32(4))) throw unknownFile();
  return Mp4Reader.open(source);
}

function isBoxName(name: number): boolean {
  return [24, 16, 8, 0].every((shift) => {
    const letter = (name >>> shift) & 0xff;
    return letter >= 0x20 && letter <= 0x7e;
  });
}

function unknownFile(): ProtocolError {
  return new ProtocolError('MEDIA_UNKNOWN_FILE', 'this is neither MP4 nor WebM nor Matroska nor WAV');
}
