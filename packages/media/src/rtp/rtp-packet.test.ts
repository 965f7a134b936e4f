import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { absoluteSendTime, extension, textExtension, transportSequence } from './extensions.ts';
import {
  parseRtp,
  type RtpHeaderFields,
  rtpHeaderLength,
  sequenceDistance,
  timestampDistance,
  writeRtp,
  writeRtpHeader,
} from './rtp-packet.ts';

const FIELDS: RtpHeaderFields = {
  payloadType: 111,
  marker: true,
  sequence: 0xfffe,
  timestamp: 0xfedcba98,
  ssrc: 0x89abcdef,
};
const PAYLOAD = Uint8Array.of(1, 2, 3, 4, 5);

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** A packet with the given header extension, as a client would send it. */
function withExtension(profile: number, data: number[]): Uint8Array {
  const padded = [...data, ...new Array<number>((4 - (data.length % 4)) % 4).fill(0)];
  return bytes(
    ...[0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ...[profile >> 8, profile & 0xff, 0, padded.length / 4],
    ...padded,
    ...[9, 9],
  );
}

describe('parseRtp', () => {
  test('gives back what writeRtp wrote', () => {
    const packet = parseRtp(writeRtp(FIELDS, PAYLOAD));

    expect(packet).toMatchObject({ ...FIELDS, payload: PAYLOAD, paddingLength: 0 });
  });

  test('takes padding and contributing sources off, and keeps views', () => {
    const raw = bytes(0xa2, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, ...new Array<number>(8).fill(7), 5, 6, 0, 0, 3);

    const packet = parseRtp(raw);

    expect([...packet.payload]).toEqual([5, 6]);
    expect(packet.paddingLength).toBe(3);
    expect(packet.payload.buffer).toBe(raw.buffer);
  });

  test('takes a packet of nothing but padding', () => {
    const packet = parseRtp(bytes(0xa0, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 4));

    expect(packet.payload.length).toBe(0);
    expect(packet.paddingLength).toBe(4);
  });

  test.each([
    ['too short', bytes(0x80, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0)],
    ['another version', bytes(0x40, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1)],
    ['sources past the end', bytes(0x81, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0)],
    ['extension head past the end', bytes(0x90, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0xbe, 0xde)],
    ['extension past the end', bytes(0x90, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0, 0, 0)],
    ['padding of zero', bytes(0xa0, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0)],
    ['padding longer than the payload', bytes(0xa0, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0, 3)],
    ['padding without any byte', bytes(0xa0, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1)],
  ])('refuses a packet with %s', (_, raw) => {
    expect(() => parseRtp(raw)).toThrow(ProtocolError);
  });
});

describe('extension', () => {
  test('finds elements of the one-byte form, past padding', () => {
    const packet = parseRtp(withExtension(0xbede, [0x10, 0xaa, 0, 0, 0x31, 0x12, 0x34, 0xe2, 1, 2, 3]));

    expect([...(extension(packet, 1) ?? [])]).toEqual([0xaa]);
    expect(transportSequence(packet, 3)).toBe(0x1234);
    expect(absoluteSendTime(packet, 14)).toBe(0x010203);
    expect(extension(packet, 2)).toBeUndefined();
    expect([...packet.payload]).toEqual([9, 9]);
  });

  test('stops at the reserved id 15 and at an id of zero with a length', () => {
    expect(extension(parseRtp(withExtension(0xbede, [0xf0, 1, 0x10, 2])), 1)).toBeUndefined();
    expect(extension(parseRtp(withExtension(0xbede, [0x01, 1, 1, 0x10, 2])), 1)).toBeUndefined();
  });

  test('finds elements of the two-byte form, also empty ones', () => {
    const packet = parseRtp(withExtension(0x1003, [5, 0, 0, 200, 2, 0x68, 0x69]));

    expect(extension(packet, 5)?.length).toBe(0);
    expect(textExtension(packet, 200)).toBe('hi');
  });

  test('gives nothing for an element that exceeds the extension, and for other profiles', () => {
    expect(extension(parseRtp(withExtension(0xbede, [0x1f, 1, 1, 1])), 1)).toBeUndefined();
    expect(extension(parseRtp(withExtension(0x1000, [1, 9, 1, 1])), 1)).toBeUndefined();
    expect(extension(parseRtp(withExtension(0x1234, [0x10, 1, 0, 0])), 1)).toBeUndefined();
    expect(extension(parseRtp(writeRtp(FIELDS, PAYLOAD)), 1)).toBeUndefined();
  });
});

describe('writeRtpHeader', () => {
  test('writes elements that fit in the one-byte form', () => {
    const extensions = [
      { id: 1, value: bytes(0xaa) },
      { id: 14, value: new Uint8Array(16).fill(7) },
    ];
    const raw = writeRtp({ ...FIELDS, extensions }, PAYLOAD);
    const packet = parseRtp(raw);

    expect(packet.extensions.profile).toBe(0xbede);
    for (const { id, value } of extensions) expect(extension(packet, id)).toEqual(value);
    expect([...packet.payload]).toEqual([...PAYLOAD]);
  });

  test.each([
    ['a high id', { id: 15, value: bytes(1) }],
    ['an empty value', { id: 1, value: bytes() }],
    ['a long value', { id: 1, value: new Uint8Array(255).fill(3) }],
  ])('writes the two-byte form for %s', (_, element) => {
    const packet = parseRtp(writeRtp({ ...FIELDS, extensions: [element, { id: 2, value: bytes(8) }] }, PAYLOAD));

    expect(packet.extensions.profile).toBe(0x1000);
    expect(extension(packet, element.id)).toEqual(element.value);
    expect(extension(packet, 2)).toEqual(bytes(8));
  });

  test('leaves no trace of what was in the memory before', () => {
    const fields = { ...FIELDS, extensions: [{ id: 1, value: bytes(5) }] };
    const used = new Uint8Array(rtpHeaderLength(fields)).fill(0xff);
    const fresh = new Uint8Array(rtpHeaderLength(fields));

    expect(writeRtpHeader(used, fields)).toBe(used.length);
    writeRtpHeader(fresh, fields);
    expect(used).toEqual(fresh);
  });
});

test('distances go across the wrap', () => {
  expect(sequenceDistance(0xffff, 1)).toBe(2);
  expect(sequenceDistance(1, 0xffff)).toBe(-2);
  expect(timestampDistance(0xffffff00, 0x100)).toBe(0x200);
  expect(timestampDistance(0x100, 0xffffff00)).toBe(-0x200);
});

test('damaged packets are parsed or refused with a ProtocolError, and extensions can be looked up', () => {
  const random = prng(1);
  const seeds = [
    writeRtp({ ...FIELDS, extensions: [{ id: 3, value: bytes(1, 2) }] }, PAYLOAD),
    withExtension(0x1000, [1, 2, 3, 4, 9, 3, 1, 1, 1]),
    bytes(0xa2, 96, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, ...new Array<number>(8).fill(7), 5, 6, 0, 0, 3),
  ];
  let refused = 0;
  for (let round = 0; round < 10_000; round += 1) {
    const raw = mutate(seeds[round % seeds.length] ?? PAYLOAD, random);
    try {
      const packet = parseRtp(raw);
      for (let id = 0; id < 16; id += 1) extension(packet, id);
      expect(packet.payload.length).toBeLessThanOrEqual(raw.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(300);
});
