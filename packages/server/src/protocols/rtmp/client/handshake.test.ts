import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { answerHandshake, ClientHandshake, HANDSHAKE_SIZE } from '../wire/handshake.ts';

const SUFFIX = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');

/** What a client sends for a server's answer, which comes in pieces of that size, and what it makes of the rest. */
function shake(answerTo: (c1: Uint8Array) => Uint8Array, step: number): { c1: Buffer; c2: Buffer; rest: Buffer } {
  const client = new ClientHandshake();
  const hello = client.begin();
  const c1 = Buffer.from(hello.subarray(1));
  expect(hello).toHaveLength(1 + HANDSHAKE_SIZE);
  const answer = Buffer.concat([answerTo(c1), Buffer.from('rest')]);
  const sent: Uint8Array[] = [];
  for (let at = 0; at < answer.length; at += step) {
    const left = client.push(answer.subarray(at, at + step), (bytes) => sent.push(bytes));
    if (left === undefined) continue;
    const rest = Buffer.concat([left, answer.subarray(at + step)]);
    return { c1, c2: Buffer.concat(sent), rest };
  }
  throw new Error('the handshake has no end');
}

describe('the client’s side of the handshake', () => {
  it.each([1, 1000, 10_000])('echoes a server that signs nothing, and keeps what follows (pieces of %i)', (step) => {
    const s1 = Buffer.alloc(HANDSHAKE_SIZE, 7);
    const plain = Buffer.concat([Buffer.of(3), s1, Buffer.alloc(HANDSHAKE_SIZE)]);
    const { c2, rest } = shake(() => plain, step);
    expect(c2.equals(s1)).toBe(true);
    expect(rest.toString()).toBe('rest');
  });

  it('signs its answer under the key of the server’s digest, when that signs', () => {
    let s1 = Buffer.alloc(0);
    const { c2 } = shake((c1) => {
      const answer = Buffer.from(answerHandshake(c1));
      s1 = answer.subarray(1, 1 + HANDSHAKE_SIZE);
      // A version other than zero says that our own signature was found.
      expect(s1.readUInt32BE(4)).not.toBe(0);
      return answer;
    }, 10_000);
    const offset = (s1.subarray(8, 12).reduce((sum, byte) => sum + byte, 0) % 728) + 12;
    const digest = s1.subarray(offset, offset + 32);
    const key = createHmac('sha256', Buffer.concat([Buffer.from('Genuine Adobe Flash Player 001'), SUFFIX]));
    const proof = createHmac('sha256', key.update(digest).digest()).update(c2.subarray(0, HANDSHAKE_SIZE - 32));
    expect(c2.subarray(HANDSHAKE_SIZE - 32).equals(proof.digest())).toBe(true);
  });

  it('refuses what is no RTMP', () => {
    expect(() => new ClientHandshake().push(Buffer.from('HTTP/1.1 400'), () => {})).toThrow(/version 72/);
  });
});
