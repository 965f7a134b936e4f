import { describe, expect, it } from 'vitest';
import { CopyMemory, PacketMemory, type Slab } from './packet-memory.ts';

const KIB = 1024;

describe('memory of packets', () => {
  it('puts packets beside each other, none over another one', () => {
    const memory = new PacketMemory();
    const first = memory.reserve(100);
    expect(memory.offset).toBe(0);
    expect(memory.reserve(50)).toBe(first);
    expect(memory.offset).toBe(100);
    expect(memory.reserve(1)).toBe(first);
    expect(memory.offset).toBe(150);
  });

  it('gives large packets memory of their own', () => {
    const memory = new PacketMemory();
    const small = memory.reserve(10);
    const large = memory.reserve(1_000_000);
    expect([large.bytes.length, memory.offset]).toEqual([1_000_000, 0]);
    memory.free(large);
    expect(memory.reserve(10)).toBe(small);
    expect(memory.offset).toBe(10);
  });

  it('uses a piece again once the last packet in it is let go, and not before', () => {
    const memory = new PacketMemory();
    const filled: Slab[] = [];
    // One piece and the beginning of the next one.
    for (let i = 0; i < 17; i++) filled.push(memory.reserve(KIB));
    const [first, last] = [filled[0], filled[16]];
    if (first === undefined || last === undefined) return expect.unreachable();
    expect(last).not.toBe(first);
    for (let i = 0; i < 15; i++) memory.free(first);
    const other = new PacketMemory();
    expect(other.reserve(KIB)).not.toBe(first);
    memory.free(first);
    expect(new PacketMemory().reserve(KIB)).toBe(first);
  });

  it('holds about a second of a slow source in a piece, and more of a fast one', () => {
    const sizeOf = (memory: PacketMemory): number => memory.reserve(10).bytes.length;
    const slow = new PacketMemory(performance.now() - 1_000_000);
    for (let i = 0; i < 200; i++) slow.reserve(100);
    expect(sizeOf(slow)).toBe(16 * KIB);
    const fast = new PacketMemory();
    for (let i = 0; i < 2000; i++) fast.reserve(1000);
    expect(sizeOf(fast)).toBe(256 * KIB);
  });
});

describe('memory of copies', () => {
  it('never writes a copy again', () => {
    const memory = new CopyMemory();
    const source = new Uint8Array(20_000);
    const copies: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) {
      source.fill(i);
      copies.push(memory.copy(source, 10, i % 7 === 0 ? 17_000 : 3000));
    }
    for (const [i, copy] of copies.entries()) {
      expect(copy.length).toBe(i % 7 === 0 ? 17_000 : 3000);
      expect(copy.every((byte) => byte === i)).toBe(true);
    }
  });
});
