import { describe, expect, test } from 'vitest';
import { Vp8Numbers, type Vp8Run } from './vp8-numbers.ts';

/** A payload descriptor with all that there is (RFC 7741 §4.2), and a byte of picture. */
function payload(picture: number, tl0: number, { short = false } = {}): Uint8Array {
  const id = short ? [picture & 0x7f] : [0x80 | ((picture >> 8) & 0x7f), picture & 0xff];
  return Uint8Array.of(0x90, 0xe0, ...id, tl0 & 0xff, 0x20, 0x77);
}

/** What a viewer gets of it: a header of another length comes first. */
function sent(run: Vp8Run, bytes: Uint8Array, sequence: number): [picture: number, tl0: number] {
  const packet = new Uint8Array(5 + bytes.length);
  packet.set(bytes, 5);
  run.write(packet, 5, sequence);
  expect([...packet.subarray(0, 7)]).toEqual([0, 0, 0, 0, 0, 0x90, 0xe0]);
  expect([...packet.subarray(-2)]).toEqual([0x20, 0x77]);
  const [high = 0, low = 0] = packet.subarray(7);
  return high >= 0x80 ? [((high & 0x7f) << 8) | low, packet[9] ?? -1] : [high, packet[8] ?? -1];
}

describe('numbers of VP8 frames for one viewer', () => {
  test('are those of the publisher at first', () => {
    const numbers = new Vp8Numbers();
    const run = numbers.begin(payload(500, 7));
    expect(sent(run, payload(500, 7), 10)).toEqual([500, 7]);
    expect(sent(run, payload(501, 7), 11)).toEqual([501, 7]);
  });

  test('go on where the picture goes over to another encoding, over the end of both counters', () => {
    const numbers = new Vp8Numbers();
    let run = numbers.begin(payload(0x7ffe, 254));
    sent(run, payload(0x7ffe, 254), 10);
    expect(sent(run, payload(0x7fff, 255), 11)).toEqual([0x7fff, 255]);
    run = numbers.begin(payload(0x1234, 90));
    expect(sent(run, payload(0x1234, 90), 4000)).toEqual([0, 0]);
    expect(sent(run, payload(0x1234, 90), 4001)).toEqual([0, 0]);
    expect(sent(run, payload(0x1235, 91), 4002)).toEqual([1, 1]);
    run = numbers.begin(payload(3, 200));
    expect(sent(run, payload(3, 200), 1)).toEqual([2, 2]);
  });

  test('keep the width that the publisher gives them', () => {
    const numbers = new Vp8Numbers();
    let run = numbers.begin(payload(1000, 1));
    sent(run, payload(1000, 1), 1);
    run = numbers.begin(payload(5, 9, { short: true }));
    expect(sent(run, payload(5, 9, { short: true }), 1)).toEqual([1001 & 0x7f, 2]);
  });

  test('have no gap where frames are left out, also in packets that are sent again', () => {
    const numbers = new Vp8Numbers();
    const run = numbers.begin(payload(100, 1));
    sent(run, payload(100, 1), 1);
    run.leaveOut(2);
    expect(sent(run, payload(102, 1), 3)).toEqual([101, 1]);
    run.leaveOut(4);
    expect(sent(run, payload(104, 2), 6)).toEqual([102, 2]);
    expect(sent(run, payload(102, 1), 3)).toEqual([101, 1]);
    expect(sent(run, payload(100, 1), 1)).toEqual([100, 1]);
    expect(sent(run, payload(105, 2), 7)).toEqual([103, 2]);
    const next = numbers.begin(payload(9, 9));
    expect(sent(next, payload(9, 9), 1)).toEqual([104, 3]);
    // What was sent of the lane before may be asked for still.
    expect(sent(run, payload(104, 2), 6)).toEqual([102, 2]);
    expect(sent(next, payload(10, 9), 2)).toEqual([105, 3]);
  });

  test('of thousands of frames left out take no more room', () => {
    const numbers = new Vp8Numbers();
    const run = numbers.begin(payload(0, 0));
    sent(run, payload(0, 0), 0);
    for (let i = 1; i <= 5000; i++) run.leaveOut(i);
    expect(sent(run, payload(5001, 0), 5001)).toEqual([1, 0]);
    expect(sent(run, payload(4900, 0), 4899)).toEqual([1, 0]);
  });

  test('are not written where there are none, whatever the bytes', () => {
    const numbers = new Vp8Numbers();
    let run = numbers.begin(payload(300, 3));
    sent(run, payload(300, 3), 1);
    for (const bytes of [[], [0x10, 0x11], [0x90], [0x90, 0x80], [0x90, 0x80, 0x80], [0x90, 0x20, 0x20, 1]]) {
      const packet = Uint8Array.from(bytes);
      run = numbers.begin(packet);
      run.write(packet, 0, 5);
      expect([...packet]).toEqual(bytes);
    }
  });
});
