import { expect, test } from 'vitest';
import { prng } from '../testing/mutate.ts';
import { DependencyDescriptors } from './dependency-descriptor.ts';
import { rtpTemporalMark } from './payload/temporal-mark.ts';

function bytes(bits: string): Uint8Array {
  const clean = bits.replaceAll(' ', '');
  return Uint8Array.from(clean.padEnd(Math.ceil(clean.length / 8) * 8, '0').match(/.{8}/g) ?? [], (byte) =>
    Number.parseInt(byte, 2),
  );
}

function mandatory(template: number): string {
  return `11 ${template.toString(2).padStart(6, '0')} ${'0'.repeat(16)}`;
}

// L1T3 of appendix A.8: five templates from number 60 on, three decode targets.
const STRUCTURE = [
  '10000',
  '111100 00010',
  // T0, T0, T1, T2, T2
  '00 01 01 00 11',
  '10 10 10', // SSS
  '10 10 10', // SSS
  '00 10 01', // -SD, as a template that can't be begun with for the second target's layer would be
  '00 00 10', // --S
  '00 00 01', // --D
].join('');

test('the descriptor of VP8 tells temporal layer and layer sync', () => {
  expect(rtpTemporalMark('vp8', bytes('10010000 11100000 1000000000000001 00000101 01100000 00000000'))).toEqual({
    layer: 1,
    start: true,
  });
  expect(rtpTemporalMark('vp8', bytes('10010000 11100000 00000001 00000101 10000000 00000000'))).toEqual({
    layer: 2,
    start: false,
  });
  expect(rtpTemporalMark('vp8', bytes('10010000 00100000 00000000 00000000'))).toEqual({ layer: 0, start: true });
  expect(rtpTemporalMark('vp8', bytes('10010000 10000000 00000001 00000000'))).toBeUndefined();
  expect(rtpTemporalMark('vp8', bytes('00010000 11111111 11111111'))).toBeUndefined();
});

test('the descriptor of VP9 tells temporal layer and switching points', () => {
  expect(rtpTemporalMark('vp9', bytes('10101000 1000000000000001 01010000 00000001'))).toEqual({
    layer: 2,
    start: true,
  });
  expect(rtpTemporalMark('vp9', bytes('10101000 00000001 00100000 00000001'))).toEqual({ layer: 1, start: false });
  expect(rtpTemporalMark('vp9', bytes('10001000 00000001 00100000'))).toBeUndefined();
});

test('slices of H.264 that nothing refers to are a layer of their own', () => {
  expect(rtpTemporalMark('h264', Uint8Array.of(0x01, 0x9a))).toEqual({ layer: 1, start: true });
  expect(rtpTemporalMark('h264', Uint8Array.of(0x1c, 0x81))).toEqual({ layer: 1, start: true });
  // Ones that are referred to, key frames, and units that belong to whatever follows.
  for (const payload of [[0x41, 0x9a], [0x7c, 0x81], [0x65, 0x88], [0x09, 0xf0], [0x06, 5], [0x1c, 0x85], []])
    expect(rtpTemporalMark('h264', Uint8Array.from(payload))).toBeUndefined();
});

test('dependency descriptors tell the layer by the templates of the last key frame', () => {
  const descriptors = new DependencyDescriptors();
  expect(descriptors.read(bytes(mandatory(61)))).toBeUndefined();
  expect(descriptors.read(bytes(mandatory(60) + STRUCTURE))).toEqual({ layer: 0, start: true });
  expect(descriptors.read(bytes(mandatory(61)))).toEqual({ layer: 0, start: true });
  expect(descriptors.read(bytes(mandatory(62)))).toEqual({ layer: 1, start: true });
  expect(descriptors.read(bytes(mandatory(63)))).toEqual({ layer: 2, start: true });
  // Numbers of templates go round at 64.
  expect(descriptors.read(bytes(mandatory(0)))).toEqual({ layer: 2, start: false });
  expect(descriptors.read(bytes(mandatory(1)))).toBeUndefined();
  // A frame's own indications go before those of its template: --S for the second of them.
  expect(descriptors.read(bytes(`${mandatory(0)} 00100 000010`))).toEqual({ layer: 2, start: true });
  expect(descriptors.read(bytes(`${mandatory(62)} 01100 111 000110`))).toEqual({ layer: 1, start: false });
});

test('a layer whose frames do not refer to each other can be gone on with at any of them', () => {
  const descriptors = new DependencyDescriptors();
  // L1T2 as Chromium has it: T0, T0, T1; SS, SS, -D.
  descriptors.read(bytes(`${mandatory(5)} 10000 000101 00001 000111 1010 1010 0001`));
  expect(descriptors.read(bytes(mandatory(7)))).toEqual({ layer: 1, start: true });
});

test('any bytes give a mark or none, at once', () => {
  const random = prng(7);
  const descriptors = new DependencyDescriptors();
  const structure = bytes(mandatory(60) + STRUCTURE);
  for (let i = 0; i < 20_000; i++) {
    const value = i % 2 === 0 ? new Uint8Array(Math.floor(random() * 255)) : structure.slice();
    for (let j = 0; j < value.length; j++) if (i % 2 === 0 || random() < 0.1) value[j] = Math.floor(random() * 256);
    const mark = descriptors.read(value.subarray(0, Math.floor(random() * (value.length + 1))));
    if (mark !== undefined) expect(mark.layer).toBeLessThan(8);
    for (const codec of ['vp8', 'vp9', 'h264', 'opus'] as const) rtpTemporalMark(codec, value);
  }
});
