import { expect, test } from 'vitest';
import { prng } from '../../../../../media/src/testing/mutate.ts';
import { FrameReader, writeFrame } from './tcp-frames.ts';
import { framed } from './testing/ice-tcp-client.ts';

function read(chunks: readonly Buffer[], maxFrameBytes = 65_535) {
  const reader = new FrameReader();
  const datagrams: Buffer[] = [];
  const readable = chunks.every((chunk) =>
    reader.push(chunk, maxFrameBytes, (datagram) => {
      datagrams.push(Buffer.from(datagram));
      return true;
    }),
  );
  return { readable, datagrams, held: reader.heldBytes };
}

test('datagrams are the same however the stream is cut', () => {
  const random = prng(4571);
  const datagrams = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1 + Math.floor(random() * 300), i));
  const stream = Buffer.concat(datagrams.map(framed));
  for (let round = 0; round < 20; round++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + Math.floor(random() * (round % 5 === 0 ? 3 : 400));
      chunks.push(stream.subarray(at, end));
      at = end;
    }
    const { readable, datagrams: found, held } = read(chunks);
    expect([readable, held, found.map(String)]).toEqual([true, 0, datagrams.map(String)]);
  }
});

test('empty frames are nothing, the longest is taken, and one that is longer than wanted ends it', () => {
  const longest = Buffer.alloc(65_535, 7);
  expect(read([Buffer.concat([Buffer.alloc(20), framed(longest), Buffer.alloc(2)])]).datagrams).toEqual([longest]);
  expect(read([framed(Buffer.alloc(101))], 100)).toEqual({ readable: false, datagrams: [], held: 0 });
  expect(read([framed(Buffer.alloc(100)).subarray(0, 50)], 100)).toMatchObject({ readable: true, held: 100 });
});

test('nothing more is read once the reader was told to stop', () => {
  const seen: number[] = [];
  const chunk = Buffer.concat([framed(Buffer.from([1])), framed(Buffer.from([2]))]);
  expect(new FrameReader().push(chunk, 100, (datagram) => seen.push(datagram[0] ?? 0) > 1)).toBe(false);
  expect(seen).toEqual([1]);
});

test('a frame is written with its length before it', () => {
  const target = Buffer.alloc(600);
  const datagram = Buffer.alloc(515, 9);
  expect(target.subarray(0, writeFrame(target, datagram))).toEqual(framed(datagram));
});
