import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type AccessControl,
  type Counters,
  type Log,
  MediaServerError,
  type Stream,
  type StreamRegistry,
} from '../core/index.ts';
import { connectionName, type HttpMount, plainAddress } from '../io/index.ts';
import { Answerer } from './answer.ts';
import { renewKeyFrame } from './key-frames.ts';
import type { SnapshotMountOptions } from './options.ts';
import { type KeptFile, keyFrameVersion, PictureCache } from './picture-cache.ts';
import { formKey, parseTarget, type Refusal, SNAPSHOT_PREFIX, type SnapshotTarget } from './snapshot-request.ts';
import type { SnapshotServer } from './snapshot-server.ts';

export interface SnapshotMountDeps {
  readonly streams: StreamRegistry;
  readonly snapshots: Pick<SnapshotServer, 'take'>;
  readonly access: AccessControl;
  readonly log: Log;
  readonly counters: Counters;
}

/** A page waits no longer than this; the picture is there for the next one. */
const MAX_WAIT_MS = 5000;
/** A stream of which no picture could be taken is not tried again before this. */
const FAILED_MS = 2000;
/** Forms of one stream's picture that are taken at the same time. */
const MAX_FORMS_IN_WORK = 4;
/** Requests that wait for an answer. */
const MAX_HELD = 2000;
/** RFC 6750 §2.1. */
const BEARER = /^Bearer +([^\s]+)$/i;

/** A picture in work, for all requests that wait for it. */
interface Work {
  readonly stream: Stream;
  readonly file: Promise<KeptFile>;
  /** Gives it up. */
  abort(): void;
}

/**
 * Pictures of live streams on the web port: `/snapshot/<stream>.jpg`. What is shown is the newest key frame, decoded when
 * somebody asks for it, once for all who ask.
 */
export class SnapshotMount implements HttpMount {
  readonly prefix = SNAPSHOT_PREFIX;
  readonly #deps: SnapshotMountDeps;
  readonly #options: SnapshotMountOptions;
  readonly #answer: Answerer;
  readonly #cache: PictureCache;
  readonly #working = new Map<string, Work>();
  /** Streams of which none could be taken, with the time until which they are not tried again. */
  readonly #failed = new WeakMap<Stream, { readonly untilMs: number; readonly refusal: Refusal }>();
  readonly #listening: Disposable;
  #closed = false;
  #held = 0;

  constructor(deps: SnapshotMountDeps, options: SnapshotMountOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#answer = new Answerer(options);
    this.#cache = new PictureCache({ maxBytes: options.maxCacheBytes, freshMs: options.cacheMs });
    this.#listening = deps.streams.events.on('ended', (stream) => this.#cache.forget(stream));
  }

  /** Requests that wait, and what is kept, in bytes. */
  get load(): { readonly held: number; readonly cachedBytes: number } {
    return { held: this.#held, cachedBytes: this.#cache.bytes };
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    // A body is of no use to us, and unread it would keep us from noticing that the peer leaves.
    request.resume();
    response.on('error', () => response.destroy());
    if (request.method === 'OPTIONS') return this.#answer.preflight(response);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return this.#refuse(response, { status: 405, message: 'pictures are read with GET' });
    const { origin } = request.headers;
    if (!this.#options.allowsOrigin(origin))
      return this.#refuse(response, { status: 403, message: `pages of ${origin} may not see it (allow_domains)` });
    const target = parseTarget(request.url ?? '');
    if ('status' in target) return this.#refuse(response, target);
    if (this.#closed) return this.#refuse(response, { status: 503, message: 'the server stops' });
    if (this.#held >= MAX_HELD)
      return this.#refuse(response, { status: 503, message: 'too many requests wait for pictures, try again' });
    this.#held++;
    void this.#respond(request, response, target).finally(() => this.#held--);
  }

  upgrade(_request: IncomingMessage, socket: Duplex): void {
    socket.once('finish', () => socket.destroy());
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  }

  /** Answers what waits and forgets all pictures. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listening[Symbol.dispose]();
    for (const work of this.#working.values()) work.abort();
    await Promise.allSettled(Array.from(this.#working.values(), ({ file }) => file));
    this.#cache.clear();
  }

  async #respond(request: IncomingMessage, response: ServerResponse, target: SnapshotTarget): Promise<void> {
    try {
      await this.#admit(request, target);
      if (response.destroyed) return;
      const file = await this.#file(target);
      this.#deps.counters.count('snapshot_requests');
      this.#answer.picture(response, target.form.format, file);
    } catch (error) {
      this.#refuse(response, this.#refusalOf(error, target));
    }
  }

  async #admit({ socket, headers }: IncomingMessage, { streamName, appKey, custom }: SnapshotTarget): Promise<void> {
    const token = BEARER.exec(headers.authorization ?? '')?.[1];
    await this.#deps.access.view({
      sessionId: connectionName(socket),
      mediaSessionId: randomUUID(),
      appKey,
      protocol: 'snapshot',
      mediaProvider: 'HTTP',
      remoteAddress: plainAddress(socket.remoteAddress),
      streamName,
      // A token that came in a header counts as one of the address.
      custom: token === undefined ? custom : { ...custom, token },
    });
  }

  #file({ streamName, form }: SnapshotTarget): Promise<KeptFile> {
    const stream = this.#deps.streams.get(streamName);
    if (stream === undefined)
      throw new MediaServerError(
        'STREAM_NOT_FOUND',
        `no stream "${streamName}" is live; publish it first, then try again`,
      );
    const key = formKey(form);
    const nowMs = performance.now();
    const kept = this.#cache.find(stream, key, nowMs);
    if (kept !== undefined) {
      renewKeyFrame(stream);
      return Promise.resolve(kept);
    }
    const failed = this.#failed.get(stream);
    if (failed !== undefined && failed.untilMs > nowMs)
      throw new MediaServerError('SNAPSHOT_FAILED', failed.refusal.message);
    const id = `${key} ${streamName}`;
    const working = this.#working.get(id);
    if (working?.stream === stream) return working.file;
    return this.#make(id, stream, form);
  }

  #make(id: string, stream: Stream, form: SnapshotTarget['form']): Promise<KeptFile> {
    let inWork = 0;
    for (const work of this.#working.values()) if (work.stream === stream) inWork++;
    if (inWork >= MAX_FORMS_IN_WORK)
      throw new MediaServerError('SNAPSHOT_LIMIT', `${inWork} sizes of this picture are being made, try again`);
    const version = keyFrameVersion(stream);
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), MAX_WAIT_MS);
    const file = this.#deps.snapshots
      .take({ ...form, streamName: stream.name, which: 'key', signal: waiting.signal })
      .then(
        (bytes) => this.#cache.add(stream, formKey(form), { bytes, version }),
        (error: unknown) => {
          const { message } = error as Error;
          this.#failed.set(stream, { untilMs: performance.now() + FAILED_MS, refusal: { status: 503, message } });
          throw error;
        },
      )
      .finally(() => {
        clearTimeout(timer);
        this.#working.delete(id);
      });
    this.#working.set(id, { stream, file, abort: () => waiting.abort() });
    return file;
  }

  #refusalOf(error: unknown, { streamName }: SnapshotTarget): Refusal {
    if (!(error instanceof MediaServerError)) {
      this.#deps.log.error({ error: String(error), stream: streamName }, 'a picture could not be sent');
      return { status: 500, message: 'the request failed, see the log of the server' };
    }
    const { code, message } = error;
    if (code === 'SNAPSHOT_FAILED') return { status: 503, message };
    // As HLS has it, whose players ask for a new token then (functions-2 §H.5).
    return { status: code === 'ACCESS_DENIED' ? 401 : error.status, message };
  }

  #refuse(response: ServerResponse, refusal: Refusal): void {
    this.#deps.counters.count('snapshot_requests_refused');
    this.#answer.refuse(response, refusal);
  }
}
