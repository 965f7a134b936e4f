import type { Socket } from 'node:net';
import { descriptorOf, sendToAll } from '../../../io/index.ts';

const descriptors = new Int32Array(1);
const taken = new Int32Array(1);

/**
 * Writes all of the bytes to a socket, handing them to the system at once where nothing waits before them: that costs a
 * fraction of what a write by Node does, with the objects it makes for each. What the system does not take, and all where there is
 * no addon, Node writes, and finds out what is wrong.
 */
export function sendAtOnce(socket: Socket, bytes: Uint8Array): void {
  const send = sendToAll();
  const descriptor = send === undefined || socket.writableLength > 0 || !socket.writable ? -1 : descriptorOf(socket);
  if (send === undefined || descriptor < 0) {
    socket.write(bytes);
    return;
  }
  descriptors[0] = descriptor;
  send(descriptors, 1, bytes, taken);
  const [count = 0] = taken;
  if (count < bytes.byteLength) socket.write(count > 0 ? bytes.subarray(count) : bytes);
}
