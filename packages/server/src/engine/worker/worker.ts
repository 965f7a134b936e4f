import type { Socket } from 'node:net';
import {
  BEAT,
  CLOSE,
  COST,
  DROPPED,
  FAILED,
  type FeedMessage,
  FINISH,
  FLAG_KEY,
  type Frame,
  FrameReader,
  flagsOf,
  frameHead,
  KEY_FRAME,
  OPEN,
  type OpenMessage,
  OUTPUT,
  type OutputMessage,
  outputOf,
  PACKET,
  type PictureMessage,
  READY,
  readMessage,
  SOURCE,
  type SourceMessage,
  TAKEN,
  TRACK,
  type WorkReport,
  writeMessage,
} from '../wire.ts';
import { NativeError } from './native/codec.ts';
import { type FeedOutput, isFeed, type OpenSession, type Session, type SessionOutput } from './session.ts';

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
    this.#send({ type: READY, stream: 0 });
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
        this.#open(stream, readMessage<FeedMessage | OpenMessage | PictureMessage>(frame.payload));
        return;
      }
      const session = this.#sessions.get(stream);
      if (!session) return;
      if (outputOf(frame) > 0) this.#handleOutput(session, frame);
      else if (frame.type === PACKET) this.#push(session, frame);
      else if (frame.type === SOURCE) session.setSource(readMessage<SourceMessage>(frame.payload));
      else if (frame.type === FINISH) this.#finish(stream, session);
      else if (frame.type === CLOSE) this.#close(stream);
    } catch (error) {
      this.#fail(stream, error);
    }
  }

  #handleOutput(session: Session, frame: Frame): void {
    if (!isFeed(session)) return;
    const output = outputOf(frame);
    if (frame.type === OUTPUT) session.open(output, readMessage<OutputMessage>(frame.payload));
    else if (frame.type === KEY_FRAME) session.requestKeyFrame(output);
    else if (frame.type === CLOSE) session.closeOutput(output);
  }

  /** What damaged packets decode to can be impossible to convert; it is a failure when nothing else comes. */
  #push(session: Session, { stream, payload, timeUs, flags }: Frame): void {
    try {
      session.push(payload, timeUs, (flags & FLAG_KEY) !== 0);
      this.#failures.delete(stream);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      const failures = (this.#failures.get(stream) ?? 0) + 1;
      this.#failures.set(stream, failures);
      this.#send({ type: DROPPED, stream, timeUs: 1 });
      if (failures >= MAX_FAILURES) this.#fail(stream, error);
    }
    if (isFeed(session)) this.#send({ type: TAKEN, stream, timeUs: 1 });
  }

  #finish(stream: number, session: Session): void {
    session.finish?.();
    this.#close(stream);
  }

  #fail(stream: number, error: unknown): void {
    this.#close(stream);
    this.#send({ type: FAILED, stream }, sentenceOf(error));
  }

  #open(stream: number, message: FeedMessage | OpenMessage | PictureMessage): void {
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
    const reportOf = ({ busyMs, packets }: Work): WorkReport => ({
      packets,
      busyUs: Math.round(busyMs * 1000),
      cpuUs: allMs > 0 ? Math.round((tookUs * busyMs) / allMs) : 0,
    });
    for (const [stream, work] of this.#work) {
      const session = this.#sessions.get(stream);
      const parts = session && isFeed(session) ? session.takeWork() : [{ output: 0, ...work }];
      for (const part of parts) this.#send({ type: COST, stream, output: part.output }, writeMessage(reportOf(part)));
      work.busyMs = 0;
      work.packets = 0;
    }
  }

  #outputOf(stream: number): FeedOutput {
    return {
      ...this.#wayOf(stream, 0),
      of: (output) => this.#wayOf(stream, output),
      failed: (output, error) => this.#send({ type: FAILED, stream, output }, sentenceOf(error)),
    };
  }

  #wayOf(stream: number, output: number): SessionOutput {
    return {
      track: (message) => this.#send({ type: TRACK, stream, output }, writeMessage(message)),
      packet: ({ bytes, timeUs, key }) => {
        const { socket } = this.#parts;
        const flags = flagsOf(output, key);
        socket.write(frameHead({ stream, type: PACKET, flags, timeUs }, bytes.length));
        socket.write(bytes);
      },
      dropped: (count) => this.#send({ type: DROPPED, stream, output, timeUs: count }),
    };
  }

  #beat(): void {
    this.#lastBeatMs = performance.now();
    this.#send({ type: BEAT, stream: 0, timeUs: process.memoryUsage.rss() });
    this.#tellWork();
  }

  #send({ type, stream, output = 0, timeUs = 0 }: Head, payload: Buffer = EMPTY): void {
    const { socket } = this.#parts;
    socket.write(frameHead({ stream, type, flags: flagsOf(output), timeUs }, payload.length));
    if (payload.length > 0) socket.write(payload);
  }
}

interface Head {
  readonly type: number;
  readonly stream: number;
  readonly output?: number;
  readonly timeUs?: number;
}

function sentenceOf(error: unknown): Buffer {
  return Buffer.from(error instanceof Error ? error.message : String(error));
}
