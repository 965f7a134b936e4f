import {
  type Counters,
  type Log,
  MediaServerError,
  type PictureMaker,
  type SnapshotRequest,
  type Snapshots,
  type Stream,
  type StreamRegistry,
} from '../core/index.ts';
import {
  ageUs,
  isSoundAlone,
  type KeyFrameWait,
  newestKeyFrame,
  nextKeyFrame,
  picturesFrom,
  renewKeyFrame,
} from './key-frames.ts';
import type { SnapshotOptions } from './options.ts';
import { SharedPicture } from './shared-picture.ts';

export interface SnapshotDeps {
  readonly streams: StreamRegistry;
  readonly pictures: PictureMaker;
  readonly log: Log;
  readonly counters: Counters;
}

/** A source that can be asked for a key frame is asked when its newest one is older than this: few packets to decode. */
const STALE_US = 2_000_000;
/** So long it may take to come. What there is will do then. */
const FRESH_KEY_MS = 1000;

/**
 * Takes pictures of live streams: sends what a decoder needs to a {@link PictureMaker}. All who ask for the same at the
 * same time share a picture.
 */
export class SnapshotServer implements Snapshots {
  readonly #deps: SnapshotDeps;
  readonly #options: SnapshotOptions;
  readonly #running = new Map<string, SharedPicture>();
  #closed = false;

  constructor(deps: SnapshotDeps, options: SnapshotOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Pictures that are being taken or waited for. */
  get pending(): number {
    return this.#running.size;
  }

  async take(request: SnapshotRequest): Promise<Uint8Array> {
    const { streamName, which, format, width, height, quality } = request;
    if (this.#closed) throw failure(streamName, 'the server stops');
    const stream = this.#deps.streams.get(streamName);
    if (stream === undefined) throw new MediaServerError('STREAM_NOT_FOUND', `there is no stream "${streamName}"`);
    const key = JSON.stringify([which, format, width, height, quality, streamName]);
    const running = this.#running.get(key);
    const shared = running?.open === true ? running : this.#begin(key, stream, request);
    return shared.join(request.signal, () => failure(streamName, 'nobody waits for it any more'));
  }

  /** Gives up all pictures. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const shared of this.#running.values()) shared.abort();
  }

  #begin(key: string, stream: Stream, request: SnapshotRequest): SharedPicture {
    const { maxPending } = this.#options;
    if (this.#running.size >= maxPending)
      throw new MediaServerError('SNAPSHOT_LIMIT', `${maxPending} pictures are being taken (snapshot_max_pending)`);
    const shared = new SharedPicture(
      (signal) => this.#counted(stream, request, signal),
      () => {
        if (this.#running.get(key) === shared) this.#running.delete(key);
      },
    );
    this.#running.set(key, shared);
    return shared;
  }

  async #counted(stream: Stream, request: SnapshotRequest, signal: AbortSignal): Promise<Uint8Array> {
    const { counters, log } = this.#deps;
    try {
      const picture = await this.#take(stream, request, signal);
      counters.count('snapshots_taken');
      return picture;
    } catch (error) {
      if (!signal.aborted) {
        counters.count('snapshots_failed');
        log.debug({ stream: stream.name, error: String(error) }, 'no picture could be taken');
      }
      throw error;
    }
  }

  async #take(stream: Stream, form: SnapshotRequest, signal: AbortSignal): Promise<Uint8Array> {
    const { which } = form;
    const keyAt = await this.#keyFrame(stream, which, signal);
    const packets = picturesFrom(stream, keyAt, which);
    const rest = which === 'key' ? picturesFrom(stream, keyAt, 'newest') : packets;
    const { pictures } = this.#deps;
    try {
      return await pictures.picture(packets, form, signal);
    } catch (error) {
      // A source that refreshes its pictures bit by bit has no whole one in what counts as a key frame.
      if (signal.aborted || rest.length === packets.length) throw named(stream, error);
      return await pictures.picture(rest, form, signal).catch((reason: unknown) => {
        throw named(stream, reason);
      });
    }
  }

  /** The number of the key frame to begin with. */
  async #keyFrame(stream: Stream, which: 'newest' | 'key', signal: AbortSignal): Promise<number> {
    const keyAt = newestKeyFrame(stream);
    if (keyAt < 0) return this.#firstKeyFrame(stream, signal);
    if (which === 'key') {
      renewKeyFrame(stream);
      return keyAt;
    }
    if (!stream.canRequestKeyFrame || ageUs(stream, keyAt) <= STALE_US) return keyAt;
    await nextKeyFrame(stream, { timeoutMs: FRESH_KEY_MS, signal });
    const fresh = newestKeyFrame(stream);
    return fresh < 0 ? this.#firstKeyFrame(stream, signal) : fresh;
  }

  async #firstKeyFrame(stream: Stream, signal: AbortSignal): Promise<number> {
    const { takingIntervalMs, takingAttempts } = this.#options;
    const timeoutMs = takingIntervalMs * takingAttempts;
    const outcome = isSoundAlone(stream) ? 'sound alone' : await nextKeyFrame(stream, { timeoutMs, signal });
    const keyAt = newestKeyFrame(stream);
    if (keyAt < 0) throw failure(stream.name, reasonOf(outcome, timeoutMs));
    return keyAt;
  }
}

function reasonOf(outcome: KeyFrameWait, timeoutMs: number): string {
  switch (outcome) {
    case 'sound alone':
      return 'it has sound alone';
    case 'ended':
      return 'it ended before a picture came';
    case 'aborted':
      return 'nobody waits for it any more';
    case 'came':
    case 'too late':
      return `no key frame came in ${timeoutMs} ms`;
  }
}

function failure(streamName: string, reason: string): MediaServerError {
  return new MediaServerError('SNAPSHOT_FAILED', `no picture of stream "${streamName}": ${reason}`);
}

/** What the maker of pictures says, with the name of the stream. */
function named(stream: Stream, error: unknown): unknown {
  return error instanceof MediaServerError && error.code === 'SNAPSHOT_FAILED'
    ? failure(stream.name, error.message)
    : error;
}
