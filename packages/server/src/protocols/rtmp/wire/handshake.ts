import { createHmac, randomFillSync, timingSafeEqual } from 'node:crypto';
import { ProtocolError } from '@sluice/media';

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
const CLIENT_KEY = Buffer.concat([CLIENT_PHRASE, SUFFIX]);

/** RTMP version 3, the only byte of C0 and S0. */
const VERSION = 3;
/** Version of a player whose C1 is signed; servers that know no signatures do not look at it. */
const CLIENT_VERSION = 0x09007c02;

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

/** The digest with which a C1 or S1 is signed by `phrase`, and the scheme of it; undefined for the plain handshake. */
function findDigest(block: Uint8Array, phrase: Uint8Array): { at: number; digest: Uint8Array } | undefined {
  for (const at of SCHEMES) {
    const offset = digestOffset(block, at);
    const digest = block.subarray(offset, offset + DIGEST_SIZE);
    if (timingSafeEqual(digest, digestAround(block, offset, phrase))) return { at, digest };
  }
  return undefined;
}

/** S2 or C2 of who signs: random bytes, then their digest under a key that is made of the other side's digest. */
function signedEcho(digest: Uint8Array, ownKey: Uint8Array): Buffer {
  const echo = randomFillSync(Buffer.alloc(HANDSHAKE_SIZE));
  const tail = HANDSHAKE_SIZE - DIGEST_SIZE;
  const key = createHmac('sha256', ownKey).update(digest).digest();
  echo.set(createHmac('sha256', key).update(echo.subarray(0, tail)).digest(), tail);
  return echo;
}

/**
 * Answers C0 and C1 with S0, S1 and S2: signed when the client signed its C1 (players and encoders that ask for
 * H.264 by the old rules), plain otherwise (Adobe RTMP 1.0 §5.2).
 * @param c1 the client's 1536 bytes
 */
export function answerHandshake(c1: Uint8Array): Uint8Array {
  const out = Buffer.alloc(1 + 2 * HANDSHAKE_SIZE);
  out[0] = VERSION;
  const s1 = out.subarray(1, 1 + HANDSHAKE_SIZE);
  const s2 = out.subarray(1 + HANDSHAKE_SIZE);
  randomFillSync(s1, 8);
  const client = findDigest(c1, CLIENT_PHRASE);
  if (client === undefined) {
    s2.set(c1);
    return out;
  }
  // A version other than zero tells the client that S1 is signed.
  s1.writeUInt32BE(0x04050001, 4);
  const offset = digestOffset(s1, client.at);
  s1.set(digestAround(s1, offset, SERVER_PHRASE), offset);
  s2.set(signedEcho(client.digest, SERVER_KEY));
  return out;
}

/**
 * C0 and C1, signed: servers that ask for a signature find it, to the others it is random bytes (Adobe RTMP 1.0
 * §5.2.3), so that nobody need be asked twice.
 */
export function beginHandshake(): Uint8Array {
  const out = Buffer.alloc(1 + HANDSHAKE_SIZE);
  out[0] = VERSION;
  const c1 = out.subarray(1);
  randomFillSync(c1, 8);
  c1.writeUInt32BE(CLIENT_VERSION, 4);
  const offset = digestOffset(c1, SCHEMES[0]);
  c1.set(digestAround(c1, offset, CLIENT_PHRASE), offset);
  return out;
}

/**
 * C2 for a server's S1: signed when the server signed that, its echo otherwise.
 * @param s1 the server's 1536 bytes
 */
export function finishHandshake(s1: Uint8Array): Uint8Array {
  const server = findDigest(s1, SERVER_PHRASE);
  return server === undefined ? Buffer.from(s1) : signedEcho(server.digest, CLIENT_KEY);
}

/** One side of the handshake: bytes in, bytes to send out. */
export interface Handshake {
  /** What is sent before anything came; empty for a server. */
  begin(): Uint8Array;
  /**
   * Feeds received bytes; gives those after the handshake once it is over, undefined before. Not to be called after that.
   * @throws ProtocolError RTMP_BAD_HANDSHAKE
   */
  push(bytes: Uint8Array, send: (bytes: Uint8Array) => void): Uint8Array | undefined;
}

/** Collects the other side's three parts, of which the second is answered; the third is not looked at. */
abstract class HandshakeSide implements Handshake {
  #held: Buffer = Buffer.alloc(0);
  #answered = false;

  abstract begin(): Uint8Array;
  protected abstract answer(first: Uint8Array): Uint8Array;

  push(bytes: Uint8Array, send: (bytes: Uint8Array) => void): Uint8Array | undefined {
    const held = Buffer.concat([this.#held, bytes]);
    this.#held = held;
    if (held.length > 0 && held[0] !== VERSION)
      throw new ProtocolError('RTMP_BAD_HANDSHAKE', `RTMP version ${held[0]}`);
    if (!this.#answered && held.length >= 1 + HANDSHAKE_SIZE) {
      this.#answered = true;
      send(this.answer(held.subarray(1, 1 + HANDSHAKE_SIZE)));
    }
    const whole = 1 + 2 * HANDSHAKE_SIZE;
    return held.length < whole ? undefined : held.subarray(whole);
  }
}

/** The server's side (§5.2). C2 is not checked: many encoders send zeros. */
export class ServerHandshake extends HandshakeSide {
  begin(): Uint8Array {
    return new Uint8Array(0);
  }

  protected answer(c1: Uint8Array): Uint8Array {
    return answerHandshake(c1);
  }
}

/** The client's side (§5.2). S2 is not checked: it proves nothing. */
export class ClientHandshake extends HandshakeSide {
  begin(): Uint8Array {
    return beginHandshake();
  }

  protected answer(s1: Uint8Array): Uint8Array {
    return finishHandshake(s1);
  }
}
