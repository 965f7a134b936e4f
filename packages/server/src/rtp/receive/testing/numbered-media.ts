import { redLength, writeRed } from '@sluice/media';

/** A picture that tells its number. */
export function pictureOf(index: number, key: boolean, bytes: number): Uint8Array {
  const unit = new Uint8Array(bytes).fill(0x55);
  unit.set([key ? 0x65 : 0x41, 0x80 | (index >> 14), 0x80 | ((index >> 7) & 0x7f), 0x80 | (index & 0x7f)]);
  return unit;
}

/** A piece of sound that tells its number: 20 ms of stereo by its first byte. */
export function soundOf(index: number): Uint8Array {
  return Uint8Array.of(0xfc, 0x80 | (index >> 14), 0x80 | ((index >> 7) & 0x7f), 0x80 | (index & 0x7f), 9, 9);
}

/** The number that a picture or a piece of sound tells. */
export function numberOf(packet: { readonly units: readonly Uint8Array[] }): number {
  const unit = packet.units[0] ?? new Uint8Array(0);
  return (((unit[1] ?? 0) & 0x7f) << 14) | (((unit[2] ?? 0) & 0x7f) << 7) | ((unit[3] ?? 0) & 0x7f);
}

/** Length of a piece of sound, in ticks of 48 kHz. */
const SOUND_TICKS = 960;

/** The same with so many pieces before it (RFC 2198), in a payload. */
export function redundantSound(index: number, count: number, payloadType: number): Uint8Array {
  const redundant = Array.from({ length: count }, (_, i) => ({
    payloadType,
    timestampOffset: (count - i) * SOUND_TICKS,
    payload: soundOf(index - count + i),
  }));
  const content = { payloadType, primary: soundOf(index), redundant };
  const payload = new Uint8Array(redLength(content));
  writeRed(payload, 0, content);
  return payload;
}
