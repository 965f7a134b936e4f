import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ByteSource,
  type Codec,
  codecString,
  h264Packetizer,
  type MediaPacket,
  Mp4Reader,
  opusPacketizer,
  parseRtp,
  type RtpPacketizer,
  rawAudioPacketizer,
  rtpClockRate,
  rtpPacketizer,
  vp8Packetizer,
  writeRtp,
} from '@sluice/media';
import { afterAll, expect, test } from 'vitest';
import { Stream } from '../../core/index.ts';
import { DEFAULT_RECEIVE_OPTIONS, type NegotiatedTrack } from './options.ts';
import { trackOf } from './payload-formats.ts';
import { PublisherMedia } from './publisher-media.ts';
import { AUDIO, soundOf, VIDEO } from './testing/scripted-publisher.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-received-'));
afterAll(() => rmSync(directory, { recursive: true }));

const PERIOD_US = 20_000;

function negotiated(codec: Codec, more: Partial<NegotiatedTrack> = {}): NegotiatedTrack {
  const video = ['h264', 'vp8', 'vp9', 'av1', 'h265'].includes(codec);
  const base = { ...(video ? VIDEO : AUDIO), ssrc: 7, codec, ...more };
  return { ...base, clockRate: rtpClockRate(trackOf({ ...base, clockRate: base.clockRate })) };
}

/** Sends packets as a publisher with that track would; gives the stream's packets. */
function receive(track: NegotiatedTrack, packetizer: RtpPacketizer, packets: readonly MediaPacket[]): MediaPacket[] {
  const stream = new Stream('cam');
  const published: MediaPacket[] = [];
  const reader = stream.attach({ startAt: 'live', onReadable: () => read(), onEnd: () => {} });
  const read = (): void => {
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) published.push(entry.packet);
  };
  const media = new PublisherMedia({
    tracks: [track],
    stream,
    options: DEFAULT_RECEIVE_OPTIONS,
    localSsrc: 1,
    cname: 'sluice',
    sendRtcp: () => {},
    onFirstMedia: () => {},
    onActivityTimeout: () => {},
  });
  let sequence = 65_530;
  for (const packet of packets) {
    const timestamp = Math.round((packet.ptsUs * track.clockRate) / 1e6) + 2 ** 32 - 5000;
    for (const { payload, marker } of packetizer.packetize(packet, 1000)) {
      const { payloadType } = track;
      media.onRtp(
        parseRtp(writeRtp({ payloadType, marker, sequence: sequence++, timestamp, ssrc: 7 }, payload)),
        packet.dtsUs / 1000,
      );
    }
  }
  return published;
}

/** Packets of a track, one every 20 ms, the first and every tenth a key. */
function packetsOf(track: NegotiatedTrack, unitOf: (index: number, key: boolean) => Uint8Array): MediaPacket[] {
  return Array.from({ length: 50 }, (_, index) => {
    const key = track.kind === 'audio' || index % 10 === 0;
    const units = [unitOf(index, key)];
    const timeUs = index * PERIOD_US;
    return { track: trackOf(track), units, ptsUs: timeUs, dtsUs: timeUs, key, byteLength: units[0]?.length ?? 0 };
  });
}

/** The units of a packet in few letters. */
function contentOf({ units }: MediaPacket): string {
  return units.map((unit) => createHash('sha1').update(unit).digest('hex')).join();
}

function vp8Frame(index: number, key: boolean): Uint8Array {
  const frame = new Uint8Array(2500).fill(index);
  frame.set(key ? [0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 64, 0] : [0x11, 0, 0]);
  return frame;
}

test.each([
  ['vp8', vp8Packetizer, vp8Frame],
  ['opus', opusPacketizer, (index: number) => soundOf(index)],
  ['pcma', rawAudioPacketizer, (index: number) => new Uint8Array(160).fill(index)],
  ['pcmu', rawAudioPacketizer, (index: number) => new Uint8Array(160).fill(index)],
  ['g722', rawAudioPacketizer, (index: number) => new Uint8Array(160).fill(index)],
] as const)('%s comes out as it was sent', (codec, packetizer, unitOf) => {
  const track = negotiated(codec);
  const sent = packetsOf(track, unitOf);
  const got = receive(track, packetizer(), sent);

  expect(got.map(contentOf)).toEqual(sent.map(contentOf));
  expect(got.map(({ key }) => key)).toEqual(sent.map(({ key }) => key));
  expect(got.map(({ ptsUs }) => ptsUs)).toEqual(sent.map(({ ptsUs }) => ptsUs));
  expect(got[0]?.track).toEqual(trackOf(track));
});

async function videoOf(path: string | URL, frames: number): Promise<MediaPacket[]> {
  const bytes = new Uint8Array(readFileSync(path));
  const source: ByteSource = { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(source)).readPackets())
    if (packet.track.kind === 'video' && packets.length < frames) packets.push(packet);
  return packets;
}

test.each([
  ['h265', ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:bframes=0', '-tag:v', 'hvc1']],
  ['vp9', ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8']],
  ['av1', ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8']],
] as const)(
  '%s of a real encoder comes out with its parameters',
  async (codec, args) => {
    const path = join(directory, `${codec}.mp4`);
    const input = ['-f', 'lavfi', '-i', 'testsrc2=size=176x144:rate=25:duration=0.8'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, ...args, '-g', '10', path]);
    const sent = await videoOf(path, 20);

    const got = receive(negotiated(codec), rtpPacketizer(codec), sent);

    expect(sent).toHaveLength(20);
    expect(got.map(contentOf)).toEqual(sent.map(contentOf));
    expect(got.map(({ key }) => key)).toEqual(sent.map(({ key }) => key));
    expect(codecString(got[0]?.track ?? expect.fail())).toBe(codecString(sent[0]?.track ?? expect.fail()));
  },
  30_000,
);

test('H.264 of a real encoder comes out with its parameters and decoding times', async () => {
  const sent = await videoOf(new URL('../../../../../assets/demo.mp4', import.meta.url), 40);

  const got = receive(negotiated('h264'), h264Packetizer(1), sent);

  expect(got.map(contentOf)).toEqual(sent.map(contentOf));
  expect(got.map(({ key }) => key)).toEqual(sent.map(({ key }) => key));
  expect(got[0]?.track.parameters).toEqual(sent[0]?.track.parameters);
  expect(new Set(got.map(({ track }) => track)).size).toBe(1);
  const shiftUs = (got[0]?.ptsUs ?? 0) - (sent[0]?.ptsUs ?? 0);
  for (const [index, packet] of got.entries()) {
    expect(packet.dtsUs).toBeGreaterThanOrEqual(got[index - 1]?.dtsUs ?? 0);
    expect(packet.dtsUs).toBeLessThanOrEqual(packet.ptsUs);
    expect(Math.abs(packet.ptsUs - shiftUs - (sent[index]?.ptsUs ?? 0))).toBeLessThan(50);
  }
});

test('pictures out of order get decoding times that never run back and never exceed their own', () => {
  const track = negotiated('h264');
  // I P B B P B B ... in decoding order.
  const order = [0, ...Array.from({ length: 16 }, (_, group) => [3, 1, 2].map((offset) => group * 3 + offset)).flat()];
  const sent = packetsOf(track, (index, key) => Uint8Array.of(key ? 0x65 : 0x41, 0x88, index)).map((packet, index) => ({
    ...packet,
    key: index === 0,
    units: [Uint8Array.of(index === 0 ? 0x65 : 0x41, 0x88, index)],
    ptsUs: (order[index] ?? 49) * PERIOD_US,
    track: { ...packet.track, parameters: [Uint8Array.of(0x67, 0x42, 0xc0, 13, 1), Uint8Array.of(0x68, 0xce, 0x0f)] },
  }));
  const got = receive(track, h264Packetizer(1), sent);

  expect(got).toHaveLength(50);
  for (const [index, { ptsUs, dtsUs }] of got.entries()) {
    expect(dtsUs).toBeGreaterThanOrEqual(got[index - 1]?.dtsUs ?? 0);
    expect(dtsUs).toBeLessThanOrEqual(ptsUs);
    // The depth of the reordering is not known before it shows.
    if (index > 3) expect(ptsUs).toBe(sent[index]?.ptsUs);
  }
});

test('parameters that change in the stream make another track', () => {
  const track = negotiated('h264', { packetizationMode: 0 });
  const parametersOf = (index: number): Uint8Array[] => [
    Uint8Array.of(0x67, 0x42, 0xc0, 13, index < 20 ? 1 : 2),
    Uint8Array.of(0x68, 0xce, 0x0f, 0xc8),
  ];
  const sent = packetsOf(track, (_index, key) => Uint8Array.of(key ? 0x65 : 0x41, 0x88, 1)).map((packet, index) => ({
    ...packet,
    track: { ...packet.track, parameters: parametersOf(index) },
  }));
  const got = receive(track, h264Packetizer(0), sent);

  expect(got).toHaveLength(50);
  expect(got.map(({ track }) => track.parameters[0]?.[4])).toEqual(sent.map((_, index) => (index < 20 ? 1 : 2)));
  expect(new Set(got.map(({ track }) => track)).size).toBe(2);
});

test('H.264 without parameter sets is not given on, unless the offer has them', () => {
  const parameters = [Uint8Array.of(0x67, 0x42, 0xc0, 13, 1), Uint8Array.of(0x68, 0xce, 0x0f, 0xc8)];
  const sent = packetsOf(negotiated('h264'), (_index, key) => Uint8Array.of(key ? 0x65 : 0x41, 0x88, 1));
  expect(receive(negotiated('h264'), h264Packetizer(1), sent)).toHaveLength(0);

  const got = receive(negotiated('h264', { parameters }), h264Packetizer(1), sent);
  expect(got).toHaveLength(50);
  expect(got[0]?.track.parameters).toEqual(parameters);
});
