import type { Socket } from 'node:net';
import {
  BEAT,
  CLOSE,
  CONNECTED,
  ENDED,
  type Frame,
  FrameReader,
  frameHead,
  OPEN,
  PACKET,
  READY,
  readMessage,
  SENT,
  type SrtMessage,
  writeMessage,
} from '../wire.ts';
import { type SrtOutput, SrtSession } from './srt-session.ts';

const BEAT_MS = 500;
/** So much may wait for the server before no more is read from the network. */
const MAX_UNREAD_BYTES = 1 << 22;
const EMPTY = Buffer.alloc(0);

/** The inside of a worker process for SRT: connections by number, each with a thread that waits for the network. */
export class SrtWorker {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #sessions = new Map<number, SrtSession>();
  #corked = false;
  #room: Promise<void> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#reader.push(chunk)) this.#handle(frame);
    });
    // 'close' follows, and ends the process.
    this.#socket.on('error', () => undefined);
    this.#send(READY, 0, EMPTY);
    setInterval(() => this.#send(BEAT, 0, EMPTY, process.memoryUsage.rss()), BEAT_MS);
  }

  /** Ends all connections; resolves when the other sides have been told. */
  async close(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    for (const session of sessions) session.interrupt();
    await Promise.all(sessions.map(({ ended }) => ended));
  }

  #handle({ stream, type, payload }: Frame): void {
    if (type === OPEN) this.#open(stream, readMessage<SrtMessage>(payload));
    else if (type === PACKET) this.#sessions.get(stream)?.write(Buffer.from(payload));
    else if (type === CLOSE) this.#sessions.get(stream)?.finish();
  }

  #open(stream: number, message: SrtMessage): void {
    const session = new SrtSession(message, this.#outputOf(stream));
    this.#sessions.set(stream, session);
    void session.ended.then((end) => {
      this.#sessions.delete(stream);
      this.#send(ENDED, stream, writeMessage(end));
    });
  }

  #outputOf(stream: number): SrtOutput {
    return {
      connected: () => this.#send(CONNECTED, stream, EMPTY),
      data: (bytes) => {
        this.#send(PACKET, stream, bytes);
        return this.#socket.writableLength > MAX_UNREAD_BYTES ? this.#drained() : undefined;
      },
      sent: (bytes) => this.#send(SENT, stream, EMPTY, bytes),
    };
  }

  #drained(): Promise<void> {
    this.#room ??= new Promise((resolve) => {
      this.#socket.once('drain', () => {
        this.#room = undefined;
        resolve();
      });
    });
    return this.#room;
  }

  #send(type: number, stream: number, payload: Buffer, timeUs = 0): void {
    this.#cork();
    this.#socket.write(frameHead({ stream, type, flags: 0, timeUs }, payload.length));
    if (payload.length > 0) this.#socket.write(payload);
  }

  /** What comes in one turn of the event loop goes out together. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }
}
