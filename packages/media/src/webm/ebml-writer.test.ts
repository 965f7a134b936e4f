import { describe, expect, it } from 'vitest';
import { EbmlWriter } from './ebml-writer.ts';

describe('an EBML writer', () => {
  it('grows at whatever field does not fit any more', () => {
    const writer = new EbmlWriter(1);
    for (let i = 0; i < 100; i++) {
      writer.u8(i);
      writer.i16(-i);
      writer.u32(i);
      writer.int64(0x86, BigInt(i));
      writer.float(0x86, i);
    }
    const view = new DataView(writer.finish().buffer);
    expect(view.byteLength).toBe(2700);
    for (let i = 0; i < 100; i++) {
      const at = i * 27;
      expect([view.getUint8(at), view.getInt16(at + 1) + 0, view.getUint32(at + 3)]).toEqual([i, 0 - i, i]);
      expect([Number(view.getBigInt64(at + 9)), view.getFloat64(at + 19)]).toEqual([i, i]);
    }
  });
});
