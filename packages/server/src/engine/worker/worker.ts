import type { Socket } from 'node:net';
import {
  BEAT,
  CLOSE,
  COST,
  DROPPED,
  FAILED,
  FINISH,
  FLAG_KEY,
  type Frame,
  FrameReader,
  frameHead,
  KEY_FRAME,
  OPEN,
  type OpenMessage,
  PACKET,
  type PictureMessage,
  READY,
  readMessage,
  SOURCE,
  type SourceMessage,
  TRACK,
  writeMessage,
} from '../wire.ts';
import { NativeError } from './native/codec.ts';
import type { OpenSession, Session, SessionOutput } from './session.ts';

export interface WorkerParts {
  readonly socket: Socket;
  readonly openSession: OpenSession;
  /** Notes which conversion is being worked on, 0 for none, so that it is known after a crash. */
  readonly mark: (stream: number) => void;
}

const BEAT_MS = 500;
/** What is made waits no longer for more to go out with. */
const CORK_MS = 5;
/** Packets in a row that can't be converted: two seconds of sound. */
const MAX_FAILURES = 100;
/** So much may wait for the server before no more is read from it. */
const MAX_UNREAD_BYTES = 1 << 22;
const EMPTY = Buffer.alloc(0);

interface Work {
  busyMs: number;
  packets: number;
}

/** The inside of a worker process: sessions by number, driven by what comes from the server. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #reader = new FrameReader();
  readonly #sessions = new Map<number, Session>();
  /** Packets in a row that came to nothing, by conversion. */
  readonly #failures = new Map<number, number>();
  /** Work for each conversion since the last beat. */
  readonly #work = new Map<number, Work>();
  #lastBeatMs = 0;
  /** What the process had taken of the processors when it last told. */
  #cpuUs = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  start(): void {
    const { socket } = this.#parts;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // 'close' follows, and ends the process.
    socket.on('error', () => undefined);
    this.#send(READY, 0, EMPTY);
    setInterval(() => this.#beat(), BEAT_MS);
  }

  #receive(chunk: Buffer): void {
    const { socket, mark } = this.#parts;
    socket.cork();
    let corkedMs = performance.now();
    let beganMs = corkedMs;
    for (const frame of this.#reader.push(chunk)) {
      mark(frame.stream);
      this.#handle(frame);
      const nowMs = performance.now();
      this.#countWork(frame, nowMs - beganMs);
      beganMs = nowMs;
      if (nowMs - corkedMs < CORK_MS) continue;
      // A long chunk can take longer than the server's patience.
      if (nowMs - this.#lastBeatMs > BEAT_MS) this.#beat();
      socket.uncork();
      socket.cork();
      corkedMs = nowMs;
    }
    mark(0);
    socket.uncork();
    if (socket.writableLength > MAX_UNREAD_BYTES) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  }

  #handle(frame: Frame): void {
    const { stream } = frame;
    try {
      if (frame.type === OPEN) {
        this.#open(stream, readMessage<OpenMessage | PictureMessage>(frame.payload));
        return;
      }
      const session = this.#sessions.get(stream);
      if (!session) return;
      if (frame.type === PACKET) this.#push(session, frame);
      else if (frame.type === SOURCE) session.setSource(readMessage<SourceMessage>(frame.payload));
      else if (frame.type === KEY_FRAME) session.requestKeyFrame();
      else if (frame.type === FINISH) this.#finish(stream, session);
      else if (frame.type === CLOSE) this.#close(stream);
    } catch (error) {
      this.#fail(stream, error);
    }
  }

  /** What damaged packets decode to can be impossible to convert; it is a failure when nothing else comes. */
  #push(session: Session, { stream, payload, timeUs }: Frame): void {
    try {
      session.push(payload, timeUs);
      this.#failures.delete(stream);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      const failures = (this.#failures.get(stream) ?? 0) + 1;
      this.#failures.set(stream, failures);
      this.#send(DROPPED, stream, EMPTY, 1);
      if (failures >= MAX_FAILURES) this.#fail(stream, error);
    }
  }

  #finish(stream: number, session: Session): void {
    session.finish?.();
    this.#close(stream);
  }

  #fail(stream: number, error: unknown): void {
    this.#close(stream);
    this.#send(FAILED, stream, Buffer.from(error instanceof Error ? error.message : String(error)));
  }

  #open(stream: number, message: OpenMessage | PictureMessage): void {
    this.#close(stream);
    this.#sessions.set(stream, this.#parts.openSession(message, this.#outputOf(stream)));
  }

  #close(stream: number): void {
    this.#sessions.get(stream)?.close();
    this.#sessions.delete(stream);
    this.#failures.delete(stream);
    this.#work.delete(stream);
  }

  #countWork({ stream, type }: Frame, busyMs: number): void {
    let work = this.#work.get(stream);
    if (work === undefined) {
      if (!this.#sessions.has(stream)) return;
      work = { busyMs: 0, packets: 0 };
      this.#work.set(stream, work);
    }
    work.busyMs += busyMs;
    if (type === PACKET) work.packets++;
  }

  /** Threads of the codecs work for no conversion in particular: what the process took is shared by time at work. */
  #tellWork(): void {
    const { user, system } = process.cpuUsage();
    const tookUs = user + system - this.#cpuUs;
    this.#cpuUs += tookUs;
    let allMs = 0;
    for (const { busyMs } of this.#work.values()) allMs += busyMs;
    for (const [stream, work] of this.#work) {
      const cpuUs = allMs > 0 ? Math.round((tookUs * work.busyMs) / allMs) : 0;
      const report = { packets: work.packets, busyUs: Math.round(work.busyMs * 1000), cpuUs };
      this.#send(COST, stream, writeMessage(report));
      work.busyMs = 0;
      work.packets = 0;
    }
  }

  #outputOf(stream: number): SessionOutput {
    return {
      track: (message) => this.#send(TRACK, stream, writeMessage(message)),
      packet: ({ bytes, timeUs, key }) => {
        const { socket } = this.#parts;
        socket.write(frameHead({ stream, type: PACKET, flags: key ? FLAG_KEY : 0, timeUs }, bytes.length));
        socket.write(bytes);
      },
      dropped: (count) => this.#send(DROPPED, stream, EMPTY, count),
    };
  }

  #beat(): void {
    this.#lastBeatMs = performance.now();
    this.#send(BEAT, 0, EMPTY, process.memoryUsage.rss());
    this.#tellWork();
  }

  #send(type: number, stream: number, payload: Buffer, timeUs = 0): void {
    this.#parts.socket.write(frameHead({ stream, type, flags: 0, timeUs }, payload.length));
    if (payload.length > 0) this.#parts.socket.write(payload);
  }
}
