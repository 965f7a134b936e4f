import { describe, expect, test } from 'vitest';
import { opusTrack, parseOpusHead } from '../../codec/opus.ts';
import { g711Track, g722Track } from '../../codec/telephony.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import {
  isRtpCodec,
  isRtpStartPoint,
  opusDepacketizer,
  opusHead,
  opusPacketizer,
  rawAudioDepacketizer,
  rawAudioPacketizer,
  rtpClockRate,
} from './index.ts';

const packet = (bytes: number[], timestamp = 1) => ({ payload: Uint8Array.from(bytes), marker: false, timestamp });

function packetOf(track: Track, unit: Uint8Array): MediaPacket {
  return { track, units: [unit], ptsUs: 0, dtsUs: 0, key: true, byteLength: unit.length };
}

describe('Opus', () => {
  test('comes with a stereo head at first, in frames of their own memory', () => {
    const depacketizer = opusDepacketizer();
    const sent = packet([0x78, 1, 2]);
    const frame = depacketizer.push(sent, false);

    expect(frame).toEqual({
      units: [Uint8Array.of(0x78, 1, 2)],
      parameters: [opusHead()],
      key: true,
      timestamp: 1,
      broken: false,
    });
    expect(frame?.units[0]?.buffer).not.toBe(sent.payload.buffer);
    expect(depacketizer.push(packet([0x78, 1, 2]), true)?.parameters).toBeUndefined();
    expect(parseOpusHead(opusHead())).toMatchObject({ channels: 2, preSkip: 0, inputSampleRate: 48_000 });
    expect(parseOpusHead(opusDepacketizer(1).push(sent, false)?.parameters?.[0] ?? expect.fail()).channels).toBe(1);
  });

  test('takes the single byte of discontinuous transmission, and no payload at all', () => {
    expect(opusDepacketizer().push(packet([0x78]), false)?.units).toEqual([Uint8Array.of(0x78)]);
    expect(opusDepacketizer().push(packet([]), false)).toBeUndefined();
  });

  test.each([
    ['a count of zero frames', [0x7b, 0]],
    ['no count', [0x7b]],
    ['more than 120 ms', [0x7b, 63]],
    ['two frames of the same size in an odd number of bytes', [0x79, 1]],
  ])('is refused with %s', (_, bytes) => {
    expect(() => opusDepacketizer().push(packet(bytes), false)).toThrow(
      expect.objectContaining({ code: 'OPUS_BAD_PAYLOAD' }),
    );
  });

  test('is sent packet by packet', () => {
    const unit = Uint8Array.of(0x78, 1, 2);
    expect(opusPacketizer().packetize(packetOf(opusTrack(1, opusHead()), unit), 1000)).toEqual([
      { payload: unit, marker: false, startPoint: true, timestampOffset: 0 },
    ]);
  });
});

describe('G.711 and G.722', () => {
  test('come as they are', () => {
    expect(rawAudioDepacketizer().push(packet([1, 2, 3], 9), true)).toEqual({
      units: [Uint8Array.of(1, 2, 3)],
      key: true,
      timestamp: 9,
      broken: false,
    });
  });

  test('are divided into packets of 20 ms when there are more than 60 ms, each with its time', () => {
    const lengthsOf = (bytes: number, maxPayloadBytes = 1200) =>
      rawAudioPacketizer()
        .packetize(packetOf(g711Track(1, 'pcma'), new Uint8Array(bytes)), maxPayloadBytes)
        .map(({ payload, timestampOffset }) => [payload.length, timestampOffset]);

    expect(lengthsOf(480)).toEqual([[480, 0]]);
    expect(lengthsOf(500)).toEqual([
      [160, 0],
      [160, 160],
      [160, 320],
      [20, 480],
    ]);
    expect(lengthsOf(250, 100)).toEqual([
      [100, 0],
      [100, 100],
      [50, 200],
    ]);
  });

  test('follow each other when an access unit has several', () => {
    const units = [new Uint8Array(80), new Uint8Array(160)];
    const payloads = rawAudioPacketizer().packetize({ ...packetOf(g722Track(1), new Uint8Array(0)), units }, 1200);
    expect(payloads.map(({ timestampOffset }) => timestampOffset)).toEqual([0, 80]);
  });

  test('have 8000 ticks a second both, though G.722 has 16000 samples', () => {
    expect(rtpClockRate(g711Track(1, 'pcma'))).toBe(8000);
    expect(g722Track(1).clockRate).toBe(16_000);
    expect(rtpClockRate(g722Track(1))).toBe(8000);
  });
});

test('sound starts everywhere; codecs without payload format are told', () => {
  expect(isRtpStartPoint('opus', Uint8Array.of(1))).toBe(true);
  expect(isRtpStartPoint('opus', new Uint8Array(0))).toBe(false);
  expect((['h264', 'flv1', 'aac'] as const).filter(isRtpCodec)).toEqual(['h264', 'aac']);
});
