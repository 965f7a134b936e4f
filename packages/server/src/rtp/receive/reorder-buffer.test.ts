import { expect, test } from 'vitest';
import type { RtpLanePacket } from '../../core/index.ts';
import { ReorderBuffer } from './reorder-buffer.ts';

const FORMAT = { track: { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] } } as const;

function packetOf(sequence: number, marker = true, bytes = 10): RtpLanePacket {
  const payload = new Uint8Array(bytes);
  return { format: FORMAT, sequence, timestamp: 0, ptsUs: 0, marker, startPoint: false, payload };
}

function rig(capacity = 3, video = true) {
  const out: string[] = [];
  const buffer = new ReorderBuffer(
    { capacity, video },
    {
      packet: ({ sequence }, lost) => out.push(lost ? `lost ${sequence}` : `${sequence}`),
    },
  );
  const insert = (...sequences: number[]): void => {
    for (const sequence of sequences) buffer.insert(sequence, packetOf(sequence), 0);
  };
  return { buffer, out, insert };
}

test('packets in order leave at once', () => {
  const { out, insert, buffer } = rig();
  insert(5, 6, 7);
  expect(out).toEqual(['5', '6', '7']);
  expect(buffer.blockedSinceMs).toBeNaN();
});

test('packets behind a gap wait for it and then leave in order', () => {
  const { out, insert, buffer } = rig();
  insert(5, 8, 7);
  expect(out).toEqual(['5']);
  expect(buffer.bytes).toBe(20);
  insert(6);
  expect(out).toEqual(['5', '6', '7', '8']);
  expect(buffer.bytes).toBe(0);
});

test('giving up tells the next packet that something is lost before it', () => {
  const { out, insert, buffer } = rig();
  insert(5, 8, 9, 11);
  buffer.giveUp(0);
  expect(out).toEqual(['5', 'lost 8', '9']);
  buffer.giveUp(0);
  expect(out.at(-1)).toBe('lost 11');
  expect(buffer.missed).toBe(3);
});

test('a packet that comes after it was given up is never out of order', () => {
  const { out, insert, buffer } = rig();
  insert(5, 7);
  buffer.giveUp(0);
  insert(6, 8);
  expect(out).toEqual(['5', 'lost 7', '8']);
  expect(buffer.tooLate).toBe(1);
});

test('more frames than the capacity are not held', () => {
  const { out, insert } = rig(3);
  insert(5, 7, 8, 9);
  expect(out).toEqual(['5']);
  insert(10);
  expect(out).toEqual(['5', 'lost 7', '8', '9', '10']);
});

test('a number that is held already is left out', () => {
  const { out, insert, buffer } = rig();
  insert(5, 7, 7, 7);
  expect(buffer.bytes).toBe(10);
  buffer.flush(0);
  expect(out).toEqual(['5', 'lost 7']);
});

test('packets without anything keep their place', () => {
  const { out, insert, buffer } = rig();
  insert(5, 7);
  buffer.insert(6, null, 0);
  expect(out).toEqual(['5', '7']);
});

test('bytes and packets of frames that never end are bounded', () => {
  const { buffer } = rig(1000);
  buffer.insert(0, packetOf(0, false), 0);
  let heldBytes = 0;
  const { payload } = packetOf(0, false, 60_000);
  for (let sequence = 2; sequence < 20_000; sequence += 2) {
    buffer.insert(sequence, { ...packetOf(sequence, false), payload }, 0);
    heldBytes = Math.max(heldBytes, buffer.bytes);
  }
  expect(heldBytes).toBeLessThan(17 * 1024 * 1024);
  expect(buffer.missed).toBeGreaterThan(9000);
});

test('after a restart any number may follow, and something is lost before it', () => {
  const { out, insert, buffer } = rig();
  insert(5, 7);
  buffer.restart(0);
  insert(3);
  expect(out).toEqual(['5', 'lost 7', 'lost 3']);
});
