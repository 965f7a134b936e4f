import type { ByteSource } from '@sluice/media';
import { MediaServerError, type OpenFile } from '../core/index.ts';

/** A storage that does not even let go of a file is not waited for longer than this. */
const CLOSE_WAIT_MS = 2000;

/** A file whose reads end: with its bytes, or with FILE_UNREADABLE when the storage fails, takes too long, or on close. */
export class PatientFile implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #file: OpenFile;
  readonly #timeoutMs: number;
  readonly #pending = new Set<(error: MediaServerError) => void>();
  #closing: Promise<void> | undefined;

  constructor(file: OpenFile, timeoutMs: number) {
    this.name = file.name;
    this.size = file.size;
    this.#file = file;
    this.#timeoutMs = timeoutMs;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#closing !== undefined) return Promise.reject(this.#unreadable('it was closed'));
    return new Promise((resolve, reject) => {
      let last: NodeJS.Immediate | undefined;
      const settle = (): void => {
        clearTimeout(timer);
        clearImmediate(last);
        this.#pending.delete(fail);
      };
      const fail = (error: MediaServerError): void => {
        settle();
        reject(error);
      };
      const late = `its storage gave nothing for ${this.#timeoutMs} ms (vod_read_timeout)`;
      // After a pause of the whole process timers come first; what has been read by then comes right behind them.
      const timer = setTimeout(() => {
        last = setImmediate(() => fail(this.#unreadable(late)));
      }, this.#timeoutMs);
      this.#pending.add(fail);
      this.#file.read(offset, length).then(
        (bytes) => {
          settle();
          resolve(bytes);
        },
        (error: unknown) => fail(error instanceof MediaServerError ? error : this.#unreadable(wordsOf(error), error)),
      );
    });
  }

  /** Ends what is being read; resolves when the storage has let go of the file, or does not. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const fail of [...this.#pending]) fail(this.#unreadable('it was closed'));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_WAIT_MS);
    });
    // What a file that was only read says when it is closed changes nothing.
    await Promise.race([this.#file.close().catch(() => {}), late]);
    clearTimeout(timer);
  }

  #unreadable(why: string, cause?: unknown): MediaServerError {
    return new MediaServerError('FILE_UNREADABLE', `${this.name} can not be read: ${why}`, { cause });
  }
}

function wordsOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? String(error);
}
