import { connectionName, plainAddress } from '../../../io/index.ts';
import type { Understood } from './desk.ts';

/** Whose connection it is. */
export interface Peer {
  /** As people write it; see plainAddress. */
  readonly address: string;
  /** WCS's name of the connection; see connectionName. */
  readonly connectionName: string;
}

/**
 * One request and its answer, the same whatever it came by. Nothing of it throws when the client is gone: what is written
 * then is lost.
 */
export interface Exchange {
  readonly method: string;
  /** As it came; its length is for the caller to check. */
  readonly url: string;
  readonly userAgent: string;
  readonly range: string | undefined;
  readonly isHttp2: boolean;
  readonly peer: Peer;
  readonly isHead: boolean;
  /** True when the answer is on its way as a whole. */
  readonly ended: boolean;
  /** True when the answer is on its way as a whole, or nobody waits for it any more. */
  readonly over: boolean;
  /** True when nobody waits for the answer any more: it was sent, or the client is gone. */
  readonly gone: boolean;
  /** True when the beginning of the answer has been sent, or can't be any more. */
  readonly begun: boolean;
  /** True when the client sent it without waiting for an answer before it: those could pile up without end. */
  readonly isQueued: boolean;
  /** Set by the server, and there again when the same request comes on the same connection, where that is noticed. */
  understood: Understood | undefined;
  /** Is called once when the exchange is over, however that came; one listener at a time, undefined for none. */
  set onGone(listener: (() => void) | undefined);
  /** Is called when what was written has left; one listener at a time. */
  set onDrain(listener: (() => void) | undefined);
  /** Is called when the answer is handed over as a whole, with its status. */
  set onEnd(listener: (status: number) => void);
  /** 200 unless it is set. */
  set status(status: number);
  /** Sets a header unless it can't be any more. What HTTP/2 has no connections to say is left out there. */
  header(name: string, value: string | number): void;
  hasHeader(name: string): boolean;
  /** Sends a part of the body; false when the client is slow, until `onDrain`. */
  write(chunk: Uint8Array): boolean;
  /** Sends all of a body at once, as little as possible of it in pieces of its own; nothing is copied. Ends the answer. */
  sendAll(pieces: readonly Uint8Array[]): void;
  /** True when the answer may be one whose bytes were made before: nothing of it depends on the request or its connection. */
  readonly takesMade: boolean;
  /** Sends such an answer with status 200, its head for HTTP/1.1 first. */
  sendMade(answer: readonly Uint8Array[]): void;
  /** Ends the answer, with the last part of its body. */
  end(chunk?: Uint8Array): void;
  /** Ends it without an answer, or in the middle of one: HTTP/1.1 has no other way than to end the connection. */
  drop(): void;
}

/** The peer of a socket; its facts are gone when it is. */
export function peerOf(socket: Parameters<typeof connectionName>[0]): Peer {
  return { address: plainAddress(socket.remoteAddress), connectionName: connectionName(socket) };
}

/** Headers of an HTTP/1.1 answer: names and values by turns, each name once whatever its spelling. */
export class HeaderList {
  readonly entries: (string | number)[] = [];

  set(name: string, value: string | number): void {
    const at = this.#find(name);
    if (at >= 0) this.entries[at + 1] = value;
    else this.entries.push(name, value);
  }

  get(name: string): string | number | undefined {
    const at = this.#find(name);
    return at < 0 ? undefined : this.entries[at + 1];
  }

  has(name: string): boolean {
    return this.#find(name) >= 0;
  }

  #find(name: string): number {
    const { entries } = this;
    for (let i = 0; i < entries.length; i += 2) {
      const other = entries[i] as string;
      if (other === name || (other.length === name.length && other.toLowerCase() === name.toLowerCase())) return i;
    }
    return -1;
  }
}
