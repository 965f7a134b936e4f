import { expect, test } from 'vitest';
import { parseRtp, writeRtp } from './rtp-packet.ts';
import { originalOfRtx, parseRtx, RTX_HEADER_BYTES, writeRtxHeader } from './rtx.ts';

const ORIGINAL = { payloadType: 96, marker: true, sequence: 0xfffe, timestamp: 90_000, ssrc: 5 };
const PAYLOAD = Uint8Array.of(1, 2, 3);

function rtxOf(payload: Uint8Array) {
  return parseRtp(writeRtp({ ...ORIGINAL, payloadType: 97, sequence: 4, ssrc: 6 }, payload));
}

test('a retransmission gives the packet that it repeats', () => {
  const payload = new Uint8Array(RTX_HEADER_BYTES + PAYLOAD.length);
  payload.set(PAYLOAD, writeRtxHeader(payload, 0, ORIGINAL.sequence));

  const packet = rtxOf(payload);

  expect(parseRtx(packet)).toEqual({ originalSequence: 0xfffe, payload: PAYLOAD });
  expect(originalOfRtx(packet, ORIGINAL)).toMatchObject({ ...ORIGINAL, payload: PAYLOAD });
});

test('a probe without payload repeats nothing', () => {
  expect(parseRtx(rtxOf(new Uint8Array(0)))).toBeUndefined();
  expect(originalOfRtx(rtxOf(Uint8Array.of(1)), ORIGINAL)).toBeUndefined();
});
