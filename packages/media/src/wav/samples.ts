import type { WavCoding } from './head.ts';

/** Gives samples as 16 bits, big endian, in their order. `bytes` holds whole samples. */
export function toL16(bytes: Uint8Array, coding: WavCoding, bytesPerSample: number): Uint8Array {
  const count = Math.floor(bytes.length / bytesPerSample);
  const result = new Uint8Array(2 * count);
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const to = new DataView(result.buffer);
  const read = readerOf(coding, bytesPerSample);
  for (let i = 0; i < count; i++) to.setInt16(2 * i, read(from, i * bytesPerSample));
  return result;
}

function readerOf(coding: WavCoding, bytesPerSample: number): (view: DataView, at: number) => number {
  if (coding === 'pcma') return (view, at) => decodeALaw(view.getUint8(at));
  if (coding === 'pcmu') return (view, at) => decodeMuLaw(view.getUint8(at));
  if (coding === 'float') {
    const read = (view: DataView, at: number): number =>
      bytesPerSample === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true);
    return (view, at) => fromFloat(read(view, at));
  }
  // Samples of one byte are without sign, all others have one; of longer ones the highest 16 bits are heard.
  if (bytesPerSample === 1) return (view, at) => (view.getUint8(at) - 0x80) << 8;
  return (view, at) => view.getInt16(at + bytesPerSample - 2, true);
}

function fromFloat(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.round(Math.max(-1, Math.min(1, value)) * 0x7fff);
}

/** ITU-T G.711 §3, table 1. */
function decodeALaw(code: number): number {
  const bits = code ^ 0x55;
  const segment = (bits >> 4) & 7;
  const step = ((bits & 0x0f) << 4) + 8;
  const size = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return (bits & 0x80) === 0 ? -size : size;
}

/** ITU-T G.711 §3, table 2. */
function decodeMuLaw(code: number): number {
  const bits = ~code & 0xff;
  const size = ((((bits & 0x0f) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
  return (bits & 0x80) === 0 ? size : -size;
}
