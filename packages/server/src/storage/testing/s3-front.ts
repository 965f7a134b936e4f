import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { BUCKET, type S3TestServer } from './s3-server.ts';

/** What goes wrong with a request. */
export type Fault =
  /** An answer instead of the server's. */
  | { readonly kind: 'status'; readonly status: number; readonly code?: string }
  /** The connection breaks when so many bytes of the request's body have come. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** The server does it, but the connection breaks before its answer. */
  | { readonly kind: 'lose answer' }
  /** The connection breaks when so many bytes of the answer's body were sent. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Nothing more comes after so many bytes of the answer's body. */
  | { readonly kind: 'silence'; readonly afterBytes: number }
  /** The answer comes in pieces with pauses. */
  | { readonly kind: 'slow'; readonly pieceBytes: number; readonly pauseMs: number }
  /** Headers of the answer are other ones. */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string>> };

/** A request as a test sees it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Stands before an S3 server: breaks what a test says, counts, and does what that server lacks (ListParts,
 * AbortMultipartUpload, If-Match, If-None-Match, ETags of uploads in parts) from its own files.
 */
export class S3Front {
  /** Decides what goes wrong. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly seen: SeenRequest[] = [];
  /** Leave out what the server lacks. */
  plain = false;
  readonly #server: Server;
  readonly #s3: S3TestServer;
  /** ETags of objects that were made of parts, by key. */
  readonly #etags = new Map<string, string>();

  private constructor(s3: S3TestServer) {
    this.#s3 = s3;
    this.#server = createServer((request, response) => {
      const { socket } = request;
      this.#receive(request, response).catch(() => socket.destroy());
    });
  }

  static async start(s3: S3TestServer): Promise<S3Front> {
    const front = new S3Front(s3);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests of that kind, such as `PUT partNumber`. */
  count(method: string, part = ''): number {
    return this.seen.filter((request) => request.method === method && request.url.includes(part)).length;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers };
    this.seen.push(seen);
    const fault = this.fault(seen);
    if (fault?.kind === 'reset') {
      const { socket } = request;
      let bytes = 0;
      const stop = (): void => void socket.resetAndDestroy();
      if (fault.afterBytes === 0) stop();
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (bytes >= fault.afterBytes) stop();
      });
      return;
    }
    if (fault?.kind === 'status') {
      request.resume();
      await once(request, 'end');
      answer(
        response,
        fault.status,
        `<Error><Code>${fault.code ?? 'InternalError'}</Code><Message>x</Message></Error>`,
      );
      return;
    }
    if (!this.plain && (await this.#lacking(request, response))) return;
    await this.#forward(request, response, fault);
  }

  /** Answers what the server lacks; false for everything else. */
  async #lacking(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = new URL(request.url ?? '', 'http://s3');
    const uploadId = url.searchParams.get('uploadId');
    const key = decodeURIComponent(url.pathname).slice(BUCKET.length + 2);
    const { method, headers } = request;
    if (uploadId !== null && method === 'GET') {
      const parts = await this.#s3.parts(uploadId);
      if (parts === undefined) return error(response, 404, 'NoSuchUpload');
      const list = parts.map(
        ({ number, etag, size }) =>
          `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag><Size>${size}</Size></Part>`,
      );
      answer(response, 200, `<ListPartsResult><IsTruncated>false</IsTruncated>${list.join('')}</ListPartsResult>`);
      return true;
    }
    if (uploadId !== null && method === 'DELETE') {
      await this.#s3.abort(uploadId);
      response.writeHead(204).end();
      return true;
    }
    if (uploadId !== null && (await this.#s3.parts(uploadId)) === undefined) {
      request.resume();
      return error(response, 404, 'NoSuchUpload');
    }
    const etag = (await this.#etagOf(key)) ?? undefined;
    const differs = headers['if-match'] !== undefined && headers['if-match'] !== etag;
    const exists = headers['if-none-match'] === '*' && etag !== undefined;
    if (!differs && !exists) return false;
    request.resume();
    return error(response, 412, 'PreconditionFailed');
  }

  async #etagOf(key: string): Promise<string | undefined> {
    const metadata = await this.#s3.metadata(key);
    return metadata === undefined ? undefined : (this.#etags.get(key) ?? metadata['etag']);
  }

  async #forward(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): Promise<void> {
    const { method, url: path, headers } = request;
    const url = new URL(path ?? '', 'http://s3');
    const key = decodeURIComponent(url.pathname).slice(BUCKET.length + 2);
    const uploadId = url.searchParams.get('uploadId');
    const completes = method === 'POST' && uploadId !== null && !this.plain;
    const parts = completes ? await this.#s3.parts(uploadId) : undefined;
    const upstream = send({ host: '127.0.0.1', port: this.#s3.port, method, path, headers, agent: false });
    request.pipe(upstream);
    request.once('close', () => {
      if (!request.complete) upstream.destroy();
    });
    const [incoming] = (await once(upstream, 'response')) as [IncomingMessage];
    const out: Record<string, string | string[] | undefined> = { ...incoming.headers };
    if (method === 'PUT') this.#etags.delete(key);
    let swap: ((text: string) => string) | undefined;
    if (parts !== undefined && incoming.statusCode === 200) {
      const whole = createWholeEtag(parts);
      this.#etags.set(key, whole);
      swap = (text) => text.replace(/<ETag>.*<\/ETag>/, `<ETag>${whole}</ETag>`);
      delete out['content-length'];
    }
    if ((method === 'GET' || method === 'HEAD') && this.#etags.has(key)) out['etag'] = this.#etags.get(key);
    if (fault?.kind === 'headers') Object.assign(out, fault.headers);
    if (fault?.kind === 'lose answer') {
      incoming.resume();
      await once(incoming, 'end');
      request.socket.resetAndDestroy();
      return;
    }
    response.writeHead(incoming.statusCode ?? 500, out);
    if (swap === undefined) await deliver(incoming, response, fault);
    else {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      response.end(swap(Buffer.concat(chunks).toString()));
    }
  }
}

async function deliver(body: IncomingMessage, response: ServerResponse, fault: Fault | undefined): Promise<void> {
  let sent = 0;
  const limit = fault?.kind === 'cut' || fault?.kind === 'silence' ? fault.afterBytes : Number.POSITIVE_INFINITY;
  const step = fault?.kind === 'slow' ? fault.pieceBytes : 65_536;
  response.flushHeaders();
  for await (const chunk of body) {
    const bytes = chunk as Buffer;
    for (let at = 0; at < bytes.byteLength; at += step) {
      const piece = bytes.subarray(at, Math.min(at + step, bytes.byteLength, at + limit - sent));
      if (piece.byteLength > 0) {
        await new Promise<void>((resolve) => response.write(piece, () => resolve()));
      }
      sent += piece.byteLength;
      if (response.destroyed) return;
      if (sent >= limit) {
        if (fault?.kind === 'cut') response.socket?.destroy();
        return;
      }
      if (fault?.kind === 'slow') await wait(fault.pauseMs);
    }
  }
  response.end();
}

function createWholeEtag(parts: readonly { readonly etag: string }[]): string {
  const hash = createHash('md5');
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'));
  return `"${hash.digest('hex')}-${parts.length}"`;
}

function error(response: ServerResponse, status: number, code: string): true {
  answer(response, status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  return true;
}

function answer(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>${xml}`);
}
