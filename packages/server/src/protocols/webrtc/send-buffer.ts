/** Larger than any packet that is made here, with header and encryption. */
const BYTES = 2048;

/**
 * The memory of the packet that is being sent. Packets are sent one after the other and the system takes a datagram
 * within the call almost always, so there is one buffer, and a new one only after the system did not.
 */
export class SendBuffer {
  #buffer = Buffer.allocUnsafeSlow(BYTES);

  /** The buffer; one of its own for a packet that is larger. */
  take(bytes: number): Buffer {
    return bytes > BYTES ? Buffer.allocUnsafeSlow(bytes) : this.#buffer;
  }

  /** The system still needs what is in the buffer: it is not written to again. */
  leave(): void {
    this.#buffer = Buffer.allocUnsafeSlow(BYTES);
  }
}
