import type { Socket } from 'node:net';
import { plainAddress } from '../../../io/index.ts';
import { Standstill } from '../transport/standstill.ts';
import type { Allocation } from './allocation.ts';
import type { TurnClient } from './client.ts';
import type { TurnLimits } from './options.ts';
import type { Reception } from './service.ts';
import { StreamFrames } from './wire/stream-frames.ts';

/** Answers that a connection may need before it proves something: a few of 401, 438, and addresses asked for. */
const MAX_UNPROVEN = 16;
/** Clients whose network has gone are noticed after some minutes of this. */
const KEEP_ALIVE_MS = 30_000;
/** Answers are small; who does not read them is not sent more. */
const ANSWER_ROOM_BYTES = 65_536;
/** Media is left out when a line stands still for so long: what is in the system's memory comes before anything newer. */
const STANDSTILL_MS = 800;

export interface StreamClientOptions {
  readonly transport: 'tcp' | 'tls';
  readonly limits: TurnLimits;
  receive(client: TurnClient, frame: Buffer, nowMs: number): Reception;
  /** What came is no TURN at all. */
  onMalformed(): void;
  /** The connection is over. Called once. */
  onGone(client: StreamClient): void;
}

/** A client on a connection, which it has for itself. */
export class StreamClient implements TurnClient {
  readonly transport: 'tcp' | 'tls';
  readonly isStream = true;
  readonly address: string;
  readonly port: number;
  allocation: Allocation | undefined;
  readonly #socket: Socket;
  readonly #options: StreamClientOptions;
  readonly #frames = new StreamFrames();
  readonly #standstill = new Standstill(STANDSTILL_MS);
  #unproven = 0;
  /** Since when it has no allocation. */
  #idleSinceMs: number;
  #withinSinceMs: number | undefined;
  #isGone = false;

  constructor(socket: Socket, options: StreamClientOptions, nowMs: number) {
    this.#socket = socket;
    this.#options = options;
    this.transport = options.transport;
    this.address = plainAddress(socket.remoteAddress);
    this.port = socket.remotePort ?? 0;
    this.#idleSinceMs = nowMs;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => this.close());
    // Half a connection is of no use here.
    socket.on('end', () => this.close());
    socket.on('close', () => this.close());
  }

  /** Closes a connection that only takes up room. Call every second or so. */
  tick(nowMs: number): void {
    const { idleTimeoutMs, frameTimeoutMs } = this.#options.limits;
    const isIdle = this.allocation === undefined && nowMs - this.#idleSinceMs >= idleTimeoutMs;
    const isStuck = this.#withinSinceMs !== undefined && nowMs - this.#withinSinceMs >= frameTimeoutMs;
    if (isIdle || isStuck) this.close();
  }

  answer(message: Buffer): void {
    if (this.#isGone) return;
    if (this.#socket.writableLength > this.#options.limits.maxQueuedBytes + ANSWER_ROOM_BYTES) this.close();
    else this.#socket.write(message);
  }

  relay(frame: Buffer, media: boolean): boolean {
    if (this.#isGone || this.#socket.writableLength + frame.length > this.#options.limits.maxQueuedBytes) return false;
    if (media) {
      const nowMs = performance.now();
      if (this.#standstill.isOverdue(nowMs)) return false;
      this.#standstill.wrote(nowMs);
    }
    this.#socket.write(frame);
    return true;
  }

  keep(): void {
    this.#unproven = 0;
  }

  letGo(): void {
    this.#idleSinceMs = performance.now();
  }

  /** Idempotent. */
  close(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#socket.destroy();
    this.#options.onGone(this);
  }

  #onData(chunk: Buffer): void {
    if (this.#isGone) return;
    const nowMs = performance.now();
    this.#standstill.heard(nowMs);
    let frames: readonly Buffer[];
    try {
      frames = this.#frames.push(chunk);
    } catch {
      this.#options.onMalformed();
      this.close();
      return;
    }
    // The time of a frame begins anew with each that was whole.
    if (!this.#frames.isWithin) this.#withinSinceMs = undefined;
    else if (frames.length > 0 || this.#withinSinceMs === undefined) this.#withinSinceMs = nowMs;
    for (const frame of frames) {
      if (this.#isGone) return;
      this.#judge(this.#options.receive(this, frame, nowMs));
    }
  }

  #judge(reception: Reception): void {
    if (reception === 'malformed') this.close();
    else if (reception === 'unproven' && this.allocation === undefined && ++this.#unproven > MAX_UNPROVEN) this.close();
  }
}
