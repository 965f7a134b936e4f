import type { MediaPacket, Track } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { MemorySocket } from '../testing/memory-socket.ts';
import { mpeg1Size, WsPlayerFormat } from './wsplayer-format.ts';

const MPEG1: Track = { id: 0, kind: 'video', codec: 'mpeg1', clockRate: 90_000, parameters: [] };
const PCMU: Track = { id: 1, kind: 'audio', codec: 'pcmu', clockRate: 8000, parameters: [] };

function packet(track: Track, ms: number, unit: Uint8Array, key = true): MediaPacket {
  return { track, units: [unit], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: unit.length };
}

/** Messages in short: kind, key, source and time of each (websdk-signalling.md §10.2). */
function told(format: WsPlayerFormat, packets: readonly MediaPacket[]): string[] {
  const socket = new MemorySocket();
  for (const each of packets) socket.write(format.packet(each));
  return socket.messages.map((message) => {
    const kind = ((message[0] ?? 0) >> 2) & 3;
    const flags = (message[0] ?? 0) & 3;
    const [ssrc, time] = [message.readUInt32BE(1), message.readUInt32BE(5)];
    if (kind === 3) return `clock ${ssrc} ${time} = ${message.readUInt32BE(9)}.${message.readUInt32BE(13)}`;
    return `${kind === 1 ? 'video' : 'audio'}${(message[0] ?? 0) & 16 ? ' key' : ''} ${flags} ${ssrc} ${time} ${message.length - 9}`;
  });
}

describe('the messages of WSPlayer', () => {
  it('have one picture each, with its source and time, and a clock after each key frame', () => {
    const format = new WsPlayerFormat({ video: true, audio: true });
    expect(
      told(format, [packet(MPEG1, 500, new Uint8Array(50)), packet(MPEG1, 540, new Uint8Array(20), false)]),
    ).toEqual(['video key 3 1 45000 50', `clock 1 45000 = 0.${2 ** 31}`, 'video 3 1 48600 20']);
  });

  it('have 20 ms of sound each, however long the packets are, and a clock soon after each key frame', () => {
    const format = new WsPlayerFormat({ video: true, audio: true });
    expect(told(format, [packet(PCMU, 0, new Uint8Array(100)), packet(PCMU, 12.5, new Uint8Array(400))])).toEqual([
      'audio 3 2 0 160',
      'clock 2 0 = 0.0',
      'audio 3 2 160 160',
      'audio 3 2 320 160',
    ]);
    expect(
      told(format, [packet(MPEG1, 60, new Uint8Array(5)), packet(PCMU, 62.5, new Uint8Array(140))]).map((each) =>
        each.slice(0, 7),
      ),
    ).toEqual(['video k', 'clock 1', 'audio 3', 'clock 2']);
  });

  it('tell the clocks again every two seconds, and follow gaps of the sound', () => {
    const format = new WsPlayerFormat({ video: false, audio: true });
    const seconds = Array.from({ length: 200 }, (_, i) => packet(PCMU, i * 20, new Uint8Array(160)));
    expect(told(format, seconds).filter((each) => each.startsWith('clock'))).toHaveLength(2);
    expect(told(format, [packet(PCMU, 10_000, new Uint8Array(160))])[0]).toBe('audio 3 2 80000 160');
  });

  it('tell times that wrap at 32 bits', () => {
    const format = new WsPlayerFormat({ video: true, audio: false });
    const ms = (2 ** 32 / 90) * 1.5;
    expect(told(format, [packet(MPEG1, Math.round(ms), new Uint8Array(1))])[0]).toMatch(
      /^video key 3 1 21474836\d\d 1$/,
    );
  });
});

describe('the size of an MPEG-1 picture', () => {
  it('is read from its sequence header, and unknown without one', () => {
    expect(mpeg1Size(Uint8Array.of(0, 0, 1, 0xb3, 0x28, 0x01, 0x68))).toEqual({ width: 640, height: 360 });
    expect(mpeg1Size(Uint8Array.of(0, 0, 1, 0, 0x28, 0x01, 0x68))).toBeUndefined();
    expect(mpeg1Size(Uint8Array.of(0, 0, 1, 0xb3))).toBeUndefined();
  });
});
