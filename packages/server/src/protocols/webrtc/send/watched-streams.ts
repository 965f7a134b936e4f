import { pictureSize, videoSize } from '@sluice/media';
import type { Reader, Stream } from '../../../core/index.ts';

/** Who plays a stream and wants to know what becomes of it. */
export interface StreamWatcher {
  /** The size of the picture is known, or has changed. */
  onSize(size: PictureSize): void;
  onStreamEnd(reason: string): void;
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Looks after the streams that are played, once for all who play them: their end, and the size of their picture. */
export class WatchedStreams {
  readonly #watched = new Map<Stream, WatchedStream>();

  get size(): number {
    return this.#watched.size;
  }

  /** Begins to watch; dispose of the result to stop. */
  watch(stream: Stream, watcher: StreamWatcher): Disposable {
    let watched = this.#watched.get(stream);
    if (watched === undefined) {
      watched = new WatchedStream(stream, () => this.#watched.delete(stream));
      this.#watched.set(stream, watched);
    }
    return watched.add(watcher);
  }
}

class WatchedStream {
  readonly #watchers = new Set<StreamWatcher>();
  readonly #reader: Reader;
  readonly #onUnused: () => void;
  #size: PictureSize | undefined;

  constructor(stream: Stream, onUnused: () => void) {
    this.#onUnused = onUnused;
    this.#reader = stream.attach({
      startAt: 'gop',
      withoutPicture: true,
      onReadable: () => this.#drain(),
      onEnd: (reason) => this.#end(reason),
    });
    this.#drain();
  }

  add(watcher: StreamWatcher): Disposable {
    this.#watchers.add(watcher);
    const size = this.#size;
    if (size !== undefined) queueMicrotask(() => this.#watchers.has(watcher) && watcher.onSize(size));
    return {
      [Symbol.dispose]: () => {
        if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
        this.#reader.close();
        this.#onUnused();
      },
    };
  }

  // Hot path: once per packet of the stream; looks into key frames only.
  #drain(): void {
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read()) {
      const { packet } = entry;
      if (!packet.key || packet.track.kind !== 'video') continue;
      const size = videoSize(packet.track) ?? pictureSize(packet);
      if (size === undefined || (size.width === this.#size?.width && size.height === this.#size.height)) continue;
      this.#size = { width: size.width, height: size.height };
      for (const watcher of this.#watchers) watcher.onSize(this.#size);
    }
  }

  #end(reason: string): void {
    this.#onUnused();
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher.onStreamEnd(reason);
  }
}
