import type { FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { parseRange, preconditionStatus, rangeApplies, type Validators } from './byte-range.ts';

/** A file to be sent. */
export interface FileAnswer {
  /** Stays the caller's to close. */
  readonly handle: FileHandle;
  readonly type: string;
  readonly disposition: string;
  /** A client that takes nothing for this long is let go, milliseconds. */
  readonly stallTimeoutMs: number;
}

const READ_BYTES = 256 * 1024;

/**
 * Sends a file or one range of it (RFC 9110 §14), at the pace of the client, whose headers are set already. Resolves when
 * it is sent, or the client is gone; gives the bytes that were sent.
 */
export async function sendFile(request: IncomingMessage, response: ServerResponse, file: FileAnswer): Promise<number> {
  const { size, mtimeMs } = await file.handle.stat();
  if (response.destroyed) return 0;
  const validators: Validators = {
    etag: `"${size.toString(16)}-${Math.round(mtimeMs * 1000).toString(16)}"`,
    modifiedMs: mtimeMs,
  };
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('ETag', validators.etag);
  response.setHeader('Last-Modified', new Date(mtimeMs).toUTCString());
  // Who may see it is asked each time; and a name can be that of another file some day.
  response.setHeader('Cache-Control', 'private, no-cache');
  const status = preconditionStatus(request.headers, validators);
  if (status !== undefined) {
    response.writeHead(status, status === 412 ? { 'Content-Length': 0 } : {}).end();
    return 0;
  }
  // A Range says something for GET only (RFC 9110 §14.2).
  const header =
    request.method === 'GET' && rangeApplies(ifRangeOf(request), validators) ? request.headers.range : undefined;
  const range = parseRange(header, size);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'Content-Range': `bytes */${size}`, 'Content-Length': 0 }).end();
    return 0;
  }
  response.setHeader('Content-Type', file.type);
  response.setHeader('Content-Disposition', file.disposition);
  const { first, last } = range ?? { first: 0, last: size - 1 };
  const length = last - first + 1;
  response.setHeader('Content-Length', length);
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${first}-${last}/${size}`);
  response.writeHead(range === undefined ? 200 : 206);
  if (request.method === 'HEAD' || length === 0) {
    response.end();
    return 0;
  }
  return await sendBody(response, file, { first, last });
}

function ifRangeOf(request: IncomingMessage): string | undefined {
  const value = request.headers['if-range'];
  return Array.isArray(value) ? value[0] : value;
}

async function sendBody(
  response: ServerResponse,
  { handle, stallTimeoutMs }: FileAnswer,
  { first, last }: { readonly first: number; readonly last: number },
): Promise<number> {
  const { socket } = response;
  const before = socket?.bytesWritten ?? 0;
  const sent = (): number => (socket?.bytesWritten ?? before) - before;
  let seen = 0;
  const timer = setInterval(() => {
    // `bytesWritten` counts what is still queued too, so a queue that does not shrink is no progress.
    const taken = sent() - (socket?.writableLength ?? 0);
    if (taken <= seen) response.destroy();
    seen = taken;
  }, stallTimeoutMs);
  try {
    const stream = handle.createReadStream({ start: first, end: last, highWaterMark: READ_BYTES, autoClose: false });
    await pipeline(
      stream,
      async function* (chunks: AsyncIterable<Buffer>) {
        let left = last - first + 1;
        for await (const chunk of chunks) {
          left -= chunk.byteLength;
          yield chunk;
        }
        // The answer must not seem to be whole when the file has become shorter.
        if (left > 0) throw new Error('the file has become shorter');
      },
      response,
    );
  } catch {
    response.destroy();
  } finally {
    clearInterval(timer);
  }
  return sent();
}
