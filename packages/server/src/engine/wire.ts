import type { SrtEndCode, VideoForm } from '../core/index.ts';

/*
 * What goes over the socket pair between the server and a worker, in both directions:
 *
 *    0       4         8      9       10              18
 *   +-------+---------+------+-------+---------------+----------------+
 *   | bytes | stream  | type | flags | time in µs    | payload        |
 *   +-------+---------+------+-------+---------------+----------------+
 *     u32     u32       u8     u8      i64             bytes - 14
 *
 * Big-endian. `bytes` counts what follows it. Stream 0 is the worker itself. Flags: bit 0 is {@link FLAG_KEY}, the others
 * are the number of an output of a feed of pictures, 0 for all else and for the feed itself.
 */

/**
 * Server to worker: a conversion of sound, a feed of pictures, a snapshot or an SRT connection begins; the payload is an
 * {@link OpenMessage}, a {@link FeedMessage}, a {@link PictureMessage} or an {@link SrtMessage}.
 */
export const OPEN = 1;
/** Server to worker: the source's decoder configuration changed; the payload is a {@link SourceMessage}. */
export const SOURCE = 2;
/** Both ways: one packet. Of video to the worker, NAL units have start codes; from it, lengths of four bytes. */
export const PACKET = 3;
/** Server to worker: the next picture of an output becomes a key frame. */
export const KEY_FRAME = 4;
/** Server to worker: the conversion, the feed with all its outputs, or one output of it is over. */
export const CLOSE = 5;
/** Server to worker: all packets of a picture's track have come; the answer is a packet with the picture, or {@link FAILED}. */
export const FINISH = 6;
/** Server to worker: an output of a feed begins, with the next picture; the payload is an {@link OutputMessage}. */
export const OUTPUT = 7;
/** Worker to server: it is up. */
export const READY = 16;
/** Worker to server: it lives; instead of a time, its resident memory in bytes. */
export const BEAT = 17;
/** Worker to server: the configuration of the packets that follow; the payload is a {@link TrackMessage}. */
export const TRACK = 18;
/** Worker to server: instead of a time, how many packets or pictures were damaged and left out. */
export const DROPPED = 20;
/** Worker to server, with a beat: work for this conversion since the last one; the payload is a {@link WorkReport}. */
export const COST = 19;
/** Worker to server: this conversion can't be done; the payload is a sentence. */
export const FAILED = 21;
/** Worker to server: this SRT connection stands; packets are its bytes, both ways. */
export const CONNECTED = 22;
/** Worker to server: instead of a time, how many bytes of this SRT connection were taken to be sent. */
export const SENT = 23;
/** Worker to server: this SRT connection is over; the payload is an {@link SrtEndMessage}. */
export const ENDED = 24;

/** Worker to server: instead of a time, how many packets of this feed it has worked off since it told last. */
export const TAKEN = 25;

export const FLAG_KEY = 1;
/** The largest number of an output. */
export const MAX_OUTPUT = 127;

/** The flags of a frame about an output. */
export function flagsOf(output: number, key = false): number {
  return (output << 1) | (key ? FLAG_KEY : 0);
}

/** The number of the output that a frame is about. */
export function outputOf({ flags }: Pick<FrameHead, 'flags'>): number {
  return flags >> 1;
}

const HEAD_BYTES = 18;
const COUNTED_HEAD_BYTES = HEAD_BYTES - 4;
/** More than any encoder makes of one picture. */
const MAX_FRAME_BYTES = 1 << 26;

/** Thrown for bytes that the other side would never send. */
export class WireError extends Error {}

export interface SourceMessage {
  readonly codec: string;
  readonly clockRate: number;
  /** `Track.parameters`, each in base64. */
  readonly parameters: readonly string[];
}

/** Sound is to be converted. */
export interface OpenMessage {
  readonly source: SourceMessage;
  readonly target: string;
  readonly bitrateBps: number | undefined;
  readonly sampleRate: number | undefined;
  readonly channels: number | undefined;
  readonly variableBitrate: number;
  readonly opusBitrateBps: number;
  readonly aacBitrateBps: number;
}

/** Pictures are to be decoded, once for all the outputs that follow. */
export interface FeedMessage {
  readonly source: SourceMessage;
  readonly maxPicturePixels: number;
  /** Seconds between the key frames of a source whose packets are all of them. */
  readonly keyFrameIntervalS: number;
  readonly feed: true;
}

/** One form that the pictures of a feed are to be encoded in. */
export interface OutputMessage {
  /** Earlier pictures belong to somebody else: another publisher's may still be in the decoder. */
  readonly fromUs: number;
  readonly codec: 'h264' | 'mpeg1';
  readonly form: VideoForm;
  /** False: key frames come without regard to those of the source. */
  readonly aligned: boolean;
  /** By the size of the picture when it is absent, times the factor. */
  readonly bitrateBps: number | undefined;
  readonly bitrateFactor: number;
  /** Rate control may borrow from the seconds around. */
  readonly elastic: boolean;
  readonly keyFrameIntervalS: number;
  readonly preset: string;
  /** WCS's names of encoders, to be tried in this order. */
  readonly encoders: readonly string[];
  readonly threads: number;
}

/** A picture is to be made: the last one of the packets that follow. */
export interface PictureMessage {
  readonly source: SourceMessage;
  readonly maxPicturePixels: number;
  readonly picture: {
    readonly format: 'png' | 'jpeg';
    /** A box that the picture fills as far as its shape allows; its own size without both. */
    readonly width: number | undefined;
    readonly height: number | undefined;
    /** 1 to 100, of JPEG. */
    readonly quality: number;
  };
}

/** An SRT connection is to be made, or waited for. */
export interface SrtMessage {
  readonly mode: 'caller' | 'listener';
  readonly address: string;
  readonly port: number;
  readonly direction: 'receive' | 'send';
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
  readonly latencyMs: number;
  readonly connectTimeoutMs: number;
}

export interface SrtEndMessage {
  readonly code: SrtEndCode;
  readonly reason: string;
}

export interface TrackMessage {
  readonly clockRate: number;
  readonly parameters: readonly string[];
  /** How long each packet of audio lasts, in microseconds; 0 for video. */
  readonly packetUs: number;
  /** Of pictures: what encodes them, by FFmpeg's name, and what was wished for more and could not be opened. */
  readonly encoder?: string | undefined;
  readonly passedOver?: readonly string[] | undefined;
}

/** What a conversion, a feed without its outputs, or an output has cost since the report before. */
export interface WorkReport {
  /** Packets that were taken, or pictures that an output encoded. */
  readonly packets: number;
  /** Time that the worker was at it. */
  readonly busyUs: number;
  /** Time of processors that it took, over all threads; that of the process, by its share of the work. */
  readonly cpuUs: number;
}

export interface FrameHead {
  readonly stream: number;
  readonly type: number;
  readonly flags: number;
  readonly timeUs: number;
}

/** The head of a frame whose payload has `payloadBytes` bytes and is written right after it. */
export function frameHead(head: FrameHead, payloadBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES);
  bytes.writeUInt32BE(COUNTED_HEAD_BYTES + payloadBytes, 0);
  bytes.writeUInt32BE(head.stream, 4);
  bytes[8] = head.type;
  bytes[9] = head.flags;
  bytes.writeBigInt64BE(BigInt(head.timeUs), 10);
  return bytes;
}

export interface Frame extends FrameHead {
  /** A view into what was received; copy it to keep it. */
  readonly payload: Buffer;
}

/** Takes frames out of a byte stream, whatever its chunks are. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #wanted = 4;

  /**
   * The frames that these bytes complete, in order.
   * @throws WireError for a length that no frame has: the other side is not to be trusted any more
   */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return;
    const data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    let position = 0;
    this.#wanted = 4;
    while (data.length - position >= 4) {
      const bytes = data.readUInt32BE(position);
      if (bytes < COUNTED_HEAD_BYTES || bytes > MAX_FRAME_BYTES) throw new WireError(`a frame of ${bytes} bytes`);
      if (data.length - position - 4 < bytes) {
        this.#wanted = 4 + bytes;
        break;
      }
      yield readFrame(data, position, bytes);
      position += 4 + bytes;
    }
    this.#chunks = position < data.length ? [data.subarray(position)] : [];
    this.#bytes = data.length - position;
  }
}

function readFrame(data: Buffer, position: number, bytes: number): Frame {
  return {
    stream: data.readUInt32BE(position + 4),
    type: data[position + 8] ?? 0,
    flags: data[position + 9] ?? 0,
    timeUs: Number(data.readBigInt64BE(position + 10)),
    payload: data.subarray(position + HEAD_BYTES, position + 4 + bytes),
  };
}

/** What {@link writeMessage} wrote; a T because both sides are of the same build. @throws WireError */
export function readMessage<T>(payload: Buffer): T {
  try {
    return JSON.parse(payload.toString()) as T;
  } catch {
    throw new WireError('a message that is no JSON');
  }
}

type Message =
  | FeedMessage
  | OpenMessage
  | OutputMessage
  | PictureMessage
  | SourceMessage
  | SrtEndMessage
  | SrtMessage
  | TrackMessage
  | WorkReport;

/** The payload of a message. */
export function writeMessage(message: Message): Buffer {
  return Buffer.from(JSON.stringify(message));
}
