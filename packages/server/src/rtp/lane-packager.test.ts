import { type Codec, l16Track, type MediaPacket, type Track } from '@sluice/media';
import { expect, test } from 'vitest';
import { Stream } from '../core/index.ts';
import { LanePackager } from './lane-packager.ts';

const OPTIONS = { maxPayloadBytes: 1200, packetizationMode: 1 } as const;
const CODECS: readonly (readonly [Track['kind'], Codec])[] = [
  ['video', 'h264'],
  ['video', 'h265'],
  ['video', 'vp8'],
  ['video', 'vp9'],
  ['video', 'av1'],
  ['audio', 'opus'],
  ['audio', 'pcma'],
  ['video', 'mjpeg'],
  ['audio', 'aac'],
  ['audio', 'g726'],
  ['audio', 'l16'],
  ['audio', 'speex'],
];

/** Bytes that look random and are the same each time. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed * 2_654_435_761 + 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

test.each(CODECS)(
  '%s: frames of %s that are none reach the other viewers, and no packet of them is an error',
  (kind, codec) => {
    const stream = new Stream('s');
    stream.attachPublisher({ sessionId: 'p', close: () => {} });
    const track: Track = { id: 0, kind, codec, clockRate: kind === 'video' ? 90_000 : 48_000, parameters: [] };
    const packager = new LanePackager(stream, kind, OPTIONS);
    let seen = 0;
    stream.attach({ startAt: 'live', onReadable: () => seen++, onEnd: () => {} });
    for (let i = 0; i < 2000; i++) {
      const units = Array.from({ length: i % 4 }, (_, unit) =>
        noise([0, 1, 3, 20, 1200, 1201, 4000][i % 7] ?? 0, i + unit),
      );
      const byteLength = units.reduce((sum, unit) => sum + unit.length, 0);
      const packet: MediaPacket = { track, units, ptsUs: i * 20_000, dtsUs: i * 20_000, key: i % 10 === 0, byteLength };
      stream.publish(packet);
    }
    expect(seen).toBe(2000);
    if (codec === 'av1' || codec === 'mjpeg') expect(packager.broken).toBeGreaterThan(100);
    packager.close();
  },
);

test('sound of RTSP players is packets of a length that they take, each at its time', () => {
  const stream = new Stream('s');
  stream.attachPublisher({ sessionId: 'p', close: () => {} });
  const packager = new LanePackager(stream, 'audio', OPTIONS);
  const track = l16Track(1, 48_000, 2);
  const unit = new Uint8Array(48_000);
  stream.publish({ track, units: [unit], ptsUs: 1_000_000, dtsUs: 1_000_000, key: true, byteLength: unit.length });
  const packets = Array.from({ length: packager.lane.end }, (_, index) => packager.lane.at(index));
  expect(packets).toHaveLength(40);
  expect(packets.map((packet) => packet?.timestamp)).toEqual(packets.map((_, index) => 48_000 + index * 300));
  expect(packets.every((packet) => packet?.payload.length === 1200)).toBe(true);
  packager.close();
});
