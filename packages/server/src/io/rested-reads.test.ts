import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytesReadFrom, RestedReads } from './rested-reads.ts';
import { readShared } from './shared-read.ts';
import { SocketPairs } from './testing/socket-pairs.ts';
import { Ticker } from './ticker.ts';

let pairs: SocketPairs;
let rested: RestedReads;

beforeEach(async () => {
  pairs = await SocketPairs.start();
  rested = RestedReads.begin(new Ticker(2)) ?? expect.fail('the addon is not built');
});

afterEach(() => {
  rested.close();
  pairs.close();
});

/** A peer that sends numbered lines, and who reads them. */
async function listener() {
  const reader = {
    socket: undefined as unknown as Socket,
    mayRest: true,
    text: '',
    bytes: 0,
    ended: false,
    onBytes(bytes: Uint8Array) {
      reader.bytes += bytes.length;
      if (reader.text.length < 10_000) reader.text += Buffer.from(bytes).toString();
    },
  };
  const { here, there } = await pairs.open((socket) => {
    expect(readShared(socket, (bytes) => reader.onBytes(bytes))).toBe(true);
    for (const event of ['end', 'error'])
      socket.on(event, () => {
        reader.ended = true;
      });
  });
  reader.socket = here;
  return { reader, there };
}

describe('sockets at rest', () => {
  it('lose nothing, in whatever way they are read', async () => {
    const { reader, there } = await listener();
    let sent = '';
    const say = (text: string): void => {
      sent += text;
      there.write(text);
    };
    say('before ');
    await vi.waitFor(() => expect(reader.text).toBe(sent));
    for (let round = 0; round < 3; round++) {
      rested.add(reader);
      for (let i = 0; i < 20; i++) say(`at rest ${round} ${i} `);
      await vi.waitFor(() => expect(reader.text).toBe(sent));
      expect(rested.size).toBe(1);
      reader.mayRest = false;
      say(`in a hurry ${round} `);
      await vi.waitFor(() => expect(reader.text).toBe(sent));
      expect(rested.size).toBe(0);
      reader.mayRest = true;
    }
    expect(bytesReadFrom(reader.socket)).toBe(sent.length);
    expect(reader.socket.bytesRead).toBeLessThan(sent.length);
  });

  it('are many, and each hears its own', async () => {
    const all: Awaited<ReturnType<typeof listener>>[] = [];
    // More than are read in one go.
    while (all.length < 120) all.push(await listener());
    for (const { reader } of all) rested.add(reader);
    for (const [i, { there }] of all.entries()) there.write(`to ${i}`);
    await vi.waitFor(() => expect(all.map(({ reader }) => reader.text)).toEqual(all.map((_, i) => `to ${i}`)));
    expect(all.every(({ reader }) => reader.socket.bytesRead === 0)).toBe(true);
  });

  it('are left to Node when the peer ends, breaks off or sends much', async () => {
    const [ends, breaks, floods] = [await listener(), await listener(), await listener()];
    for (const { reader } of [ends, breaks, floods]) rested.add(reader);
    ends.there.end('bye');
    breaks.there.resetAndDestroy();
    const size = 8 * 1024 * 1024;
    floods.there.write(Buffer.alloc(size, 'x'));
    await vi.waitFor(() => {
      expect([ends.reader.text, ends.reader.ended, breaks.reader.ended]).toEqual(['bye', true, true]);
      expect(floods.reader.bytes).toBe(size);
    });
    expect(rested.size).toBe(0);
  });
});
