import { createHmac } from 'node:crypto';
import { encodeAmf0, ProtocolError } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { ChunkReader, type RtmpMessage } from './chunk-reader.ts';
import { MESSAGE, setChunkSize, userControl, writeMessage } from './chunk-writer.ts';
import { RtmpConnection } from './connection.ts';
import { answerHandshake, HANDSHAKE_SIZE } from './handshake.ts';

function collect(bytes: Uint8Array, step: number, reader = new ChunkReader()): RtmpMessage[] {
  const messages: RtmpMessage[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    const piece = Buffer.from(bytes.subarray(at, at + step));
    reader.push(piece, (message) => messages.push(kept(message)));
    // As the memory that sockets are read into.
    piece.fill(0xee);
  }
  return messages;
}

/** A message of its own memory, to look at later. */
function kept(message: RtmpMessage): RtmpMessage {
  return { ...message, payload: new Uint8Array(message.payload) };
}

function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff));
}

describe('chunk reader', () => {
  it.each([1, 3, 128, 5000])('puts messages together whatever the size of the pieces (%i)', (step) => {
    const sent = [0, 1, 127, 128, 129, 1000, 70_000].map((length, i) => {
      const header = { chunkStreamId: 4 + i, type: MESSAGE.audio, streamId: 1, timestamp: i * 1000 };
      return { header, payload: pattern(length) };
    });
    const messages = collect(Buffer.concat(sent.map((m) => writeMessage(m.header, m.payload, 128))), step);
    expect(messages.map((m) => [m.timestamp, Buffer.from(m.payload).equals(pattern(m.payload.length))])).toEqual(
      sent.map((m) => [m.header.timestamp, true]),
    );
  });

  it('reads extended timestamps on every chunk, up to the 32-bit wrap', () => {
    for (const timestamp of [0xfffffe, 0xffffff, 0x1000000, 0xffffffff, 0x100000010]) {
      const header = { chunkStreamId: 6, type: MESSAGE.video, streamId: 1, timestamp };
      const [message] = collect(writeMessage(header, pattern(1000), 128), 50);
      expect(message?.timestamp).toBe(timestamp % 2 ** 32);
      expect(Buffer.from(message?.payload ?? []).equals(pattern(1000))).toBe(true);
    }
  });

  it('accepts encoders that leave the extended timestamp out of later chunks', () => {
    const header = { chunkStreamId: 6, type: MESSAGE.video, streamId: 1, timestamp: 0x2000000 };
    const whole = writeMessage(header, pattern(300), 128);
    // 12 header + 4 extended + 128, then 1 + 4 before each later chunk: cut those 4.
    const cut = Buffer.concat([whole.subarray(0, 145), whole.subarray(149, 149 + 129), whole.subarray(149 + 129 + 4)]);
    const [message] = collect(cut, 7);
    expect(Buffer.from(message?.payload ?? []).equals(pattern(300))).toBe(true);
  });

  it('adds deltas of chunk types 1, 2 and 3', () => {
    const bytes = Buffer.concat([
      Buffer.from([0x04, 0, 0, 100, 0, 0, 1, 8, 1, 0, 0, 0, 0xaa]),
      Buffer.from([0x44, 0, 0, 10, 0, 0, 1, 8, 0xbb]),
      Buffer.from([0x84, 0, 0, 20, 0xcc]),
      Buffer.from([0xc4, 0xdd]),
    ]);
    expect(collect(bytes, 1).map((m) => m.timestamp)).toEqual([100, 110, 130, 150]);
  });

  it('reads chunk stream ids of one, two and three bytes', () => {
    const body = [0, 0, 1, 0, 0, 1, 8, 0, 0, 0, 0, 0x55];
    const bytes = Buffer.from([0x3f, ...body, 0x00, 10, ...body, 0x01, 1, 2, ...body]);
    expect(collect(bytes, 2)).toHaveLength(3);
  });

  it('refuses messages longer than the limit without taking memory for them', () => {
    const reader = new ChunkReader({ maxMessageBytes: 1000, maxPendingBytes: 2000 });
    const header = { chunkStreamId: 4, type: MESSAGE.audio, streamId: 1, timestamp: 0 };
    expect(() => collect(writeMessage(header, pattern(1001), 128), 4096, reader)).toThrow(ProtocolError);
  });

  it('takes memory as bytes arrive, not on a message header’s word', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 100 }, () => {
      const reader = new ChunkReader();
      reader.push(Buffer.from([0x04, 0, 0, 0, 0x70, 0, 0, 9, 1, 0, 0, 0, 1]), () => {});
      return reader;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(readers.length * 100_000);
  });

  it('limits chunk streams', () => {
    const reader = new ChunkReader();
    const open = (id: number): void => reader.push(Buffer.from([0x00, id, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]), () => {});
    expect(() => {
      for (let id = 0; id < 200; id++) open(id);
    }).toThrow(/chunk streams/);
  });
});

describe('handshake', () => {
  it('answers a plain C1 with its echo', () => {
    const c1 = pattern(HANDSHAKE_SIZE);
    const answer = answerHandshake(c1);
    expect(answer).toHaveLength(1 + 2 * HANDSHAKE_SIZE);
    expect(Buffer.from(answer.subarray(1 + HANDSHAKE_SIZE)).equals(c1)).toBe(true);
  });

  it.each([8, 772])('signs its answer for a C1 that carries a digest at %i', (at) => {
    const c1 = pattern(HANDSHAKE_SIZE);
    const offset = (((c1[at] ?? 0) + (c1[at + 1] ?? 0) + (c1[at + 2] ?? 0) + (c1[at + 3] ?? 0)) % 728) + at + 4;
    const digest = createHmac('sha256', 'Genuine Adobe Flash Player 001')
      .update(c1.subarray(0, offset))
      .update(c1.subarray(offset + 32))
      .digest();
    c1.set(digest, offset);
    const answer = Buffer.from(answerHandshake(c1));
    const s2 = answer.subarray(1 + HANDSHAKE_SIZE);
    expect(s2.equals(c1)).toBe(false);
    const suffix = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
    const key = createHmac('sha256', Buffer.concat([Buffer.from('Genuine Adobe Flash Media Server 001'), suffix]))
      .update(digest)
      .digest();
    expect(createHmac('sha256', key).update(s2.subarray(0, 1504)).digest().equals(s2.subarray(1504))).toBe(true);
  });
});

describe('connection', () => {
  function connection(): { connection: RtmpConnection; heard: string[] } {
    const heard: string[] = [];
    const events = {
      send: () => heard.push('send'),
      command: (name: string) => heard.push(name),
      data: () => heard.push('data'),
      audio: (_: Uint8Array, time: number) => heard.push(`audio ${time}`),
      video: (_: Uint8Array, time: number) => heard.push(`video ${time}`),
      pong: () => heard.push('pong'),
    };
    return { connection: new RtmpConnection(events), heard };
  }

  const shake = Buffer.concat([Uint8Array.of(3), Buffer.alloc(2 * HANDSHAKE_SIZE)]);

  function session(): Buffer {
    const command = { chunkStreamId: 3, type: MESSAGE.command, streamId: 0, timestamp: 0 };
    const video = { chunkStreamId: 6, type: MESSAGE.video, streamId: 1, timestamp: 40 };
    const tag = Buffer.concat([Buffer.from([8, 0, 0, 2, 0, 0, 10, 0, 0, 0, 0, 1, 2]), Buffer.alloc(4)]);
    const tag2 = Buffer.concat([Buffer.from([9, 0, 0, 2, 0, 0, 30, 0, 0, 0, 0, 1, 2]), Buffer.alloc(4)]);
    return Buffer.concat([
      shake,
      writeMessage(command, encodeAmf0('connect', 1, { app: 'live', list: [1, 2, { a: 'b' }] }), 128),
      setChunkSize(4096),
      writeMessage(
        command,
        Buffer.from([0x02, 0, 1, 0x78, 0x00, ...new Array(8).fill(0), 0x11, 0x0a, 0x0b, 0x01, 0x03, 0x61, 0x04, 1, 1]),
        4096,
      ),
      writeMessage(video, pattern(9000), 4096),
      writeMessage({ ...video, type: MESSAGE.aggregate, timestamp: 1000 }, Buffer.concat([tag, tag2]), 4096),
      userControl(6, 7),
    ]);
  }

  it('goes through handshake, commands, media, aggregates and pings', () => {
    const { connection: peer, heard } = connection();
    peer.push(session());
    expect(heard).toEqual(['send', 'connect', 'x', 'video 40', 'audio 1000', 'video 1020', 'send']);
  });

  it('survives 20,000 mutations of a session: events or one ProtocolError, in bounded time', () => {
    const random = prng(20261);
    const original = session();
    const started = performance.now();
    for (let round = 0; round < 20_000; round++) {
      const { connection: peer } = connection();
      const bytes = mutate(original.subarray(shake.length), random);
      try {
        peer.push(shake);
        for (let at = 0; at < bytes.length; at += 700) peer.push(bytes.subarray(at, at + 700));
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
    expect(performance.now() - started).toBeLessThan(60_000);
  }, 90_000);
});
