import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ADDRESS_BYTES, writeAddress } from './addresses.ts';
import { type DatagramPorts, openDatagramPorts } from './index.ts';

const SLOT_BYTES = 2048;
const BUFFER_BYTES = 262_144;

let other: Socket;
let ports: DatagramPorts;

beforeEach(async () => {
  ports = openDatagramPorts() ?? expect.fail('the addon is not built');
  other = createSocket('udp4');
  other.bind(0, '127.0.0.1');
  await once(other, 'listening');
});

afterEach(() => other.close());

function addressOf(port: number): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  writeAddress(bytes, 0, '127.0.0.1', port);
  return bytes;
}

async function sendFromOther(port: number, ...texts: readonly string[]): Promise<void> {
  for (const text of texts)
    await new Promise<void>((resolve) => {
      other.send(text, ports.port(port), '127.0.0.1', () => resolve());
    });
}

/** What has come, each with its port. */
function read(
  slots: number,
): { readonly port: number; readonly text: string; readonly length: number; readonly ageMs: number }[] {
  const data = Buffer.alloc(slots * SLOT_BYTES);
  const records = new Float64Array(slots * 4);
  const count = ports.read(data, records);
  return Array.from({ length: count }, (_, i) => {
    const [port = 0, offset = 0, length = 0, ageMs = Number.NaN] = records.subarray(i * 4);
    return { port, text: data.toString('latin1', offset, offset + length), length, ageMs };
  });
}

describe('ports that are read together', () => {
  test('tell what came to which, in order, and as much as there is room for', async () => {
    const [one, two] = [ports.open(BUFFER_BYTES), ports.open(BUFFER_BYTES)];
    expect(read(4)).toEqual([]);
    await sendFromOther(one, 'a', 'b');
    await sendFromOther(two, 'c');
    const first = read(2);
    const all = [...first, ...read(2)].map(({ port, text }) => `${port === one ? 'one' : 'two'} ${text}`);
    expect(first).toHaveLength(2);
    expect(all.toSorted()).toEqual(['one a', 'one b', 'two c']);
    expect(all.indexOf('one a')).toBeLessThan(all.indexOf('one b'));
    expect(read(2)).toEqual([]);
  });

  test('send to an address, and to that alone once they are connected', async () => {
    const port = ports.open(BUFFER_BYTES);
    const came: string[] = [];
    other.on('message', (bytes) => came.push(String(bytes)));
    const to = addressOf(other.address().port);
    expect(ports.send(port, Buffer.from('first'), to)).toBe(0);
    expect(ports.connect(port, to)).toBe(0);
    expect(ports.send(port, Buffer.from('second'))).toBe(0);
    await vi.waitFor(() => expect(came).toEqual(['first', 'second']));
    const stranger = createSocket('udp4');
    await new Promise<void>((resolve) => {
      stranger.send('stranger', ports.port(port), '127.0.0.1', () => resolve());
    });
    stranger.close();
    await sendFromOther(port, 'known');
    await vi.waitFor(() => expect(read(4).map(({ text }) => text)).toEqual(['known']));
  });

  test('go on when nobody is at the other end', async () => {
    const port = ports.open(BUFFER_BYTES);
    const nobody = createSocket('udp4');
    nobody.bind(0, '127.0.0.1');
    await once(nobody, 'listening');
    const to = addressOf(nobody.address().port);
    await new Promise<void>((resolve) => nobody.close(() => resolve()));
    ports.connect(port, to);
    const results = Array.from({ length: 5 }, () => ports.send(port, Buffer.from('x')));
    expect(results.every((result) => result <= 0)).toBe(true);
    expect(read(4)).toEqual([]);
  });

  test('tell how long ago something came, however late it is read', async () => {
    const port = ports.open(BUFFER_BYTES);
    const sentMs = performance.now();
    await sendFromOther(port, 'x');
    const cameMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 60));
    const beforeMs = performance.now();
    const [datagram] = read(1);
    const afterMs = performance.now();
    // Clocks of the system differ by less than a millisecond in that time.
    expect(datagram?.ageMs).toBeGreaterThan(beforeMs - cameMs - 1);
    expect(datagram?.ageMs).toBeLessThan(afterMs - sentMs + 1);
  });

  test('cut what is longer than a slot', async () => {
    const port = ports.open(BUFFER_BYTES);
    await sendFromOther(port, 'x'.repeat(3000));
    expect(read(2).map(({ length }) => length)).toEqual([SLOT_BYTES]);
  });

  test('refuse what is no open port, and arguments of another kind', () => {
    const port = ports.open(BUFFER_BYTES);
    expect(ports.close(port)).toBe(true);
    expect(ports.close(port)).toBe(false);
    expect(() => ports.port(port)).toThrow(TypeError);
    expect(() => ports.send(0, Buffer.from('x'))).toThrow('not an open port');
    const open = ports.open(BUFFER_BYTES);
    expect(() => ports.connect(open, new Uint8Array(3))).toThrow('not an address');
    expect(() => ports.read(Buffer.alloc(1), new Uint8Array(4) as unknown as Float64Array)).toThrow(TypeError);
    const { read: loose } = ports;
    expect(() => loose(Buffer.alloc(1), new Float64Array(4))).toThrow(TypeError);
    // No room is no error.
    expect(ports.read(Buffer.alloc(1), new Float64Array(4))).toBe(0);
  });
});
