/*
 * Handshake packets of SRT (draft-sharabayko-srt-01 §3.2.1), as far as one must read them to decide who may connect:
 *
 *    0        4        8        12       16                                        64
 *   +--------+--------+--------+--------+-----------------------------------------+------------
 *   | 0x8000 | type-  | time   | dest.  | version, encryption | extension field,  | extensions
 *   |        | specif.|        | socket | sequence, MTU, window, TYPE, SOCKET,    | (conclusion)
 *   |        |        |        |        | COOKIE, address                         |
 *   +--------+--------+--------+--------+-----------------------------------------+------------
 */

const DESTINATION = 12;
const VERSION = 16;
const ENCRYPTION = 20;
const EXTENSION_FIELD = 22;
const TYPE = 36;
const SOCKET_ID = 40;
const COOKIE = 44;
const HANDSHAKE_BYTES = 64;

const CONTROL_HANDSHAKE = 0x8000_0000;
const CONTROL_SHUTDOWN = 0x8005_0000;
const CONTROL_MASK = 0xffff_0000;

const TYPE_INDUCTION = 1;
const TYPE_CONCLUSION = 0xffff_ffff;
/** Types from this one on are refusals; their reason is what is beyond it. */
const TYPE_REFUSAL = 1000;
const MAX_REFUSAL = 0xffff;

/** §4.3.1.1.1: "SRT", in what the other side reads as "SRT magic code". */
const MAGIC = 0x4a17;
const VERSION_UDT4 = 4;
const VERSION_SRT = 5;

const EXTENSION_HSREQ = 1;
const EXTENSION_STREAM_ID = 5;
/** §3.2.1.3. */
const MAX_STREAM_ID_BYTES = 512;

/**
 * Why a caller is refused, as it hears it: SRT's own codes (libsrt's `SRT_REJX_*`), which follow those of HTTP. Callers
 * show them as text, `1403` say.
 */
export const REFUSAL = {
  badRequest: 1400,
  unauthorised: 1401,
  overload: 1402,
  forbidden: 1403,
  notFound: 1404,
  badMode: 1405,
  unacceptable: 1406,
  conflict: 1409,
  failed: 1500,
} as const;

/** One of {@link REFUSAL}. */
export type RefusalCode = (typeof REFUSAL)[keyof typeof REFUSAL];

/** Reasons of the SRT library (`SRT_REJECT_REASON`) that people can do something about. */
const LIBRARY_REASONS: ReadonlyMap<number, string> = new Map([
  [8, 'its version of SRT is too old'],
  [10, 'its passphrase is wrong'],
  [11, 'one side has a passphrase and the other has none'],
  [12, 'it wants messages, not a live stream'],
  [13, 'it uses another kind of congestion control, for files say'],
]);

/** What the SRT library refused somebody for, in words. */
export function libraryReason(reason: number): string {
  return LIBRARY_REASONS.get(reason) ?? `the SRT library said ${reason}`;
}

/** What a handshake packet says. */
export interface Handshake {
  /** A conclusion that accepts looks like one that asks: who sends it makes the difference. */
  readonly type: 'induction' | 'conclusion' | 'refusal' | 'other';
  /** Of the sender, in its own numbering. */
  readonly socketId: number;
  readonly cookie: number;
  /** Of a refusal. */
  readonly reason: number;
  /** Of a conclusion: 4 is that of UDT, which has no stream id. */
  readonly version: number;
}

/** The handshake that this datagram is; undefined for everything else. */
export function readHandshake(datagram: Buffer): Handshake | undefined {
  if (datagram.length < HANDSHAKE_BYTES || (datagram.readUInt32BE(0) & CONTROL_MASK) >>> 0 !== CONTROL_HANDSHAKE)
    return undefined;
  const type = datagram.readUInt32BE(TYPE);
  return {
    type: typeOf(type),
    socketId: datagram.readUInt32BE(SOCKET_ID),
    cookie: datagram.readUInt32BE(COOKIE),
    reason: type >= TYPE_REFUSAL && type <= MAX_REFUSAL ? type - TYPE_REFUSAL : 0,
    version: datagram.readUInt32BE(VERSION),
  };
}

function typeOf(type: number): Handshake['type'] {
  if (type === TYPE_INDUCTION) return 'induction';
  if (type === TYPE_CONCLUSION) return 'conclusion';
  return type >= TYPE_REFUSAL && type <= MAX_REFUSAL ? 'refusal' : 'other';
}

/** True for the packet by which one side says that it ends the connection (§3.2.8). */
export function isShutdown(datagram: Buffer): boolean {
  return datagram.length >= 16 && (datagram.readUInt32BE(0) & CONTROL_MASK) >>> 0 === CONTROL_SHUTDOWN;
}

/**
 * What the extensions of a conclusion say: the stream id (§3.2.1.3), empty when there is none. Undefined for a packet
 * whose extensions can't be read, or that has none of SRT.
 */
export function readStreamId(conclusion: Buffer): string | undefined {
  let streamId = '';
  let isSrt = false;
  let at = HANDSHAKE_BYTES;
  while (at + 4 <= conclusion.length) {
    const type = conclusion.readUInt16BE(at);
    const bytes = conclusion.readUInt16BE(at + 2) * 4;
    at += 4;
    if (at + bytes > conclusion.length) return undefined;
    if (type === EXTENSION_HSREQ) isSrt = true;
    if (type === EXTENSION_STREAM_ID) {
      if (bytes > MAX_STREAM_ID_BYTES) return undefined;
      streamId = textOfWords(conclusion.subarray(at, at + bytes));
    }
    at += bytes;
  }
  return isSrt ? streamId : undefined;
}

/** Each word of four bytes stands the wrong way round. */
function textOfWords(words: Buffer): string {
  const text = Buffer.from(words).swap32();
  const end = text.indexOf(0);
  return text.toString('utf8', 0, end < 0 ? text.length : end);
}

/** The answer to an induction (§4.3.1.1.1): the same with our cookie, not a byte longer. */
export function inductionAnswer(induction: Buffer, cookie: number): Buffer {
  const answer = copyOf(induction);
  answer.writeUInt32BE(VERSION_SRT, VERSION);
  answer.writeUInt16BE(0, ENCRYPTION);
  answer.writeUInt16BE(MAGIC, EXTENSION_FIELD);
  answer.writeUInt32BE(cookie, COOKIE);
  return answer;
}

/** The answer to a conclusion that is refused (§4.3, table 7). */
export function refusalOf(conclusion: Buffer, code: RefusalCode): Buffer {
  const answer = copyOf(conclusion);
  answer.writeUInt32BE(TYPE_REFUSAL + code, TYPE);
  return answer;
}

/** An induction such as the caller of this conclusion has sent. */
export function inductionFor(conclusion: Buffer): Buffer {
  const induction = copyOf(conclusion);
  induction.writeUInt32BE(0, DESTINATION);
  induction.writeUInt32BE(VERSION_UDT4, VERSION);
  induction.writeUInt16BE(0, ENCRYPTION);
  induction.writeUInt16BE(2, EXTENSION_FIELD);
  induction.writeUInt32BE(TYPE_INDUCTION, TYPE);
  induction.writeUInt32BE(0, COOKIE);
  return induction;
}

/** The same handshake with another cookie. */
export function withCookie(handshake: Buffer, cookie: number): Buffer {
  const copy = Buffer.from(handshake);
  copy.writeUInt32BE(cookie, COOKIE);
  return copy;
}

/** Tells the socket of that number that the connection is over (§3.2.8). */
export function shutdownFor(socketId: number): Buffer {
  const packet = Buffer.alloc(20);
  packet.writeUInt32BE(CONTROL_SHUTDOWN, 0);
  packet.writeUInt32BE(socketId, DESTINATION);
  return packet;
}

/** The fixed part, to its sender. */
function copyOf(handshake: Buffer): Buffer {
  const copy = Buffer.from(handshake.subarray(0, HANDSHAKE_BYTES));
  copy.writeUInt32BE(copy.readUInt32BE(SOCKET_ID), DESTINATION);
  return copy;
}
