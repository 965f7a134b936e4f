import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import type { FanOutSink } from '../../core/index.ts';
import type { Answerer } from './answer.ts';
import type { FlvOptions } from './options.ts';
import type { Refusal } from './request.ts';
import { LINGER_MS, type Transport } from './transport.ts';
import type { FrameCache } from './web-socket-frame.ts';

/** Most bytes of the reason in a close frame (RFC 6455 §5.5: 125 with the code). */
const MAX_REASON_BYTES = 123;
/** Normal closure (RFC 6455 §7.4.1). */
const CLOSE_NORMAL = 1000;

/** What the owner of all WebSocket viewers shares with each. */
export interface WebSocketParts {
  readonly server: WebSocketServer;
  readonly frames: FrameCache;
  readonly answer: Answerer;
  readonly options: Pick<FlvOptions, 'keepAlive' | 'keepAliveIntervalMs' | 'keepAliveProbes'>;
}

/** The request for a WebSocket as Node hands it over. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** A viewer by WebSocket: each write is one binary message. What the viewer says is ignored. */
export class WebSocketTransport implements Transport {
  readonly mediaProvider = 'WS-FLV';
  readonly request: IncomingMessage;
  onGone: (reason: string) => void = () => {};
  readonly #upgrade: Upgrade;
  readonly #parts: WebSocketParts;
  #webSocket: WebSocket | undefined;
  #pingedMs = performance.now();
  #unanswered = 0;

  constructor(upgrade: Upgrade, parts: WebSocketParts) {
    this.#upgrade = upgrade;
    this.#parts = parts;
    this.request = upgrade.request;
    upgrade.socket.on('error', () => upgrade.socket.destroy());
    upgrade.socket.once('close', () => this.onGone('viewer left'));
  }

  refuse(refusal: Refusal): void {
    const { request, socket } = this.#upgrade;
    if (socket.writable) this.#parts.answer.refuseUpgrade(request, socket, refusal);
    else socket.destroy();
  }

  open(): FanOutSink | undefined {
    const { request, socket, head } = this.#upgrade;
    let opened: WebSocket | undefined;
    // Calls back before it returns, or has answered a bad handshake by itself.
    this.#parts.server.handleUpgrade(request, socket, head, (webSocket) => {
      opened = webSocket;
    });
    if (opened === undefined) return undefined;
    this.#webSocket = opened;
    // The close of the connection, which follows, is what counts.
    opened.on('error', () => {});
    opened.on('pong', () => {
      this.#unanswered = 0;
    });
    return webSocketSink(opened, socket, this.#parts.frames);
  }

  check(nowMs: number): string | undefined {
    const webSocket = this.#webSocket;
    // It has said goodbye, or broken the protocol, and keeps the connection.
    if (webSocket !== undefined && webSocket.readyState !== webSocket.OPEN) return 'viewer left';
    const { keepAlive, keepAliveIntervalMs, keepAliveProbes } = this.#parts.options;
    if (!keepAlive || nowMs - this.#pingedMs < keepAliveIntervalMs) return undefined;
    this.#pingedMs = nowMs;
    // A viewer whose socket is full can't be asked: its stall limit decides then.
    if (this.#upgrade.socket.writableNeedDrain) return undefined;
    if (this.#unanswered >= keepAliveProbes) return `viewer silent for ${keepAliveProbes} pings`;
    this.#unanswered++;
    webSocket?.ping();
    return undefined;
  }

  end(reason: string): void {
    const { socket } = this.#upgrade;
    if (this.#webSocket === undefined) socket.end();
    else this.#webSocket.close(CLOSE_NORMAL, shortened(reason));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  destroy(): void {
    this.#upgrade.socket.destroy();
  }
}

/**
 * Writes frames around the library: they are built once for all viewers, while its `send` would build and join two
 * writes for each. Without compression the library itself writes whole frames only, so that none is torn apart.
 */
function webSocketSink(webSocket: WebSocket, socket: Duplex, frames: FrameCache): FanOutSink {
  return {
    get writableNeedDrain() {
      return socket.writableNeedDrain;
    },
    // After a close frame nothing may follow (RFC 6455 §5.5.1).
    get destroyed() {
      return webSocket.readyState !== webSocket.OPEN;
    },
    write(bytes) {
      return webSocket.readyState !== webSocket.OPEN || socket.write(frames.frameOf(bytes));
    },
    on: (event, listener) => socket.on(event, listener),
    off: (event, listener) => socket.off(event, listener),
  };
}

/** The beginning of a text that fits into a close frame, cut between characters. */
function shortened(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return bytes;
  let end = MAX_REASON_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
