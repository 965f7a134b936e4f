import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readShared } from './shared-read.ts';
import { SocketPairs } from './testing/socket-pairs.ts';

let pairs: SocketPairs;

beforeEach(async () => {
  pairs = await SocketPairs.start();
});

afterEach(() => pairs.close());

describe('reading into shared memory', () => {
  it('gives all that comes, in order, with one piece of memory for all sockets', async () => {
    const memory = new Set<ArrayBufferLike>();
    const heard = ['', ''];
    const open = (at: number) =>
      pairs.open((socket) => {
        const shared = readShared(socket, (bytes) => {
          memory.add(bytes.buffer);
          heard[at] += Buffer.from(bytes).toString();
        });
        expect(shared).toBe(true);
      });
    const [one, two] = [await open(0), await open(1)];
    for (let i = 0; i < 50; i++) {
      one.there.write(`a${i} `);
      two.there.write(`b${i} `);
    }
    const all = (name: string): string => Array.from({ length: 50 }, (_, i) => `${name}${i} `).join('');
    await vi.waitFor(() => expect(heard).toEqual([all('a'), all('b')]));
    expect(memory.size).toBe(1);
    expect(one.here.bytesRead).toBe(all('a').length);
  });

  it('stops while it is paused, and tells the end', async () => {
    let heard = '';
    let ended = false;
    const { here, there } = await pairs.open((socket) =>
      readShared(socket, (bytes) => {
        heard += Buffer.from(bytes).toString();
      }),
    );
    here.on('end', () => {
      ended = true;
    });
    there.write('one ');
    await vi.waitFor(() => expect(heard).toBe('one '));
    here.pause();
    await new Promise<void>((resolve) => there.write('two', () => resolve()));
    const another = await pairs.open((socket) => socket.end('x'));
    // What came before on the same machine was there to be read by then.
    await new Promise((resolve) => another.there.once('data', resolve));
    expect(heard).toBe('one ');
    here.resume();
    there.end();
    await vi.waitFor(() => expect([heard, ended]).toEqual(['one two', true]));
  });

  it('listens for data where there is no such memory', () => {
    const stream = new PassThrough() as unknown as Socket;
    const heard: Uint8Array[] = [];
    expect(readShared(stream, (bytes) => heard.push(bytes))).toBe(false);
    stream.emit('data', Buffer.from('x'));
    expect(heard).toHaveLength(1);
  });
});
