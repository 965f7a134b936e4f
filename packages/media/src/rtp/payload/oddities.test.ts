import { describe, expect, test } from 'vitest';
import { writeAacConfig, writeAdts } from '../../codec/aac.ts';
import { parseLatmConfig } from '../../codec/latm.ts';
import { ProtocolError } from '../../packet.ts';
import { mutate, prng } from '../../testing/mutate.ts';
import { joinBytes } from '../bytes.ts';
import {
  AAC_HBR,
  aacDepacketizer,
  type DepacketizedFrame,
  h264Depacketizer,
  h265Depacketizer,
  jpegDepacketizer,
  jpegPacketizer,
  latmDepacketizer,
  type RtpDepacketizer,
  rawAudioDepacketizer,
} from './index.ts';

const START_CODE = Uint8Array.of(0, 0, 0, 1);
const SPS = Uint8Array.of(0x67, 66, 0xc0, 30, 0xda, 2, 0x80, 0xf6, 0x40);
const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);
const IDR = nal(0x65, 0x88);
const SLICE = nal(0x41, 0x88);
const LATER_SLICE = nal(0x41, 0x40);

function nal(header: number, second: number, length = 60): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => [header, second][index] ?? ((index * 7) & 0x7f) + 2);
}

interface Sent {
  readonly payload: Uint8Array;
  readonly timestamp?: number;
  readonly marker?: boolean;
  readonly lost?: boolean;
}

function received(depacketizer: RtpDepacketizer, packets: readonly Sent[]): DepacketizedFrame[] {
  return packets.flatMap(({ payload, timestamp = 0, marker = false, lost = false }) => {
    const frame = depacketizer.push({ payload, timestamp, marker }, lost);
    return frame === undefined ? [] : [frame, ...(frame.more ?? [])];
  });
}

const glued = (...units: Uint8Array[]): Uint8Array => joinBytes(units.flatMap((unit) => [START_CODE, unit])).slice(4);

describe('H.264 of cameras', () => {
  const odd = () => h264Depacketizer([], true);
  const KEY = { units: [IDR], parameters: [SPS, PPS], key: true, broken: false };

  test('with units glued by start codes, in one packet or in fragments, comes apart', () => {
    const whole = glued(SPS, PPS, IDR);
    expect(received(odd(), [{ payload: whole, marker: true }])).toMatchObject([KEY]);
    expect(received(odd(), [{ payload: joinBytes([START_CODE, whole]), marker: true }])).toMatchObject([KEY]);
    const fragment = (from: number, to: number, flags: number) =>
      joinBytes([Uint8Array.of(0x7c, flags | 7), whole.subarray(from, to)]);
    const fragments = [fragment(1, 30, 0x80), fragment(30, 50, 0), fragment(50, whole.length, 0x40)];
    expect(
      received(
        odd(),
        fragments.map((payload, index) => ({ payload, marker: index === 2 })),
      ),
    ).toMatchObject([KEY]);
  });

  test('with a start code that was fragmented along with its unit comes without it', () => {
    const data = joinBytes([START_CODE, IDR]);
    const fragments = [
      joinBytes([Uint8Array.of(0x1c, 0x80), data.subarray(1, 20)]),
      joinBytes([Uint8Array.of(0x1c, 0x40), data.subarray(20)]),
    ];
    const packets = fragments.map((payload, index) => ({ payload, marker: index === 1 }));
    expect(received(h264Depacketizer([SPS, PPS], true), packets)).toMatchObject([{ units: [IDR], key: true }]);
    expect(() => received(h264Depacketizer([SPS, PPS]), packets)).toThrow(ProtocolError);
  });

  test('without markers ends a picture with the next timestamp', () => {
    const payloads = [SPS, PPS, IDR, SLICE, SLICE];
    const packets = payloads.map((payload, index) => ({ payload, timestamp: Math.max(0, index - 2) * 3600 }));
    expect(received(odd(), packets)).toMatchObject([KEY, { units: [SLICE], key: false, timestamp: 3600 }]);
  });

  test('with a marker on each parameter set and slice is found out, and whole from then on', () => {
    const depacketizer = odd();
    const picture = (timestamp: number) =>
      [SLICE, LATER_SLICE].map((payload) => ({ payload, timestamp, marker: true }));
    const start = [SPS, PPS, IDR].map((payload) => ({ payload, marker: true }));
    expect(received(depacketizer, start)).toMatchObject([KEY]);
    const [first, second] = picture(3600);
    expect(received(depacketizer, [first ?? expect.fail()])).toHaveLength(1);
    expect(() => received(depacketizer, [second ?? expect.fail()])).toThrow(
      expect.objectContaining({ code: 'RTP_EARLY_MARKER' }),
    );
    const frames = received(depacketizer, [...picture(7200), ...picture(10_800), ...picture(14_400)]);
    expect(frames).toMatchObject(
      [7200, 10_800].map((timestamp) => ({ units: [SLICE, LATER_SLICE], timestamp, broken: false })),
    );
  });
});

test('H.265 with start codes between its units comes apart', () => {
  const picture = Uint8Array.of(0x02, 1, 0x80, 9, 9, 9, 0x80);
  const prefix = Uint8Array.of(0x4e, 1, 5, 1, 7, 0x80);
  const frames = received(h265Depacketizer([], true), [{ payload: glued(prefix, picture), marker: true }]);
  expect(frames).toMatchObject([{ units: [prefix, picture] }]);
});

describe('AAC', () => {
  const CONFIG = writeAacConfig({ objectType: 2, sampleRate: 48_000, channels: 2 });
  const frame = (length: number) => Uint8Array.from({ length }, (_, index) => (index === 0 ? 0x21 : index & 0xff));
  const headersOf = (...lengths: number[]) =>
    Uint8Array.of(0, 16 * lengths.length, ...lengths.flatMap((length) => [length >> 5, (length << 3) & 0xff]));

  test('with its ADTS header in front of each frame comes without it', () => {
    const raw = frame(50);
    const adts = joinBytes([writeAdts({ objectType: 2, sampleRate: 48_000, channels: 2, frameLength: 1024 }, 50), raw]);
    const payload = joinBytes([headersOf(57), adts]);
    expect(received(aacDepacketizer({ parameters: [CONFIG] }), [{ payload }])).toMatchObject([{ units: [raw] }]);
  });

  test('that is interleaved is refused by name', () => {
    const payload = joinBytes([Uint8Array.of(0, 32, 0, 80, 0, 80 | 1), frame(20)]);
    expect(() => received(aacDepacketizer(), [{ payload }])).toThrow(
      expect.objectContaining({ code: 'AAC_UNSUPPORTED_PAYLOAD', message: expect.stringContaining('interleaved') }),
    );
  });

  test('in low bit rate mode has shorter headers', () => {
    const format = { ...AAC_HBR, sizeLength: 6, indexLength: 2, indexDeltaLength: 2 };
    const payload = joinBytes([Uint8Array.of(0, 16, 10 << 2, 12 << 2), frame(10), frame(12)]);
    expect(received(aacDepacketizer({ format, parameters: [CONFIG] }), [{ payload, timestamp: 5 }])).toMatchObject([
      { units: [frame(10)], timestamp: 5 },
      { units: [frame(12)], timestamp: 1029 },
    ]);
  });

  test('passes over times, states and auxiliary data in its headers', () => {
    const format = { ...AAC_HBR, ctsDeltaLength: 7, dtsDeltaLength: 6, randomAccess: true, streamStateLength: 8 };
    // Size 10, index 0, a time of 7 bits, none of decoding, a state of 8 bits: 16 + 8 + 1 + 1 + 8 bits.
    const header = Uint8Array.of(0, 34, 0, 80, 0x80, 0x3f, 0xc0);
    const payload = joinBytes([header, Uint8Array.of(8, 0xff), frame(10)]);
    const odd = aacDepacketizer({ format: { ...format, auxiliaryDataSizeLength: 8 }, parameters: [CONFIG] });
    expect(received(odd, [{ payload }])).toMatchObject([{ units: [frame(10)] }]);
  });

  test('without headers is one frame a packet, or several of the same size', () => {
    const none = { ...AAC_HBR, sizeLength: 0, indexLength: 0, indexDeltaLength: 0 };
    expect(received(aacDepacketizer({ format: none }), [{ payload: frame(30) }])).toMatchObject([
      { units: [frame(30)] },
    ]);
    const constant = aacDepacketizer({ format: { ...none, constantSize: 10, constantDuration: 480 } });
    expect(received(constant, [{ payload: joinBytes([frame(10), frame(10), frame(10)]) }])).toMatchObject([
      { timestamp: 0 },
      { timestamp: 480 },
      { timestamp: 960, units: [frame(10)] },
    ]);
  });

  test('forgets a frame of which a fragment got lost', () => {
    const fragment = (from: number, to: number) => joinBytes([headersOf(100), frame(100).subarray(from, to)]);
    const depacketizer = aacDepacketizer();
    const packets = [{ payload: fragment(0, 40) }, { payload: fragment(60, 100), lost: true, marker: true }];
    expect(received(depacketizer, packets)).toEqual([]);
    const next = [fragment(0, 40), fragment(40, 100)].map((payload) => ({ payload, timestamp: 1024 }));
    expect(received(depacketizer, next)).toMatchObject([{ units: [frame(100)], timestamp: 1024 }]);
  });
});

describe('LATM', () => {
  // Version 0, one program, one layer, AAC-LC of 48 kHz stereo, frames that tell their length.
  const MUX = Uint8Array.of(0x40, 0x00, 0x23, 0x20, 0x3f, 0xc0);
  const config = parseLatmConfig(MUX);

  test('with its configuration in the packets tells it with the first frame and when it changes', () => {
    // One bit before the configuration (not the same as before), and 46 bits of it: the frames begin at any bit.
    const inBand = (frame: readonly number[]) => {
      const bits = `0${toBits(MUX).slice(0, 44)}${toBits([frame.length, ...frame])}`;
      return fromBits(bits);
    };
    const depacketizer = latmDepacketizer({ configPresent: true, clockRate: 90_000 });
    const frames = received(depacketizer, [
      { payload: inBand([1, 2, 3]) },
      { payload: inBand([4, 5]), timestamp: 1920 },
    ]);
    expect(frames).toMatchObject([
      { units: [Uint8Array.of(1, 2, 3)], parameters: [config.audioConfig] },
      { units: [Uint8Array.of(4, 5)] },
    ]);
    expect(frames[1]?.parameters).toBeUndefined();
    const same = fromBits(`1${toBits([2, 7, 8])}`);
    expect(received(depacketizer, [{ payload: same, timestamp: 3840 }])).toMatchObject([
      { units: [Uint8Array.of(7, 8)] },
    ]);
    expect(received(latmDepacketizer({ configPresent: true }), [{ payload: same }])).toEqual([]);
  });

  test('over several packets comes whole, and not at all when one is lost', () => {
    const element = joinBytes([Uint8Array.of(255, 45), new Uint8Array(300).fill(9)]);
    const [first, second] = [element.slice(0, 100), element.slice(100)];
    const packets = [{ payload: first }, { payload: second, marker: true }];
    expect(received(latmDepacketizer({ configPresent: false, config }), packets)).toMatchObject([
      { units: [new Uint8Array(300).fill(9)] },
    ]);
    const lossy = latmDepacketizer({ configPresent: false, config });
    expect(() => received(lossy, [{ payload: first, marker: true }])).toThrow(ProtocolError);
  });
});

const toBits = (bytes: Iterable<number>): string =>
  [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');

function fromBits(bits: string): Uint8Array {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  return Uint8Array.from({ length: padded.length / 8 }, (_, index) =>
    Number.parseInt(padded.slice(8 * index, 8 * index + 8), 2),
  );
}

describe('JPEG', () => {
  const header = (offset: number, more: Partial<{ type: number; quality: number; width: number }> = {}) => {
    const { type = 1, quality = 50, width = 40 } = more;
    return Uint8Array.of(0, 0, offset >> 8, offset & 0xff, type, quality, width, 30);
  };
  const data = Uint8Array.from({ length: 200 }, (_, index) => index % 251);
  const tables = Uint8Array.from({ length: 128 }, (_, index) => 1 + (index & 63));

  test('with tables of its own remembers them by their quality', () => {
    const own = joinBytes([header(0, { quality: 200 }), Uint8Array.of(0, 0, 0, 128), tables, data]);
    const known = joinBytes([header(0, { quality: 200 }), Uint8Array.of(0, 0, 0, 0), data]);
    const frames = received(jpegDepacketizer(), [
      { payload: own, marker: true },
      { payload: known, timestamp: 1, marker: true },
    ]);
    expect(frames[1]?.units).toEqual(frames[0]?.units);
    const [file = new Uint8Array(0)] = frames[0]?.units ?? [];
    expect(Buffer.from(file).includes(Buffer.from(tables.subarray(64)))).toBe(true);
    expect(() => received(jpegDepacketizer(), [{ payload: known }])).toThrow(ProtocolError);
  });

  test('with restart markers says how often, and is sent on with them', () => {
    const restarts = joinBytes([header(0, { type: 65 }), Uint8Array.of(0, 8, 0xff, 0xff), data]);
    const [frame] = received(jpegDepacketizer(), [{ payload: restarts, marker: true }]);
    const file = frame?.units[0] ?? expect.fail();
    expect(Buffer.from(file).includes(Buffer.of(0xff, 0xdd, 0, 4, 0, 8))).toBe(true);
    const track = { id: 0, kind: 'video', codec: 'mjpeg', clockRate: 90_000, parameters: [] } as const;
    const packet = { track, units: [file], ptsUs: 0, dtsUs: 0, key: true, byteLength: file.length };
    const sent = jpegPacketizer().packetize(packet, 250);
    expect(sent[0]?.payload[4]).toBe(65);
    const again = received(
      jpegDepacketizer(),
      sent.map(({ payload, marker }) => ({ payload, marker })),
    );
    expect(again.map(({ units }) => units)).toEqual([[file]]);
  });

  test('of a picture with a lost fragment is left out', () => {
    const parts = [0, 100].map((at) => joinBytes([header(at), data.subarray(at, at + 100)]));
    const packets = parts.map((payload, index) => ({ payload, marker: index === 1 }));
    expect(received(jpegDepacketizer(), packets)).toHaveLength(1);
    expect(
      received(
        jpegDepacketizer(),
        packets.slice(1).map((packet) => ({ ...packet, lost: true })),
      ),
    ).toEqual([]);
    expect(
      received(jpegDepacketizer(), [packets[0] ?? expect.fail(), { ...(packets[0] ?? expect.fail()), marker: true }]),
    ).toEqual([]);
  });

  test.each([
    ['type 2', { type: 2 }],
    ['more than 2040 pixels', { width: 0 }],
  ])('of %s is refused as not supported', (_, fields) => {
    expect(() => received(jpegDepacketizer(), [{ payload: joinBytes([header(0, fields), data]) }])).toThrow(
      expect.objectContaining({ code: 'JPEG_UNSUPPORTED_PAYLOAD' }),
    );
  });
});

describe('whatever bytes come', () => {
  const MUX = parseLatmConfig(Uint8Array.of(0x40, 0x00, 0x23, 0x20, 0x3f, 0xc0));
  const odd = { ...AAC_HBR, ctsDeltaLength: 7, randomAccess: true, auxiliaryDataSizeLength: 8 };
  const PAYLOADS: readonly (readonly [string, () => RtpDepacketizer, readonly Uint8Array[]])[] = [
    [
      'AAC',
      () => aacDepacketizer(),
      [Uint8Array.of(0, 32, 0, 16, 0, 24, 1, 2, 3, 4, 5), Uint8Array.of(0, 16, 8, 0, 1, 2, 3)],
    ],
    [
      'AAC with more in its headers',
      () => aacDepacketizer({ format: odd }),
      [Uint8Array.of(0, 25, 0, 16, 0x80, 8, 9, 1, 2, 3, 4)],
    ],
    [
      'AAC without headers',
      () => aacDepacketizer({ format: { ...AAC_HBR, sizeLength: 0, constantSize: 1 } }),
      [new Uint8Array(60).fill(3)],
    ],
    [
      'LATM',
      () => latmDepacketizer({ configPresent: false, config: MUX }),
      [Uint8Array.of(3, 1, 2, 3), Uint8Array.of(255, 40, 1, 2)],
    ],
    [
      'LATM in band',
      () => latmDepacketizer({ configPresent: true }),
      [Uint8Array.of(0x20, 0, 0x11, 0x90, 0x1f, 0xe0, 8, 1, 2, 3, 4)],
    ],
    [
      'JPEG',
      () => jpegDepacketizer(),
      [
        joinBytes([
          Uint8Array.of(0, 0, 0, 0, 65, 200, 40, 30, 0, 8, 255, 255, 0, 0, 0, 128),
          new Uint8Array(200).fill(1),
        ]),
        joinBytes([Uint8Array.of(0, 0, 0, 72, 1, 50, 40, 30), new Uint8Array(80)]),
      ],
    ],
    ['H.264', () => h264Depacketizer([], true), [glued(SPS, PPS, IDR), joinBytes([Uint8Array.of(0x7c, 0x85), IDR])]],
    [
      'H.265',
      () => h265Depacketizer([], true),
      [glued(Uint8Array.of(0x4e, 1, 5, 1), Uint8Array.of(0x02, 1, 0x80, 9, 9))],
    ],
    ['L16', () => rawAudioDepacketizer(4), [new Uint8Array(15)]],
  ];

  test.each(PAYLOADS)('%s gives frames or one error', (_, make, payloads) => {
    const random = prng(2435);
    let frames = 0;
    let errors = 0;
    for (let round = 0; round < 300; round += 1) {
      const depacketizer = make();
      for (let index = 0; index < 10; index += 1) {
        const original = payloads[Math.floor(random() * payloads.length)] ?? new Uint8Array(0);
        const payload = random() < 0.7 ? mutate(original, random) : original;
        const packet = { payload, timestamp: Math.floor(random() * 3), marker: random() < 0.5, lost: random() < 0.1 };
        try {
          frames += received(depacketizer, [packet]).length;
        } catch (error) {
          errors += 1;
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }
    }
    expect(frames).toBeGreaterThan(50);
    expect(errors).toBeGreaterThanOrEqual(0);
  });

  test('a JPEG file is packetized or refused', () => {
    const random = prng(81);
    const [frame] = received(jpegDepacketizer(), [
      { payload: joinBytes([Uint8Array.of(0, 0, 0, 0, 1, 50, 40, 30), new Uint8Array(500).fill(7)]), marker: true },
    ]);
    const track = { id: 0, kind: 'video', codec: 'mjpeg', clockRate: 90_000, parameters: [] } as const;
    const packetizer = jpegPacketizer();
    for (let round = 0; round < 2000; round += 1) {
      const file = mutate(frame?.units[0] ?? expect.fail(), random);
      const packet = { track, units: [file], ptsUs: 0, dtsUs: 0, key: true, byteLength: file.length };
      try {
        packetizer.packetize(packet, 1000);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  });
});
