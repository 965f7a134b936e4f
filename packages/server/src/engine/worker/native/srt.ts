import { AV_CODEC_ID_NONE, AVMEDIA_TYPE_DATA } from 'node-av/constants';
import { Dictionary, FormatContext, InputFormat, Packet } from 'node-av/lib';
import { NativeError } from './codec.ts';

/** Most that one SRT message has (SRT_LIVE_MAX_PAYLOAD_SIZE of libsrt). */
const MAX_MESSAGE_BYTES = 1456;
/** libsrt gives up after this; FFmpeg itself waits for 5 s at most. */
const MAX_CONNECT_MS = 5000;

export interface SrtEnds {
  readonly mode: 'caller' | 'listener';
  readonly address: string;
  readonly port: number;
  readonly streamId: string | undefined;
  readonly passphrase: string | undefined;
  readonly latencyMs: number;
  readonly connectTimeoutMs: number;
}

/** Bytes over SRT in one direction. One call at a time, but for {@link SrtPipe.interrupt}. */
export interface SrtPipe {
  /** Connects, or waits for somebody to connect. @throws NativeError */
  open(): Promise<void>;
  /** Makes a call that blocks, and all later ones but `close`, fail within a tenth of a second. */
  interrupt(): void;
  /** Frees all. To be called once, whatever became of `open`, while no other call is under way. */
  close(): Promise<void>;
}

/*
 * Both go through FormatContext: FFmpeg's AVIOContext alone can not be interrupted in this binding (a listener that
 * nobody calls would block its thread for good), and takes options by the URL only, where an ampersand in a stream id
 * ends it. The demuxer `data` gives messages as they come. The muxer `tee` opens what it writes to by itself, with
 * options and the interruption.
 */

/** Receives. */
export class SrtReceiver implements SrtPipe {
  readonly #ends: SrtEnds;
  readonly #context = new FormatContext();
  readonly #packet = new Packet();
  #isOpen = false;

  constructor(ends: SrtEnds) {
    this.#ends = ends;
    this.#context.allocContext();
    this.#packet.alloc();
  }

  async open(): Promise<void> {
    const format = InputFormat.findInputFormat('data');
    const options = { ...srtOptions(this.#ends), raw_packet_size: String(MAX_MESSAGE_BYTES) };
    const result = await this.#context.openInput(urlOf(this.#ends), format, Dictionary.fromObject(options));
    if (result < 0) throw new NativeError(`SRT could not be opened: ${result}`);
    this.#isOpen = true;
  }

  /** The next message; undefined when the connection is over. */
  async read(): Promise<Buffer | undefined> {
    const result = await this.#context.readFrame(this.#packet);
    if (result < 0) return undefined;
    const bytes = Buffer.from(this.#packet.data ?? []);
    this.#packet.unref();
    return bytes;
  }

  interrupt(): void {
    this.#context.interrupt();
  }

  async close(): Promise<void> {
    this.#packet.free();
    // A context that could not be opened is freed by then.
    if (this.#isOpen) await this.#context.closeInput();
  }
}

/** Sends. */
export class SrtSender implements SrtPipe {
  readonly #context = new FormatContext();
  readonly #packet = new Packet();
  #isOpen = false;
  #lastPts = 0n;

  /** @throws NativeError */
  constructor(ends: SrtEnds) {
    const result = this.#context.allocOutputContext2(null, 'tee', teeTarget(ends));
    if (result < 0) throw new NativeError(`no room for an SRT connection: ${result}`);
    const { codecpar } = this.#context.newStream(null);
    codecpar.codecType = AVMEDIA_TYPE_DATA;
    codecpar.codecId = AV_CODEC_ID_NONE;
    this.#packet.alloc();
  }

  async open(): Promise<void> {
    const result = await this.#context.writeHeader(null);
    if (result < 0) throw new NativeError(`SRT could not be opened: ${result}`);
    this.#isOpen = true;
  }

  /** Hands bytes to libsrt, which sends them in messages of seven TS packets; false when the connection is over. */
  async write(bytes: Buffer): Promise<boolean> {
    this.#packet.data = bytes;
    this.#packet.streamIndex = 0;
    this.#packet.pts = this.#packet.dts = this.#lastPts++;
    const result = await this.#context.writeFrame(this.#packet);
    this.#packet.unref();
    return result >= 0;
  }

  interrupt(): void {
    this.#context.interrupt();
  }

  async close(): Promise<void> {
    this.#packet.free();
    if (this.#isOpen) await this.#context.writeTrailer();
    this.#context.freeContext();
  }
}

function urlOf({ address, port }: SrtEnds): string {
  return `srt://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** FFmpeg's names; latency is in microseconds there. */
function srtOptions(ends: SrtEnds): Record<string, string> {
  const { mode, streamId, passphrase, latencyMs, connectTimeoutMs } = ends;
  const timeoutMs = connectTimeoutMs > 0 ? Math.min(connectTimeoutMs, MAX_CONNECT_MS) : MAX_CONNECT_MS;
  return {
    mode,
    latency: String(Math.round(latencyMs * 1000)),
    ...(mode === 'caller' ? { connect_timeout: String(timeoutMs) } : {}),
    ...(streamId === undefined || streamId === '' ? {} : { streamid: streamId }),
    ...(passphrase === undefined || passphrase === '' ? {} : { passphrase }),
  };
}

/** What to write to in the syntax of the muxer `tee`: escaped once as an option, once more as a whole. */
function teeTarget(ends: SrtEnds): string {
  const options = { f: 'data', flush_packets: '1', ...srtOptions(ends) };
  const list = Object.entries(options).map(([name, value]) => `${name}=${escapeAll(value)}`);
  return `[${list.join(':')}]${urlOf(ends)}`.replace(/[\\'|\s]/g, '\\$&');
}

function escapeAll(text: string): string {
  return text.replace(/[^A-Za-z0-9_.\u0080-\u{10ffff}-]/gu, '\\$&');
}
