import { describe, expect, test } from 'vitest';
import { h264Track } from '../../codec/index.ts';
import { type MediaPacket, ProtocolError } from '../../packet.ts';
import { type DepacketizedFrame, h264Depacketizer, h264Packetizer, isRtpStartPoint } from './index.ts';

const SPS = Uint8Array.of(0x67, 66, 0xc0, 30, 0xda, 2, 0x80, 0xf6, 0x40);
const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);
const OTHER_PPS = Uint8Array.of(0x68, 0xce, 0x38, 0x80);
const IDR = unit(0x65, 5000);
const SLICE = unit(0x41, 900);
/** A slice that is not the first of its picture: first_mb_in_slice is above 0. */
const LATER_SLICE = unit(0x41, 800, 0x40);
const SEI = Uint8Array.of(6, 5, 1, 7, 0x80);

function unit(header: number, length: number, second = 0x88): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index === 0 ? header : index === 1 ? second : (index * 7) & 0xff));
}

function packetOf(units: Uint8Array[], key: boolean, parameters = [SPS, PPS]): MediaPacket {
  const byteLength = units.reduce((sum, { length }) => sum + length, 0);
  return { track: h264Track(1, parameters), units, ptsUs: 0, dtsUs: 0, key, byteLength };
}

interface Sent {
  payload: Uint8Array;
  marker: boolean;
  timestamp: number;
  lost?: boolean;
}

function payloadsOf(units: Uint8Array[], timestamp: number, key = false): Sent[] {
  return h264Packetizer(1)
    .packetize(packetOf(units, key), 1000)
    .map(({ payload, marker }) => ({ payload, marker, timestamp }));
}

function receive(packets: Sent[], depacketizer = h264Depacketizer()): DepacketizedFrame[] {
  return packets.flatMap(({ lost = false, ...packet }) => depacketizer.push(packet, lost) ?? []);
}

const START: Sent[] = payloadsOf([IDR], 0, true);

describe('the packetizer', () => {
  test('puts SPS and PPS in one packet in front of a key frame, and divides what does not fit', () => {
    const payloads = h264Packetizer(1).packetize(packetOf([IDR], true), 1000);

    expect(payloads).toHaveLength(7);
    expect([...(payloads[0]?.payload ?? [])]).toEqual([0x78, 0, SPS.length, ...SPS, 0, PPS.length, ...PPS]);
    expect(payloads.map(({ startPoint }) => startPoint)).toEqual([true, ...new Array<boolean>(6).fill(false)]);
    expect(payloads.map(({ marker }) => marker)).toEqual([...new Array<boolean>(6).fill(false), true]);
    expect(payloads.map(({ payload }) => (payload[0] ?? 0) & 31)).toEqual([24, 28, 28, 28, 28, 28, 28]);
    expect(payloads.slice(1).map(({ payload }) => (payload[1] ?? 0) >> 6)).toEqual([2, 0, 0, 0, 0, 1]);
  });

  test('sends a unit that just fits as it is', () => {
    const fits = unit(0x41, 1000);
    expect(h264Packetizer(1).packetize(packetOf([fits], false), 1000)).toEqual([
      { payload: fits, marker: true, startPoint: false, timestampOffset: 0 },
    ]);
    expect(h264Packetizer(1).packetize(packetOf([unit(0x41, 1001)], false), 1000)).toHaveLength(2);
  });

  test('neither joins nor divides in mode 0', () => {
    const payloads = h264Packetizer(0).packetize(packetOf([SEI, IDR], true), 1000);
    expect(payloads.map(({ payload }) => payload)).toEqual([SPS, PPS, SEI, IDR]);
  });
});

describe('the depacketizer', () => {
  test('takes parameter sets and delimiters out of the units', () => {
    const delimiter = Uint8Array.of(9, 0x10);
    const [frame] = receive(payloadsOf([delimiter, SEI, IDR], 90, true));

    expect(frame).toEqual({ units: [SEI, IDR], parameters: [SPS, PPS], key: true, timestamp: 90, broken: false });
  });

  test('gives parameters once, and again when they change', () => {
    const depacketizer = h264Depacketizer();
    const frames = receive([...START, ...payloadsOf([IDR], 1, true), ...payloadsOf([OTHER_PPS, IDR], 2)], depacketizer);

    expect(frames.map(({ parameters }) => parameters)).toEqual([[SPS, PPS], undefined, [SPS, OTHER_PPS]]);
  });

  test('is content with the parameters of the session description', () => {
    const frames = receive([...payloadsOf([IDR], 0), ...payloadsOf([IDR], 1, true)], h264Depacketizer([SPS, PPS]));
    expect(frames.map(({ parameters }) => parameters)).toEqual([undefined, undefined]);
  });

  test('holds parameter sets that come before the frame, with a timestamp of their own', () => {
    const frames = receive([
      { payload: SPS, marker: false, timestamp: 1 },
      { payload: PPS, marker: true, timestamp: 1 },
      ...payloadsOf([IDR], 2),
    ]);
    expect(frames).toMatchObject([{ units: [IDR], parameters: [SPS, PPS], timestamp: 2 }]);
  });

  test('does not hold on to more parameter sets than an encoder has', () => {
    const depacketizer = h264Depacketizer();
    const many = Array.from({ length: 4 }, (_, index) => unit(0x68, 40_000, index));
    const [flooded] = receive(payloadsOf([SPS, ...many, IDR], 0), depacketizer);
    expect(flooded).toMatchObject({ key: true });
    expect(flooded?.parameters).toBeUndefined();
    expect(receive(payloadsOf([SPS, PPS, IDR], 1), depacketizer)).toMatchObject([{ parameters: [SPS, PPS] }]);
  });

  test('never gives a broken SPS', () => {
    const frames = receive([...START, ...payloadsOf([Uint8Array.of(0x67, 100), PPS, IDR], 2, false)]);
    expect(frames[1]).toMatchObject({ key: true });
    expect(frames[1]?.parameters).toBeUndefined();
  });

  test('joins several slices into one frame', () => {
    const frames = receive([...START, ...payloadsOf([SLICE, LATER_SLICE], 3)]);
    expect(frames[1]).toEqual({ units: [SLICE, LATER_SLICE], key: false, timestamp: 3, broken: false });
  });

  test('ends a frame without marker where the timestamp changes', () => {
    const unmarked = payloadsOf([SLICE], 1).map((packet) => ({ ...packet, marker: false }));
    const frames = receive([...START, ...unmarked, ...payloadsOf([SLICE, LATER_SLICE], 2)]);
    expect(frames.map(({ timestamp, broken }) => [timestamp, broken])).toEqual([
      [0, false],
      [1, false],
      [2, false],
    ]);
  });

  test('gives two frames that one packet completes one after the other', () => {
    const depacketizer = h264Depacketizer();
    receive(START, depacketizer);
    expect(depacketizer.push({ payload: SLICE, marker: false, timestamp: 1 }, false)).toBeUndefined();
    expect(depacketizer.push({ payload: SLICE, marker: true, timestamp: 2 }, false)?.timestamp).toBe(1);
    expect(depacketizer.push({ payload: SLICE, marker: false, timestamp: 3 }, false)?.timestamp).toBe(2);
  });

  test('is not disturbed by probes without payload', () => {
    const [first, ...rest] = START;
    const probe = { payload: new Uint8Array(0), marker: false, timestamp: 77 };
    const frames = receive([first ?? expect.fail(), probe, ...rest, probe]);
    expect(frames).toMatchObject([{ units: [IDR], broken: false }]);
  });
});

describe('after a loss', () => {
  test('a frame with its first slice comes as broken, without the unit that has a hole', () => {
    const sent = payloadsOf([SLICE, unit(0x41, 3000, 0x40), LATER_SLICE], 5);
    const at = 3;
    const received = sent
      .filter((_, index) => index !== at)
      .map((packet, index) => ({ ...packet, lost: index === at }));

    const frames = receive([...START, ...received]);

    expect(frames[1]).toEqual({ units: [SLICE, LATER_SLICE], key: false, timestamp: 5, broken: true });
  });

  test('a frame without its first slice is dropped', () => {
    const later: Sent = { payload: LATER_SLICE, marker: true, timestamp: 5, lost: true };
    expect(receive([...START, later])).toHaveLength(1);
  });

  test('a frame whose only slice has a hole is dropped', () => {
    const sent = payloadsOf([IDR], 5, true).filter((_, index) => index !== 3);
    expect(receive([...START, ...sent.map((packet, index) => ({ ...packet, lost: index === 3 }))])).toHaveLength(1);
  });

  test('a frame that lost its end comes as broken when the next one begins', () => {
    const cut: Sent = { payload: SLICE, marker: false, timestamp: 5 };
    const next: Sent = { payload: SLICE, marker: false, timestamp: 6, lost: true };
    expect(receive([...START, cut, next])[1]).toMatchObject({ timestamp: 5, broken: true });
  });

  test('a frame that lost its end gives way to one that is whole, and leaves it its parameters', () => {
    const depacketizer = h264Depacketizer();
    receive(START, depacketizer);
    const cut = payloadsOf([OTHER_PPS, SLICE], 5).map((packet) => ({ ...packet, marker: false }));
    const frames = receive([...cut, { payload: SLICE, marker: true, timestamp: 6, lost: true }], depacketizer);
    expect(frames).toMatchObject([{ timestamp: 6, broken: false, parameters: [SPS, OTHER_PPS] }]);
    expect(receive(payloadsOf([SLICE], 7), depacketizer)).toMatchObject([{ timestamp: 7 }]);
  });

  test('a frame that begins whole after it is not broken', () => {
    const frames = receive([...START, { payload: SLICE, marker: true, timestamp: 6, lost: true }]);
    expect(frames[1]).toMatchObject({ broken: false });
  });

  test('who comes in the middle of a picture waits for the next one', () => {
    const sent = payloadsOf([IDR], 0, true).slice(2);
    expect(receive([...sent, ...payloadsOf([IDR], 1, true)]).map(({ timestamp }) => timestamp)).toEqual([1]);
  });
});

describe('refused are', () => {
  test.each([
    ['the interleaved aggregation STAP-B', [25, 0, 0, 0, 1, 0x41], 'H264_UNSUPPORTED_PAYLOAD'],
    ['MTAP16', [26, 0, 0, 0, 1, 0x41], 'H264_UNSUPPORTED_PAYLOAD'],
    ['FU-B', [29, 0x85, 0, 0, 1], 'H264_UNSUPPORTED_PAYLOAD'],
    ['undefined structures', [30, 1, 1], 'H264_BAD_PAYLOAD'],
    ['an aggregation that is cut off', [24, 0, 9, 0x41, 1], 'H264_BAD_PAYLOAD'],
    ['an aggregation in an aggregation', [24, 0, 2, 24, 0], 'H264_BAD_PAYLOAD'],
    ['a fragment without data', [28, 0x85], 'H264_BAD_PAYLOAD'],
    ['a fragment of a fragment', [28, 0x9c, 1], 'H264_BAD_PAYLOAD'],
  ])('%s, and the next frame is whole again', (_, bytes, code) => {
    const depacketizer = h264Depacketizer();
    receive(START, depacketizer);
    const push = () => depacketizer.push({ payload: Uint8Array.from(bytes), marker: true, timestamp: 9 }, false);
    expect(push).toThrow(ProtocolError);
    expect(push).toThrow(expect.objectContaining({ code }));
    expect(receive(payloadsOf([SLICE], 10), depacketizer)).toMatchObject([{ timestamp: 10, broken: false }]);
  });

  test('frames of more than 8 MiB, once, and what follows is taken', () => {
    const depacketizer = h264Depacketizer();
    const large = unit(0x41, 60_000);
    let refused = 0;
    for (let index = 0; index < 300; index += 1) {
      try {
        expect(depacketizer.push({ payload: large, marker: index === 299, timestamp: 1 }, false)).toBeUndefined();
      } catch (error) {
        expect(error).toMatchObject({ code: 'RTP_FRAME_TOO_LARGE' });
        refused += 1;
      }
    }
    expect(refused).toBe(1);
    expect(receive(START, depacketizer)).toMatchObject([{ key: true, broken: false, parameters: [SPS, PPS] }]);
  });

  test('frames of more than 4096 packets', () => {
    const depacketizer = h264Depacketizer();
    const tiny: Sent = { payload: Uint8Array.of(28, 1, 1), marker: false, timestamp: 1 };
    receive(new Array<Sent>(4096).fill(tiny), depacketizer);
    expect(() => receive([tiny], depacketizer)).toThrow('4096 packets');
  });

  test('frames of more than 2048 units', () => {
    const payload = Uint8Array.from([24, ...new Array<number[]>(300).fill([0, 1, 6]).flat()]);
    expect(() => receive(new Array<Sent>(8).fill({ payload, marker: false, timestamp: 1 }))).toThrow('2048 units');
  });
});

test('start points are SPS and first slices of IDR pictures, in any packet', () => {
  const starts = (payload: Uint8Array) => isRtpStartPoint('h264', payload);
  expect(START.map(({ payload }) => starts(payload))).toEqual([true, true, ...new Array<boolean>(5).fill(false)]);
  expect([SPS, IDR].map(starts)).toEqual([true, true]);
  const laterFragment = Uint8Array.of(0x7c, 0x85, 0x40, 1);
  expect([PPS, SEI, SLICE, unit(0x65, 9, 0x40), Uint8Array.of(24, 0, 9), laterFragment].map(starts)).toEqual(
    new Array<boolean>(6).fill(false),
  );
});
