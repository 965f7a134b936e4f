import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { decodeAmf0, encodeAmf0, encodeEcmaArray } from './amf0.ts';

describe('AMF0', () => {
  it('reads back what it writes', () => {
    const values = [
      'connect',
      1,
      null,
      true,
      { app: 'live', n: -1.5, deep: { list: [1, 'two', null] } },
      'ü'.repeat(40_000),
    ];
    const [...back] = decodeAmf0(encodeAmf0(...values));
    expect(JSON.parse(JSON.stringify(back))).toEqual(JSON.parse(JSON.stringify(values)));
  });

  it('reads ECMA arrays, references, dates and AMF3 after the switch marker', () => {
    const [array] = decodeAmf0(encodeEcmaArray({ width: 1280 }));
    expect({ ...(array as object) }).toEqual({ width: 1280 });
    expect(decodeAmf0(Buffer.from([0x11, 0x06, 0x07, 0x61, 0x62, 0x63]))).toEqual(['abc']);
    expect(decodeAmf0(Buffer.from([0x11, 0x04, 0xff, 0xff, 0xff, 0xff]))).toEqual([-1]);
    expect(decodeAmf0(Buffer.from([0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).toEqual([0]);
  });

  it('does not let names from the network reach a prototype', () => {
    const [object] = decodeAmf0(encodeAmf0(JSON.parse('{"__proto__":{"polluted":true}}')));
    expect(Object.getPrototypeOf(object)).toBe(null);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('refuses bombs of depth, count and length', () => {
    const deep = Buffer.concat(Array.from({ length: 5000 }, () => Buffer.from([0x03, 0, 1, 0x61])));
    const many = Buffer.concat([Buffer.from([0x0a, 0, 0, 0xff, 0xff]), Buffer.alloc(70_000, 0x05)]);
    const long = Buffer.from([0x0c, 0xff, 0xff, 0xff, 0xff, 0x61]);
    const huge = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff]);
    const deep3 = Buffer.concat([
      Buffer.from([0x11]),
      ...Array.from({ length: 5000 }, () => Buffer.from([0x09, 0x03, 0x01])),
    ]);
    for (const bomb of [deep, many, long, huge, deep3]) expect(() => decodeAmf0(bomb)).toThrow(ProtocolError);
  });
});
