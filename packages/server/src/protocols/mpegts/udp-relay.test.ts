import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { aacTrack, h264Track, type MediaPacket, type Track, writeAacConfig } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { collector, ofKind } from '../../../../media/src/mpegts/testing/demuxed.ts';
import type { OutboundAddresses, PushAttempt, PushOptions, RelayLink, Stream } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import { UdpRelayProtocol } from './udp-relay.ts';

const SPS = Uint8Array.from([
  0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x28, 0xf1, 0x42, 0xa4,
  0x80,
]);
const PPS = Uint8Array.of(0x68, 0xcb, 0x83, 0xcb, 0x20);
const VIDEO = h264Track(0, [SPS, PPS]);
const AUDIO = aacTrack(1, writeAacConfig({ objectType: 2, sampleRate: 48_000, channels: 2 }));

function packet(track: Track, ms: number, options: { key?: boolean; bytes?: number } = {}): MediaPacket {
  const { key = track.kind === 'audio', bytes = 400 } = options;
  const unit = new Uint8Array(bytes).fill(1 + (ms % 200));
  if (track.kind === 'video') unit.set([key ? 0x65 : 0x41, 0x88]);
  return { track, units: [unit], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: bytes };
}

let hub: ReturnType<typeof testHub>;
let receiver: Socket;
let port: number;
let received: ReturnType<typeof collector>;
let sizes: number[];
let links: RelayLink[];
let stream: Stream;
const notes: string[] = [];
const told: string[] = [];

const loopback: OutboundAddresses = {
  resolve: async (url) => ({ host: '127.0.0.1', address: '127.0.0.1', family: 4, port: Number(new URL(url).port) }),
};

beforeEach(async () => {
  hub = testHub();
  received = collector();
  sizes = [];
  links = [];
  notes.length = 0;
  told.length = 0;
  receiver = createSocket('udp4');
  await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
  receiver.on('message', (datagram) => {
    sizes.push(datagram.length);
    received.demuxer.push(datagram);
  });
  ({ port } = receiver.address());
  stream = hub.streams.publish('cam', { sessionId: 'test', close: () => {} });
});

afterEach(async () => {
  for (const link of links) link.close('test');
  await Promise.all(links.map((link) => link.ended));
  hub.streams.close();
  await new Promise<void>((resolve) => receiver.close(() => resolve()));
});

function push(options: PushOptions = {}, outbound = loopback): RelayLink {
  const attempt: PushAttempt = {
    url: `udp://127.0.0.1:${port}`,
    remoteStreamName: undefined,
    mediaSessionId: 'push',
    outbound,
    connectTimeoutMs: 1000,
    stallTimeoutMs: 1000,
    log: hub.log,
    events: {
      onConnected: () => told.push('connected'),
      onMedia: () => told.push('media'),
      onNote: (text) => notes.push(text),
    },
    source: stream,
    streamName: 'cam',
    options,
  };
  const link = new UdpRelayProtocol(hub).push(attempt);
  links.push(link);
  return link;
}

/** Publishes a second of pictures and sound. */
function second(from: number): void {
  for (let ms = from; ms < from + 1000; ms += 20) {
    if (ms % 40 === 0) stream.publish(packet(VIDEO, ms, { key: ms === from, bytes: ms === from ? 5000 : 400 }));
    stream.publish(packet(AUDIO, ms, { bytes: 200 }));
  }
}

describe('streams pushed by UDP', () => {
  it('arrive as they are, in datagrams of at most seven transport packets', async () => {
    second(1000);
    const link = push();
    await vi.waitFor(() => expect(told).toEqual(['connected', 'media']));
    second(2000);
    await vi.waitFor(() => expect(ofKind(received.packets, 'video').length).toBeGreaterThanOrEqual(49));
    expect(received.demuxer.counts).toMatchObject({ gaps: 0, broken: 0, brokenUnits: 0, withheld: 0 });
    const video = ofKind(received.packets, 'video');
    const times = video.map(({ dtsUs }) => dtsUs - (video[0]?.dtsUs ?? 0));
    expect(times).toEqual(times.map((_, i) => i * 40_000));
    expect(video.map(({ byteLength }) => byteLength).slice(0, 2)).toEqual([5000, 400]);
    expect(received.tracks.map(({ codec }) => codec).sort()).toEqual(['aac', 'h264']);
    expect(Math.max(...sizes)).toBe(1316);
    expect(sizes.every((size) => size % 188 === 0)).toBe(true);
    expect(link.facts()).toMatchObject({ remoteAddress: '127.0.0.1', transport: 'UDP', packets: 150, queuedBytes: 0 });
    hub.streams.end(stream, 'over');
    expect(await link.ended).toEqual({ code: 'closed', message: 'the stream is over' });
  });

  it('may be H.265, begin with sound, and change their tracks on the way', async () => {
    push();
    await vi.waitFor(() => expect(told).toContain('connected'));
    for (let ms = 0; ms < 200; ms += 20) stream.publish(packet(AUDIO, ms));
    await vi.waitFor(() => expect(ofKind(received.packets, 'audio').length).toBeGreaterThan(5));
    second(200);
    await vi.waitFor(() => expect(ofKind(received.packets, 'video').length).toBeGreaterThan(20));
    const source = collector();
    const input = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=25:duration=1'];
    const output = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none', '-f', 'mpegts', '-'];
    source.demuxer.push(execFileSync('ffmpeg', ['-v', 'error', ...input, ...output]));
    source.demuxer.flush();
    const pictures = source.packets.map((h265) => ({ ...h265, track: { ...h265.track, id: 0 } }));
    for (const h265 of pictures) stream.publish(h265);
    const isH265 = ({ track }: MediaPacket): boolean => track.codec === 'h265';
    await vi.waitFor(() => expect(received.packets.filter(isH265).length).toBe(24));
    for (const [i, { units, ptsUs, key }] of received.packets.filter(isH265).entries()) {
      expect([units, key]).toEqual([pictures[i]?.units, pictures[i]?.key]);
      const sinceFirst = ptsUs - (received.packets.find(isH265)?.ptsUs ?? 0);
      expect(Math.abs(sinceFirst - ((pictures[i]?.ptsUs ?? 0) - (pictures[0]?.ptsUs ?? 0)))).toBeLessThan(20);
    }
    expect(received.demuxer.counts).toMatchObject({ gaps: 0, broken: 0, brokenUnits: 0 });
  });

  it('leave out what is not wanted, and say what can not be sent', async () => {
    second(0);
    const opus: Track = { id: 1, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };
    push({ without: 'audio' });
    await vi.waitFor(() => expect(told).toContain('media'));
    second(1000);
    await vi.waitFor(() => expect(ofKind(received.packets, 'video').length).toBeGreaterThan(20));
    expect(ofKind(received.packets, 'audio')).toEqual([]);
    links[0]?.close('test');
    push();
    await vi.waitFor(() => expect(told.filter((word) => word === 'media').length).toBe(2));
    stream.publish(packet(opus, 2000));
    await vi.waitFor(() => expect(notes).toEqual(['Opus is left out: MPEG-TS can not hold it']));
  });

  it('go on when nobody listens, with a note, and end when they are told to', async () => {
    await new Promise<void>((resolve) => receiver.close(() => resolve()));
    receiver = createSocket('udp4');
    await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
    second(0);
    const link = push();
    await vi.waitFor(() => {
      second(1000);
      expect(notes).toContain('some datagrams could not be delivered: perhaps nobody listens there');
    });
    link.close('enough');
    link.close('twice');
    expect(await link.ended).toEqual({ code: 'closed', message: 'enough' });
    expect(stream.readerCount).toBe(0);
  });

  it('connect to what the guard found, or to nothing', async () => {
    const link = push({}, { resolve: () => Promise.reject(new Error('not there')) });
    expect(await link.ended).toEqual({ code: 'unreachable', message: 'not there' });
    expect(told).toEqual([]);
  });

  it.each(['udp://127.0.0.1', 'udp://host:99999', 'udp://239.1.1.1:1234?ttl=300'])('are refused at %s', (url) => {
    expect(() => new UdpRelayProtocol(hub).check(url, 'push')).toThrow(
      expect.objectContaining({ code: 'URL_INVALID' }),
    );
  });
});
