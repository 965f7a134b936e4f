import { closeSync, fstatSync, fsyncSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ByteSource, ProtocolError } from '@sluice/media';

/** A file on disk, read in the thread that it is opened in: threads of finishing have nothing else to do. */
export class LocalFile implements ByteSource {
  readonly descriptor: number;
  readonly size: number;
  /** The disk that it is on. */
  readonly device: number;
  readonly #onRead: () => void;

  /**
   * @param flags of `open`: `r`, `r+`
   * @throws the errors of opening
   */
  constructor(path: string, flags: string, onRead: () => void = () => undefined) {
    this.descriptor = openSync(path, flags);
    this.#onRead = onRead;
    const { size, dev } = fstatSync(this.descriptor);
    this.size = size;
    this.device = dev;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    this.readInto(bytes, offset);
    return Promise.resolve(bytes);
  }

  /** Fills `bytes` with what is at `offset`. */
  readInto(bytes: Uint8Array, offset: number): void {
    this.#onRead();
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.descriptor, bytes, done, bytes.length - done, offset + done);
      if (count === 0) throw new ProtocolError('FILE_TOO_SHORT', `the file ends before ${offset + bytes.length}`);
      done += count;
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** Has the disk keep the name of a file. */
export function syncNameSync(path: string): void {
  let folder: number | undefined;
  try {
    folder = openSync(dirname(path), 'r');
    fsyncSync(folder);
  } catch {
    // Not all file systems can; the name is kept soon in any case.
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}
