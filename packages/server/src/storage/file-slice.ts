import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { StorageError } from './storage-error.ts';

/** Bytes of a file from `offset` on. */
export interface Slice {
  readonly offset: number;
  readonly length: number;
}

const PIECE_BYTES = 256 * 1024;

/**
 * MD5 of a slice, hexadecimal.
 * @throws StorageError when the file has become shorter
 */
export async function md5Of(file: FileHandle, slice: Slice, signal: AbortSignal): Promise<string> {
  const hash = createHash('md5');
  for await (const piece of piecesOf(file, slice)) {
    signal.throwIfAborted();
    hash.update(piece);
  }
  return hash.digest('hex');
}

/** A slice as a stream, read while it is sent; `onSent` is told of bytes that have left it. */
export function streamOf(file: FileHandle, slice: Slice, onSent: (bytes: number) => void): Readable {
  async function* told(): AsyncGenerator<Uint8Array> {
    let sent = 0;
    for await (const piece of piecesOf(file, slice)) {
      yield piece;
      sent += piece.byteLength;
      onSent(sent);
    }
  }
  return Readable.from(told(), { objectMode: false, highWaterMark: PIECE_BYTES });
}

async function* piecesOf(file: FileHandle, { offset, length }: Slice): AsyncGenerator<Uint8Array> {
  let done = 0;
  while (done < length) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, length - done));
    const { bytesRead } = await file.read(piece, 0, piece.byteLength, offset + done);
    if (bytesRead === 0) {
      throw new StorageError('the file has become shorter meanwhile', { permanent: false, code: 'FileChanged' });
    }
    done += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
