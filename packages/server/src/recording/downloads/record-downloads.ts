import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import {
  type AccessControl,
  type Counters,
  type Log,
  MediaServerError,
  type RecordingEntry,
  type ViewerIntroduction,
} from '../../core/index.ts';
import { connectionName, type HttpMount, plainAddress, RateLimiter } from '../../io/index.ts';
import { FinishError } from '../finish/index.ts';
import { Answerer } from './answer.ts';
import { contentDisposition, contentType } from './content.ts';
import { parseCut } from './cut-request.ts';
import { Cuts, type Cutter } from './cuts.ts';
import { findFile, parsePath, type RequestedFile } from './requested-file.ts';
import { sendFile } from './send-file.ts';

export interface DownloadDeps {
  /** The ledger of recordings. */
  readonly ledger: { withPath(path: string): readonly { readonly entry: RecordingEntry }[] };
  readonly access: AccessControl;
  readonly finisher: Cutter;
  readonly log: Log;
  readonly counters: Counters;
}

export interface DownloadOptions {
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  /** Absolute folders in it whose files are not sent, such as that of files that are being written. */
  readonly excluded: readonly string[];
  /** Absolute folder of parts of recordings. */
  readonly fragmentsDir: string;
  readonly fragmentsMaxBytes: number;
  readonly disposition: 'inline' | 'attachment';
  /** What answers tell pages of other origins. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Downloads at the same time. */
  readonly maxDownloads: number;
  /** A client that takes nothing for this long is let go, milliseconds. */
  readonly stallTimeoutMs: number;
}

const MAX_URL_CHARACTERS = 8192;
const MAX_CUSTOM_PARAMETERS = 64;
/** WCS's application key of viewers that name none. */
const DEFAULT_APP_KEY = 'defaultApp';
/** RFC 6750 §2.1. */
const BEARER = /^Bearer +([^\s]+)$/i;

/**
 * Sends files of recordings under `/client/records/`, as WCS does: those of the ledger, and others that are in the folder
 * of recordings. `?start=…&end=…`, seconds, gives a part of an MP4 file.
 */
export class RecordingDownloads implements HttpMount {
  readonly prefix = '/client/records/';
  readonly #deps: DownloadDeps;
  readonly #options: DownloadOptions;
  readonly #answer: Answerer;
  readonly #cuts: Cuts;
  readonly #open = new Map<ServerResponse, Promise<void>>();
  readonly #logLimit = new RateLimiter(2);
  #closed = false;

  constructor(deps: DownloadDeps, options: DownloadOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#answer = new Answerer(options.headers);
    const { fragmentsDir: folder, fragmentsMaxBytes: maxBytes } = options;
    this.#cuts = new Cuts(deps.finisher, { folder, maxBytes }, deps);
  }

  /** Downloads of this moment. */
  get size(): number {
    return this.#open.size;
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy());
    if (request.method === 'OPTIONS') return this.#answer.preflight(response);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return this.#fail(response, 405, `method ${request.method} is not allowed, use GET`);
    }
    if (this.#closed || this.#open.size >= this.#options.maxDownloads) {
      return this.#fail(response, 503, 'too many downloads at the same time, try again');
    }
    const work = this.#serve(request, response)
      .catch((error: unknown) => this.#refuse(response, error))
      .finally(() => this.#open.delete(response));
    this.#open.set(response, work);
  }

  upgrade(_request: IncomingMessage, socket: Duplex): void {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  }

  /** Ends all downloads. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#open];
    for (const [response] of open) response.destroy();
    // A part that is being made is not waited for: its file is of use the next time.
    await Promise.race([
      Promise.all(open.map(([, work]) => work)),
      new Promise((done) => setTimeout(done, 1000).unref()),
    ]);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    if (url.length > MAX_URL_CHARACTERS) return this.#fail(response, 400, 'the URL is too long');
    const mark = url.indexOf('?');
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    const parts = parsePath(url.slice(this.prefix.length, mark < 0 ? undefined : mark));
    if (parts === 'malformed') return this.#fail(response, 400, 'the path is not valid percent-encoded UTF-8');
    const folder = { root: this.#options.recordDir, excluded: this.#options.excluded };
    const file = parts && (await findFile(folder, parts));
    if (file === undefined) return this.#notFound(response);
    const entry = this.#entryOf(file);
    const streamName = entry?.streamName ?? file.name;
    await this.#deps.access.view(introduce(request, { streamName, query }));
    if (response.destroyed) return;
    await this.#send(request, response, { file, query, entry });
  }

  /** What the ledger knows of a file; the newest when several recordings had its name. */
  #entryOf({ name }: RequestedFile): RecordingEntry | undefined {
    const known = this.#deps.ledger.withPath(resolve(this.#options.recordDir, name));
    return known.findLast(({ entry }) => entry.localDeleted !== true)?.entry;
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    { file, query, entry }: { file: RequestedFile; query: URLSearchParams; entry: RecordingEntry | undefined },
  ): Promise<void> {
    const opened = await this.#openFile(file, query);
    if (opened === undefined) return this.#fail(response, 400, 'start and end are seconds, and start is before end');
    try {
      if (response.destroyed) return;
      const tracks = entry?.tracks ?? [];
      const soundOnly = tracks.length > 0 && tracks.every(({ kind }) => kind === 'audio');
      this.#answer.prepare(response);
      const { disposition, stallTimeoutMs } = this.#options;
      const type = contentType(opened.name, soundOnly);
      const answer = { handle: opened.handle, type, disposition: contentDisposition(disposition, opened.name) };
      this.#deps.counters.count('recording_downloads');
      await sendFile(request, response, { ...answer, stallTimeoutMs });
    } finally {
      await opened.release();
    }
  }

  /** The whole file, or a part of it; undefined when it can't be told which part. Others than MP4 are sent whole. */
  async #openFile(file: RequestedFile, query: URLSearchParams) {
    const times = parseCut(query);
    if (times === 'malformed') return undefined;
    const whole = times === undefined || (times.startUs === 0 && times.endUs === undefined);
    if (!whole && /\.(mp4|m4a|m4v)$/i.test(file.name)) return await this.#cuts.open(file, times);
    const handle = await open(file.path);
    return { handle, name: file.name, release: () => handle.close() };
  }

  #refuse(response: ServerResponse, error: unknown): void {
    if (error instanceof MediaServerError) {
      this.#deps.counters.count('recording_downloads_refused');
      this.#answer.fail(response, { status: error.status, code: error.code, message: error.message });
      return;
    }
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#notFound(response);
    if (error instanceof FinishError && isOfTheFile(error)) {
      return this.#fail(response, 400, `that part can not be had: ${error.message}`);
    }
    const suppressed = this.#logLimit.take();
    if (suppressed >= 0) this.#deps.log.error({ err: error, suppressed }, 'download of a recording failed');
    this.#answer.fail(response, {
      status: 500,
      code: 'RECORDING_DOWNLOAD',
      message: 'the download failed, see the log of the server',
    });
    if (!response.writableEnded) response.destroy();
  }

  #notFound(response: ServerResponse): void {
    this.#deps.counters.count('recording_downloads_refused');
    const message = 'no finished recording has that name';
    this.#answer.fail(response, { status: 404, code: 'RECORDING_NOT_FOUND', message });
  }

  #fail(response: ServerResponse, status: number, message: string): void {
    this.#deps.counters.count('recording_downloads_refused');
    this.#answer.fail(response, { status, code: 'RECORDING_DOWNLOAD', message });
  }
}

/** True when a part can't be cut because of the file or the times; other codes are of the system or the server. */
function isOfTheFile({ code }: FinishError): boolean {
  return code === 'EMPTY' || !/^(CLOSED|DIED|E[A-Z0-9]+)$/.test(code);
}

function introduce(
  request: IncomingMessage,
  { streamName, query }: { readonly streamName: string; readonly query: URLSearchParams },
): ViewerIntroduction {
  const { socket, headers } = request;
  const custom = Object.fromEntries([...query].slice(0, MAX_CUSTOM_PARAMETERS));
  const token = BEARER.exec(headers.authorization ?? '')?.[1];
  return {
    sessionId: connectionName(socket),
    mediaSessionId: randomUUID(),
    appKey: custom['appKey'] || DEFAULT_APP_KEY,
    protocol: 'record',
    mediaProvider: 'Record',
    remoteAddress: plainAddress(socket.remoteAddress),
    streamName,
    custom: token === undefined ? custom : { token, ...custom },
  };
}
