import type { Socket } from 'node:net';

/** What all plain sockets are read into, one after the other: what a socket gave is used before the next one is read. */
const SHARED = new Uint8Array(64 * 1024);

/** Where Node keeps what the option `onread` of a socket of our own making would set; there is none for accepted ones. */
interface Internals {
  readonly buffer: symbol;
  readonly callback: symbol;
}

interface ReadableHandle {
  useUserBuffer?(buffer: Uint8Array): void;
}

/**
 * Calls `onBytes` with all that a socket receives from now on. The bytes lie in memory that is written again after the
 * call: who keeps any of them copies that. Without this, Node makes a buffer of 64 KiB for each read and gives most of it back,
 * and the garbage collector gets an object to free for each packet of each publisher.
 *
 * To be called before anything was read, on a socket that nobody else listens to for `data`. Other events, `pause` and
 * `resume` are as ever. TLS sockets, and sockets of a Node that has nothing of the kind, are listened to for `data`: then it
 * returns false.
 */
export function readShared(socket: Socket, onBytes: (bytes: Uint8Array) => void): boolean {
  const internals = internalsOf(socket);
  const { _handle: handle } = socket as Socket & { readonly _handle?: ReadableHandle | null };
  if (internals === undefined || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', onBytes);
    return false;
  }
  handle.useUserBuffer(SHARED);
  Object.assign(socket, {
    [internals.buffer]: SHARED,
    [internals.callback]: (length: number): boolean => {
      onBytes(SHARED.subarray(0, length));
      return true;
    },
  });
  socket.resume();
  return true;
}

/** Undefined where Node has no such places, or uses them itself. */
function internalsOf(socket: Socket): Internals | undefined {
  if ('encrypted' in socket) return undefined;
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string): symbol | undefined =>
    symbols.find((symbol) => symbol.description === name && socket[symbol as keyof Socket] === null);
  const [buffer, callback, generator] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  return buffer === undefined || callback === undefined || generator === undefined ? undefined : { buffer, callback };
}
