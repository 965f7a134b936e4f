import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { DirectSocket } from './direct-socket.ts';
import type { FrameCache } from './web-socket-frame.ts';

/** Most bytes of the reason in a close frame (RFC 6455 §5.5: 125 with the code). */
const MAX_REASON_BYTES = 123;
/** RFC 6455 §7.4.1. */
export const WEB_SOCKET_CLOSE = { normal: 1000, goingAway: 1001, policy: 1008 } as const;
/** How long a peer may take to read what is left and to close, milliseconds. */
export const LINGER_MS = 1000;

/** The part of a WebSocket that is asked for here. */
export interface OpenWebSocket {
  readonly readyState: number;
  readonly OPEN: number;
  ping(): void;
  close(code: number, reason: Buffer): void;
  on(event: 'error' | 'pong', listener: () => void): unknown;
}

/** Answers handshakes. */
export interface WebSocketUpgrader {
  /** Calls back before it returns, or has answered a bad handshake by itself. */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    onOpen: (webSocket: OpenWebSocket) => void,
  ): void;
}

/** How peers that vanished are noticed. */
export interface WebSocketKeepAlive {
  readonly keepAlive: boolean;
  /** Time between pings, milliseconds. */
  readonly keepAliveIntervalMs: number;
  /** A peer that left this many pings in a row unanswered is to be dropped. */
  readonly keepAliveProbes: number;
}

/** What the owner of all viewers shares with each. */
export interface WebSocketViewerParts {
  readonly server: WebSocketUpgrader;
  /** Makes each write one binary message; without it, what is written is whole frames already. */
  readonly frames?: FrameCache | undefined;
  readonly options: WebSocketKeepAlive;
}

/** The request for a WebSocket as Node hands it over. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Where a viewer's bytes go. */
export interface WebSocketSink {
  readonly writableNeedDrain: boolean;
  readonly destroyed: boolean;
  readonly direct: DirectSocket | undefined;
  write(bytes: Buffer): boolean;
  on(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
}

/** A viewer by WebSocket, to which the same frames go as to many others. What the viewer says is ignored. */
export class WebSocketViewer {
  readonly request: IncomingMessage;
  /** Called once when the peer is gone, for whatever reason. */
  onGone: (reason: string) => void = () => {};
  readonly #upgrade: Upgrade;
  readonly #parts: WebSocketViewerParts;
  #webSocket: OpenWebSocket | undefined;
  #pingedMs = performance.now();
  #unanswered = 0;

  constructor(upgrade: Upgrade, parts: WebSocketViewerParts) {
    this.#upgrade = upgrade;
    this.#parts = parts;
    this.request = upgrade.request;
    upgrade.socket.on('error', () => upgrade.socket.destroy());
    upgrade.socket.once('close', () => this.onGone('viewer left'));
  }

  /** Answers the handshake. Undefined when it was a bad one, or the peer is gone. */
  open(): WebSocketSink | undefined {
    const { request, socket, head } = this.#upgrade;
    let opened: OpenWebSocket | undefined;
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
    return sinkOf(opened, socket, this.#parts.frames);
  }

  /** Called about once a second; gives the reason when the peer is to be dropped. */
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

  /** Ends in good order, after what is unsent; a peer that does not take it is cut off after a while. */
  end(reason: string, code: number = WEB_SOCKET_CLOSE.normal): void {
    const { socket } = this.#upgrade;
    if (this.#webSocket === undefined) socket.end();
    else this.#webSocket.close(code, closeReason(reason));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#upgrade.socket.destroy();
  }
}

/**
 * Writes frames around the library: they are built once for all viewers, while its `send` would build and join two
 * writes for each. Without compression the library itself writes whole frames only, so that none is torn apart.
 * Without `frames`, what is written is whole frames already.
 */
export function sinkOf(
  webSocket: Pick<OpenWebSocket, 'readyState' | 'OPEN'>,
  socket: Duplex,
  frames?: FrameCache,
): WebSocketSink {
  const direct = DirectSocket.of(socket, frames);
  return {
    get direct() {
      return webSocket.readyState === webSocket.OPEN ? direct : undefined;
    },
    get writableNeedDrain() {
      return socket.writableNeedDrain;
    },
    // After a close frame nothing may follow (RFC 6455 §5.5.1).
    get destroyed() {
      return webSocket.readyState !== webSocket.OPEN;
    },
    write(bytes) {
      return (
        webSocket.readyState !== webSocket.OPEN || socket.write(frames === undefined ? bytes : frames.frameOf(bytes))
      );
    },
    on: (event, listener) => socket.on(event, listener),
    off: (event, listener) => socket.off(event, listener),
  };
}

/** The beginning of a text that fits into a close frame, cut between characters. */
export function closeReason(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return bytes;
  let end = MAX_REASON_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
