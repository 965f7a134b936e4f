import type { MediaSocket } from '../../../core/index.ts';

/** A WebSocket in memory, whose frames are read as they are written. */
export class MemorySocket implements MediaSocket {
  readonly secure = false;
  readonly messages: Buffer[] = [];
  /** Says that it is full, until `drain`. */
  full = false;
  destroyed = false;
  #onGone = (): void => {};
  readonly #drains = new Set<() => void>();

  get writableNeedDrain(): boolean {
    return this.full;
  }

  get queuedBytes(): number {
    return this.full ? 1 : 0;
  }

  /** @throws Error for what is no whole frames with binary data */
  write(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length; ) {
      if (bytes[at] !== 0x82) throw new Error(`no binary frame at ${at}`);
      const short = bytes[at + 1] ?? 0;
      const [head, length] =
        short < 126
          ? [2, short]
          : short === 126
            ? [4, bytes.readUInt16BE(at + 2)]
            : [10, Number(bytes.readBigUInt64BE(at + 2))];
      if (at + head + length > bytes.length) throw new Error('a frame is torn');
      this.messages.push(bytes.subarray(at + head, at + head + length));
      at += head + length;
    }
    return !this.full;
  }

  on(_event: 'drain', listener: () => void): void {
    this.#drains.add(listener);
  }

  off(_event: 'drain', listener: () => void): void {
    this.#drains.delete(listener);
  }

  drain(): void {
    this.full = false;
    for (const listener of [...this.#drains]) listener();
  }

  onGone(listener: () => void): void {
    this.#onGone = listener;
  }

  gone(): void {
    this.destroyed = true;
    this.#onGone();
  }
}
