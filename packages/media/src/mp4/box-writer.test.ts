import { describe, expect, it } from 'vitest';
import { BoxWriter } from './box-writer.ts';

describe('a box writer', () => {
  it('grows at whatever field does not fit any more', () => {
    const writer = new BoxWriter(1);
    for (let i = 0; i < 100; i++) {
      writer.u8(i);
      writer.u16(i);
      writer.u32(i);
    }
    const view = new DataView(writer.finish().buffer);
    expect(view.byteLength).toBe(700);
    for (let i = 0; i < 100; i++) {
      expect([view.getUint8(i * 7), view.getUint16(i * 7 + 1), view.getUint32(i * 7 + 3)]).toEqual([i, i, i]);
    }
  });
});
