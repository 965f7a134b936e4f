/** Frame headers of ITU-T T.81 table B.1: SOF0 to SOF15 without DHT, JPG and DAC. */
const NO_FRAME: ReadonlySet<number> = new Set([0xc4, 0xc8, 0xcc]);

/** Size in pixels of a JPEG file, from its frame header (ITU-T T.81 §B.2.2); undefined when it has none. Total. */
export function jpegSize(file: Uint8Array): { width: number; height: number } | undefined {
  const u16 = (at: number): number => ((file[at] ?? 0) << 8) | (file[at + 1] ?? 0);
  if (u16(0) !== 0xffd8) return undefined;
  let position = 2;
  while (position + 9 <= file.length && file[position] === 0xff) {
    const marker = file[position + 1] ?? 0;
    if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAME.has(marker)) {
      const [height, width] = [u16(position + 5), u16(position + 7)];
      return width > 0 && height > 0 ? { width, height } : undefined;
    }
    // A fill byte, or a segment with its length.
    position += marker === 0xff ? 1 : 2 + Math.max(2, u16(position + 2));
  }
  return undefined;
}
