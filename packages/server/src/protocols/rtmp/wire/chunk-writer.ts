/** Message types of Adobe RTMP 1.0 §5.4 and §7.1. */
export const MESSAGE = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAcknowledgementSize: 5,
  setPeerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  commandAmf3: 17,
  data: 18,
  command: 20,
  aggregate: 22,
} as const;

/** Chunk streams that we send on: one a kind, so that a message's kind can be told from its first byte. */
export const CHUNK_STREAM = { control: 2, command: 3, data: 5, audio: 4, video: 6 } as const;

const EXTENDED = 0xffffff;

/** What a message needs on the wire beside its payload. */
export interface MessageHeader {
  readonly chunkStreamId: number;
  readonly type: number;
  readonly streamId: number;
  /** Milliseconds; taken modulo 2³². */
  readonly timestamp: number;
}

/**
 * Writes one message as chunks: a type 0 header with the absolute time, then type 3 headers (§5.3.1.2). Because
 * nothing refers to earlier messages, the result is the same for every viewer and can be shared among them.
 */
export function writeMessage(header: MessageHeader, payload: Uint8Array, chunkSize: number): Buffer {
  const time = header.timestamp >>> 0;
  const extended = time >= EXTENDED;
  const chunks = Math.max(1, Math.ceil(payload.length / chunkSize));
  const extra = extended ? 4 : 0;
  const out = Buffer.allocUnsafeSlow(12 + extra + (chunks - 1) * (1 + extra) + payload.length);
  out[0] = header.chunkStreamId;
  out.writeUIntBE(extended ? EXTENDED : time, 1, 3);
  out.writeUIntBE(payload.length, 4, 3);
  out[7] = header.type;
  out.writeUInt32LE(header.streamId, 8);
  let at = 12;
  if (extended) at = out.writeUInt32BE(time, at);
  for (let sent = 0; sent < payload.length || sent === 0; ) {
    const end = Math.min(payload.length, sent + chunkSize);
    out.set(payload.subarray(sent, end), at);
    at += end - sent;
    sent = end;
    if (sent >= payload.length) break;
    out[at++] = 0xc0 | header.chunkStreamId;
    if (extended) at = out.writeUInt32BE(time, at);
  }
  return out;
}

function control(type: number, payload: Uint8Array): Buffer {
  return writeMessage({ chunkStreamId: CHUNK_STREAM.control, type, streamId: 0, timestamp: 0 }, payload, 128);
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}

/** Set Chunk Size (§5.4.1). */
export function setChunkSize(bytes: number): Buffer {
  return control(MESSAGE.setChunkSize, u32(bytes));
}

/** Acknowledgement of all bytes received so far, modulo 2³² (§5.4.3). */
export function acknowledgement(bytes: number): Buffer {
  return control(MESSAGE.acknowledgement, u32(bytes % 0x100000000));
}

/** Window Acknowledgement Size (§5.4.4). */
export function windowAcknowledgementSize(bytes: number): Buffer {
  return control(MESSAGE.windowAcknowledgementSize, u32(bytes));
}

/** Set Peer Bandwidth with the limit type "dynamic" (§5.4.5). */
export function setPeerBandwidth(bytes: number): Buffer {
  return control(MESSAGE.setPeerBandwidth, Buffer.concat([u32(bytes), Uint8Array.of(2)]));
}

/** Events of User Control Messages (§7.1.7). */
export const USER_CONTROL = {
  streamBegin: 0,
  streamEof: 1,
  setBufferLength: 3,
  pingRequest: 6,
  pingResponse: 7,
} as const;

/** A User Control Message with its 32-bit arguments (§7.1.7): two for the length of a buffer, one for all others. */
export function userControl(event: number, ...values: readonly number[]): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(event);
  return control(MESSAGE.userControl, Buffer.concat([head, ...values.map(u32)]));
}
