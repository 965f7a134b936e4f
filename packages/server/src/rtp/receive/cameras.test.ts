import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ByteSource,
  h264Packetizer,
  type MediaPacket,
  Mp4Reader,
  parseRtcp,
  parseRtp,
  readMediaTracks,
  rtpPacketizer,
  writeRtp,
  writeSenderReport,
  writeStreamSdp,
} from '@sluice/media';
import { afterAll, describe, expect, test } from 'vitest';
import { prng } from '../../../../media/src/testing/mutate.ts';
import { Stream } from '../../core/index.ts';
import { FrameTimes } from './frame-times.ts';
import { DEFAULT_RECEIVE_OPTIONS, type NegotiatedTrack } from './options.ts';
import { PublisherMedia } from './publisher-media.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-camera-'));
afterAll(() => rmSync(directory, { recursive: true }));

const NO_FEEDBACK = { nack: false, pli: false, fir: false, transportCc: false, remb: false };

/** Tracks as a camera's description with these lines has them. */
function described(...lines: string[]): NegotiatedTrack[] {
  const { tracks } = readMediaTracks(['v=0', ...lines].join('\n'));
  return tracks.map((track) => ({ ...track, feedback: NO_FEEDBACK, extensions: {} }));
}

const AAC = ['m=audio 0 RTP/AVP 97', 'a=rtpmap:97 MPEG4-GENERIC/48000/2', 'a=fmtp:97 mode=AAC-hbr;config=1190'];
const PCMU = ['m=audio 0 RTP/AVP 0'];
const H264 = ['m=video 0 RTP/AVP 96', 'a=rtpmap:96 H264/90000'];

/** A camera and what becomes of its packets. */
class Camera {
  readonly stream = new Stream('cam');
  readonly published: MediaPacket[] = [];
  readonly rtcp: Uint8Array[] = [];
  readonly media: PublisherMedia;

  constructor(tracks: readonly NegotiatedTrack[]) {
    const reader = this.stream.attach({ startAt: 'live', onReadable: () => read(), onEnd: () => {} });
    const read = (): void => {
      for (let entry = reader.read(); entry !== undefined; entry = reader.read()) this.published.push(entry.packet);
    };
    this.media = new PublisherMedia({
      tracks,
      stream: this.stream,
      options: { ...DEFAULT_RECEIVE_OPTIONS, strictness: 'STRICT' },
      localSsrc: 1,
      cname: 'sluice',
      reducedSizeRtcp: false,
      forward: false,
      sendRtcp: (bytes) => this.rtcp.push(bytes),
      onFirstMedia: () => {},
      onActivityTimeout: () => {},
    });
  }

  send(track: number, fields: Partial<Parameters<typeof writeRtp>[0]>, payload: Uint8Array, nowMs: number): void {
    const packet = writeRtp({ payloadType: 96, marker: false, sequence: 0, timestamp: 0, ssrc: 7, ...fields }, payload);
    this.media.onRtp(parseRtp(packet), nowMs, track);
  }
}

/** Pictures of a real encoder with B-frames and a key frame every half second. */
async function smallPictures(): Promise<MediaPacket[]> {
  const path = join(directory, 'small.mp4');
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=12'];
  const encode = ['-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '200k', '-g', '12', '-bf', '2'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, ...encode, path]);
  return picturesOf(path);
}

async function picturesOf(path: string | URL): Promise<MediaPacket[]> {
  const bytes = new Uint8Array(readFileSync(path));
  const source: ByteSource = { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(source)).readPackets())
    if (packet.track.kind === 'video') packets.push(packet);
  return packets;
}

const digest = ({ units }: MediaPacket): string =>
  units.map((unit) => createHash('sha1').update(unit).digest('hex')).join();

describe('RTP over UDP', () => {
  test('with loss, reordering and duplicates gives whole pictures that nothing is missing for', async () => {
    const pictures = await smallPictures();
    const random = prng(7);
    const camera = new Camera(described(...H264));
    const packetizer = h264Packetizer(1);
    let sequence = 65_000;
    const datagrams: { readonly atMs: number; readonly bytes: Uint8Array }[] = [];
    for (const picture of pictures) {
      const timestamp = Math.round(picture.ptsUs * 0.09);
      for (const { payload, marker } of packetizer.packetize(picture, 1000)) {
        const bytes = writeRtp({ payloadType: 96, marker, sequence: sequence++, timestamp, ssrc: 7 }, payload);
        const atMs = picture.dtsUs / 1000 + (random() < 0.05 ? 30 * random() : random());
        if (random() >= 0.02) datagrams.push({ atMs, bytes });
        if (random() < 0.02) datagrams.push({ atMs: atMs + 10, bytes });
      }
    }
    datagrams.sort((a, b) => a.atMs - b.atMs);
    let tickMs = 0;
    for (const { atMs, bytes } of datagrams) {
      for (; tickMs < atMs; tickMs += 20) camera.media.tick(tickMs);
      camera.media.onRtp(parseRtp(bytes), atMs, 0);
    }
    camera.media.tick(tickMs + 1000);

    const indexes = new Map(pictures.map((picture, index) => [digest(picture), index]));
    const got = camera.published.map((packet) => indexes.get(digest(packet)) ?? Number.NaN);
    for (const [position, index] of got.entries())
      expect(pictures[index]?.key === true || got[position - 1] === index - 1, `picture ${index}`).toBe(true);
    const { missed, duplicates } = camera.media.stats().tracks[0] ?? expect.fail();
    expect(missed).toBeGreaterThan(4);
    expect(duplicates).toBeGreaterThan(4);
    expect(got.length).toBeGreaterThan(pictures.length / 5);
    expect(got.length).toBeLessThan(pictures.length);
    expect(camera.published.every(({ ptsUs, dtsUs }) => ptsUs >= dtsUs)).toBe(true);
  });
});

describe('sound of a camera', () => {
  test('of several frames a packet comes frame by frame, each at its time', () => {
    const camera = new Camera(described(...AAC));
    const frames = [1, 2, 3, 4].map((length) => new Uint8Array(10 * length).fill(length));
    const headers = frames.flatMap(({ length }) => [length >> 5, (length << 3) & 0xff]);
    const payload = new Uint8Array(Buffer.concat([Uint8Array.of(0, 64, ...headers), ...frames]));
    for (let index = 0; index < 50; index++)
      camera.send(0, { sequence: index, timestamp: index * 4096, payloadType: 97 }, payload, (index * 4096) / 48);

    expect(camera.published).toHaveLength(200);
    expect(camera.published.slice(0, 4).map(({ units }) => units[0]?.length)).toEqual([10, 20, 30, 40]);
    const startUs = camera.published[0]?.ptsUs ?? 0;
    for (const [index, { ptsUs, dtsUs }] of camera.published.entries()) {
      expect(ptsUs - startUs).toBeCloseTo((index * 1024 * 1e6) / 48_000, -1);
      expect(dtsUs).toBe(ptsUs);
    }
    expect(camera.published[0]?.track).toMatchObject({ codec: 'aac', clockRate: 48_000 });
  });

  test('keeps the sampling rate of its configuration where the clock of RTP is another one', () => {
    const latm = described(
      'm=audio 0 RTP/AVP 97',
      'a=rtpmap:97 MP4A-LATM/90000',
      'a=fmtp:97 cpresent=0;config=400024203fc0',
    );
    const camera = new Camera(latm);
    camera.media.declareTracks();
    expect(camera.stream.state.audio).toMatchObject({ codec: 'aac', clockRate: 44_100 });
    for (let index = 0; index < 20; index++)
      camera.send(0, { payloadType: 97, sequence: index, timestamp: index * 2090 }, Uint8Array.of(2, 1, 2), index * 23);
    expect(camera.published).toHaveLength(20);
    expect(camera.published[0]?.track.clockRate).toBe(44_100);
    expect((camera.published.at(-1)?.ptsUs ?? 0) - (camera.published[0]?.ptsUs ?? 0)).toBeCloseTo(441_222, -2);
  });

  test('is taken with another payload type than described, but not when that says another codec', () => {
    const wrong = new Camera(described('m=audio 0 RTP/AVP 98', 'a=rtpmap:98 PCMU/8000'));
    const sound = new Uint8Array(160);
    for (let index = 0; index < 4; index++)
      wrong.send(0, { payloadType: 100, sequence: index, timestamp: index * 160 }, sound, index * 20);
    expect(wrong.published).toHaveLength(4);
    expect(wrong.published[0]?.track.codec).toBe('pcmu');

    const switched = new Camera(described(...PCMU));
    for (const [index, payloadType] of [0, 0, 8, 8, 14, 0, 101].entries())
      switched.send(0, { payloadType, sequence: index, timestamp: index * 160 }, sound, index * 20);
    switched.media.tick(1000);
    expect(switched.published).toHaveLength(3);
    expect(switched.media.stats().drops.not_carried).toBe(4);
  });
});

describe('a track of a known channel', () => {
  test('is declared before its first packet where its parameters are known', () => {
    const tracks = readMediaTracks('m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 0').tracks;
    const unknown = new Camera(tracks.map((track) => ({ ...track, feedback: NO_FEEDBACK, extensions: {} })));
    unknown.media.declareTracks();
    expect(unknown.stream.state.video).toBeUndefined();
    expect(unknown.stream.state.audio?.codec).toBe('pcmu');
  });

  test('goes on with the object that was declared, and leaves the RTP lanes empty', async () => {
    const pictures = await picturesOf(new URL('../../../../../assets/demo.mp4', import.meta.url));
    const sdp = writeStreamSdp([pictures[0]?.track ?? expect.fail()]);
    const camera = new Camera(described(...sdp.split('\r\n')));
    camera.media.declareTracks();
    const declared = camera.stream.state.video;
    expect(declared?.parameters).toEqual(pictures[0]?.track.parameters);
    let sequence = 0;
    for (const picture of pictures.slice(0, 30))
      for (const { payload, marker } of h264Packetizer(1).packetize(picture, 1000)) {
        const fields = { marker, sequence: sequence++, timestamp: Math.round(picture.ptsUs * 0.09) };
        camera.send(0, fields, payload, picture.dtsUs / 1000);
      }
    expect(camera.published).toHaveLength(30);
    expect(camera.published.every(({ track }) => track === declared)).toBe(true);
    expect(camera.stream.rtp.video.end).toBe(0);
    expect(camera.stream.rtp.video.format).toBeUndefined();
  });

  test('changes its source at the second packet of another one, and at once after a silence', () => {
    const camera = new Camera(described(...PCMU));
    const sound = new Uint8Array(160);
    const send = (ssrc: number, index: number, nowMs = index * 20) =>
      camera.send(0, { payloadType: 0, ssrc, sequence: index, timestamp: index * 160 }, sound, nowMs);
    send(7, 0);
    send(8, 1);
    send(7, 2);
    send(8, 3);
    camera.media.tick(200);
    expect(camera.published).toHaveLength(2);
    send(8, 4);
    send(8, 5);
    expect(camera.published).toHaveLength(4);
    send(9, 6, 2000);
    expect(camera.published).toHaveLength(5);
  });

  test('takes reports that name another source than its packets, and answers by plain reports alone', () => {
    const camera = new Camera(described(...PCMU));
    for (let index = 0; index < 100; index++)
      camera.send(0, { payloadType: 0, sequence: index, timestamp: index * 160 }, new Uint8Array(160), index * 20);
    const report = { ssrc: 99, ntpSeconds: 1000, ntpFraction: 0, rtpTimestamp: 16_000, packetCount: 1, octetCount: 1 };
    camera.media.onRtcp(parseRtcp(writeSenderReport({ ...report, reports: [] })), 2000, 0);
    for (let nowMs = 2000; nowMs < 5000; nowMs += 20) camera.media.tick(nowMs);
    const kinds = camera.rtcp.flatMap((bytes) => parseRtcp(bytes));
    expect(new Set(kinds.map(({ kind }) => kind))).toEqual(new Set(['rr', 'sdes']));
    const newest = kinds.findLast((packet) => packet.kind === 'rr');
    expect(newest?.reports[0]).toMatchObject({ ssrc: 7, lastSenderReport: 1000 * 65_536 });
  });

  test('whose clock runs back by two seconds goes on in time', () => {
    const camera = new Camera(described(...PCMU));
    for (let index = 0; index < 200; index++) {
      const timestamp = 100_000 + index * 160 - (index >= 100 ? 16_000 : 0);
      camera.send(0, { payloadType: 0, sequence: index, timestamp }, new Uint8Array(160), index * 20);
    }
    const steps = camera.published.slice(1).map(({ ptsUs }, index) => ptsUs - (camera.published[index]?.ptsUs ?? 0));
    expect(steps).toHaveLength(199);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(19_000);
    expect(Math.max(...steps)).toBeLessThanOrEqual(21_000);
  });
});

describe('pictures with the same timestamp', () => {
  test('are spread over the time until the next one', () => {
    const times = new FrameTimes();
    const given = Array.from({ length: 12 }, (_, index) => times.next(Math.floor(index / 4) * 160_000));
    expect(given.slice(4)).toEqual([160_000, 200_000, 240_000, 280_000, 320_000, 360_000, 400_000, 440_000]);
    expect(given.every((time, index) => index === 0 || time > (given[index - 1] ?? 0))).toBe(true);
  });

  test('do not make those out of order any other', () => {
    const times = new FrameTimes();
    const order = [0, 120_000, 40_000, 80_000, 240_000, 160_000, 200_000];
    expect(order.map((time) => times.next(time))).toEqual(order);
  });
});

test('motion JPEG comes as whole files, each a place to start', () => {
  const camera = new Camera(described('m=video 0 RTP/AVP 26'));
  const header = (offset: number) => Uint8Array.of(0, 0, 0, offset, 1, 50, 40, 30);
  for (let index = 0; index < 10; index++) {
    const base = { payloadType: 26, timestamp: index * 3600 };
    const [first, second] = [0, 4].map((offset) => Buffer.concat([header(offset), Uint8Array.of(1, 2, 3, 4)]));
    camera.send(0, { ...base, sequence: 2 * index }, new Uint8Array(first ?? []), index * 40);
    if (index !== 5)
      camera.send(0, { ...base, sequence: 2 * index + 1, marker: true }, new Uint8Array(second ?? []), index * 40);
    camera.media.tick(index * 40 + 30);
  }
  camera.media.tick(1000);
  expect(camera.published).toHaveLength(9);
  expect(camera.published.every(({ key, units }) => key && units[0]?.[0] === 0xff && units[0][1] === 0xd8)).toBe(true);
  expect(rtpPacketizer('mjpeg').packetize(camera.published[0] ?? expect.fail(), 1000)).toHaveLength(1);
});
