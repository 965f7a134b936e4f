import { createHmac, randomFillSync, timingSafeEqual } from 'node:crypto';

/** Length of C1, S1, C2 and S2 (Adobe RTMP 1.0 §5.2.3). */
export const HANDSHAKE_SIZE = 1536;
const DIGEST_SIZE = 32;
/** Room that a digest's offset may address, in either scheme. */
const OFFSET_RANGE = 728;

// The keys of the digest handshake: a public phrase, alone for the first digest and with 32 more bytes for the second.
const SUFFIX = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const CLIENT_PHRASE = Buffer.from('Genuine Adobe Flash Player 001');
const SERVER_PHRASE = Buffer.from('Genuine Adobe Flash Media Server 001');
const SERVER_KEY = Buffer.concat([SERVER_PHRASE, SUFFIX]);

/** Where schemes 0 and 1 keep the four bytes whose sum is the digest's offset. */
const SCHEMES = [8, 772] as const;

function digestOffset(c1: Uint8Array, at: number): number {
  const sum = (c1[at] ?? 0) + (c1[at + 1] ?? 0) + (c1[at + 2] ?? 0) + (c1[at + 3] ?? 0);
  return (sum % OFFSET_RANGE) + at + 4;
}

function digestAround(block: Uint8Array, offset: number, key: Uint8Array): Buffer {
  return createHmac('sha256', key)
    .update(block.subarray(0, offset))
    .update(block.subarray(offset + DIGEST_SIZE))
    .digest();
}

/** The client's digest and the scheme that it used, or undefined for the plain handshake. */
function findClientDigest(c1: Uint8Array): { at: number; digest: Uint8Array } | undefined {
  for (const at of SCHEMES) {
    const offset = digestOffset(c1, at);
    const digest = c1.subarray(offset, offset + DIGEST_SIZE);
    if (timingSafeEqual(digest, digestAround(c1, offset, CLIENT_PHRASE))) return { at, digest };
  }
  return undefined;
}

/**
 * Answers C0 and C1 with S0, S1 and S2: signed when the client signed its C1 (players and encoders that ask for
 * H.264 by the old rules), plain otherwise (Adobe RTMP 1.0 §5.2).
 * @param c1 the client's 1536 bytes
 */
export function answerHandshake(c1: Uint8Array): Uint8Array {
  const out = Buffer.alloc(1 + 2 * HANDSHAKE_SIZE);
  out[0] = 3;
  const s1 = out.subarray(1, 1 + HANDSHAKE_SIZE);
  const s2 = out.subarray(1 + HANDSHAKE_SIZE);
  randomFillSync(s1, 8);
  const client = findClientDigest(c1);
  if (client === undefined) {
    s2.set(c1);
    return out;
  }
  // A version other than zero tells the client that S1 is signed.
  s1.writeUInt32BE(0x04050001, 4);
  const offset = digestOffset(s1, client.at);
  s1.set(digestAround(s1, offset, SERVER_PHRASE), offset);
  randomFillSync(s2);
  const key = createHmac('sha256', SERVER_KEY).update(client.digest).digest();
  const tail = HANDSHAKE_SIZE - DIGEST_SIZE;
  s2.set(createHmac('sha256', key).update(s2.subarray(0, tail)).digest(), tail);
  return out;
}
