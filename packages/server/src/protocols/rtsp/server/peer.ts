import type { Socket } from 'node:net';

/** The connection that a session belongs to. */
export interface RtspPeer {
  /** `/<client ip>:<port>/<server ip>:<port>` (functions-1 §4.2). */
  readonly sessionId: string;
  /** As people write it. */
  readonly remoteAddress: string;
  /** Where answers and interleaved frames go. */
  readonly output: Socket;
  readonly secure: boolean;
  /** Its media can't go by UDP: it came through an HTTP tunnel, as what is between us lets nothing else through. */
  readonly tunnelled: boolean;
  /** What the client says of itself; empty when it says nothing. */
  readonly agent: string;
  /** Writes to the output. */
  send(bytes: Buffer): void;
  /** Something came that shows that the client is there. */
  alive(): void;
  /** Ends the connection once what was written has left. Idempotent. */
  finish(reason: string): void;
}

/** What is answered to a request. */
export interface RtspReply {
  readonly status: number;
  /** In place of what RFC 2326 calls the status. */
  readonly reason?: string | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: string | undefined;
  /** The connection ends with the answer. */
  readonly close?: boolean | undefined;
  /** Called when the answer has been written, before anything else is. */
  readonly after?: (() => void) | undefined;
}

/** A refusal; `reason` is for people and becomes the reason of the status line. */
export function refusal(status: number, reason?: string): RtspReply {
  return { status, reason: reason?.slice(0, MAX_REASON_CHARACTERS) };
}

const MAX_REASON_CHARACTERS = 300;
