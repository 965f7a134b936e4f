import { describe, expect, it } from 'vitest';
import { ChunkReader, type RtmpMessage } from '../wire/chunk-reader.ts';
import { CHUNK_STREAM, MESSAGE, writeMessage } from '../wire/chunk-writer.ts';
import { Retimer } from './retimer.ts';

const CHUNK_BYTES = 100;

function message(kind: 'audio' | 'video' | 'data', timestamp: number, body: Uint8Array): Buffer {
  return writeMessage(
    { chunkStreamId: CHUNK_STREAM[kind], type: MESSAGE[kind], streamId: 1, timestamp },
    body,
    CHUNK_BYTES,
  );
}

function body(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i === 0 ? 0x27 : i & 0xff)));
}

function read(bytes: Uint8Array): RtmpMessage[] {
  const reader = new ChunkReader();
  reader.setChunkSize(CHUNK_BYTES);
  const messages: RtmpMessage[] = [];
  reader.push(bytes, (m) => messages.push({ ...m, payload: new Uint8Array(m.payload) }));
  return messages;
}

describe('messages that are shared by pushes', () => {
  it.each([
    [0, [0, 40, 80]],
    [0xfffff0, [0, 5, 40, 0x2000000]],
    [0x1234567, [0, 0xfffffe, 0xffffff, 0x1000000]],
    [0xfffffff0, [0, 0x0f, 0x10, 0x20]],
  ])('begin with 0 for each server, whatever the time of the stream (%i)', (baseMs, timesMs) => {
    const bodies = [0, 1, 99, 100, 101, 1000];
    const went = timesMs.flatMap((ms) => bodies.map((length) => message('video', baseMs + ms, body(length))));
    const came = read(new Retimer(7, CHUNK_BYTES).rewrite(Buffer.concat(went)));
    expect(came.map((m) => m.timestamp)).toEqual(timesMs.flatMap((ms) => bodies.map(() => ms)));
    expect(came.every((m) => m.streamId === 7)).toBe(true);
    expect(came.map((m) => Buffer.from(m.payload))).toEqual(timesMs.flatMap(() => bodies.map(body)));
  });

  it('leave out sound of before the first picture, but not its configuration', () => {
    const retimer = new Retimer(1, CHUNK_BYTES);
    const config = Buffer.of(0xaf, 0, 0x11, 0x90);
    const sound = Buffer.of(0xaf, 1, 0x21);
    const first = read(retimer.rewrite(Buffer.concat([message('data', 0, body(3)), message('video', 1000, body(5))])));
    expect(first.map((m) => [m.type, m.timestamp])).toEqual([
      [MESSAGE.data, 0],
      [MESSAGE.video, 0],
    ]);
    const later = [message('audio', 990, config), message('audio', 990, sound), message('audio', 1013, sound)];
    expect(read(retimer.rewrite(Buffer.concat(later))).map((m) => [m.payload[1], m.timestamp])).toEqual([
      [0, 0],
      [1, 13],
    ]);
  });
});
