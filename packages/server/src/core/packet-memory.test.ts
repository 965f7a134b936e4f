import { describe, expect, it } from 'vitest';
import { PacketMemory } from './packet-memory.ts';

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

describe('memory of packets', () => {
  it('keeps what was copied, whatever becomes of the original', () => {
    const memory = new PacketMemory();
    const original = new Uint8Array(300);
    const copies = Array.from({ length: 2000 }, (_, i) => memory.copy(original.fill(i & 0xff)));
    expect(copies.every((copy, i) => copy.length === 300 && copy.every((byte) => byte === (i & 0xff)))).toBe(true);
  });

  it('puts many packets into one piece of memory', () => {
    const memory = new PacketMemory();
    const buffers = new Set(Array.from({ length: 1000 }, () => memory.copy(bytes(500, 1)).buffer));
    expect(buffers.size).toBeLessThan(20);
  });

  it('gives large packets memory of their own', () => {
    const memory = new PacketMemory();
    const copy = memory.copy(bytes(1_000_000, 1));
    expect(copy.buffer.byteLength).toBe(1_000_000);
  });

  it('uses again what was taken back, and nothing else', () => {
    const memory = new PacketMemory();
    const kept = memory.copy(bytes(100, 1));
    const undone = memory.copy(bytes(100, 2));
    memory.undo();
    memory.undo();
    const next = memory.copy(bytes(100, 3));
    expect([next.buffer, next.byteOffset]).toEqual([undone.buffer, undone.byteOffset]);
    expect(kept.every((byte) => byte === 1)).toBe(true);
    memory.copy(bytes(900_000, 4));
    memory.undo();
    const after = memory.copy(bytes(100, 5));
    expect(next.every((byte) => byte === 3) && after.every((byte) => byte === 5)).toBe(true);
  });

  it('holds about a second of a slow source in a piece, so that little is kept for one packet', () => {
    const sizeOf = (memory: PacketMemory): number => memory.copy(bytes(10, 1)).buffer.byteLength;
    const slow = new PacketMemory(performance.now() - 1_000_000);
    for (let i = 0; i < 200; i++) slow.copy(bytes(100, 1));
    expect(sizeOf(slow)).toBe(16 * 1024);
    const fast = new PacketMemory();
    for (let i = 0; i < 20_000; i++) fast.copy(bytes(1000, 1));
    expect(sizeOf(fast)).toBe(256 * 1024);
  });
});
