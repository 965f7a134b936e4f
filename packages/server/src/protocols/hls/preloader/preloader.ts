import type { Counters, Log } from '../../../core/index.ts';
import type { HlsOptions, HlsPreloaderOptions } from '../options.ts';
import type { HlsPackager } from '../packager.ts';
import { Clips } from './clip.ts';
import { ClipFeed } from './clip-feed.ts';

export interface PreloaderDeps {
  readonly log: Log;
  readonly counters: Counters;
}

/** Shows viewers a clip while a stream has no segment yet. */
export class Preloader {
  readonly #deps: PreloaderDeps;
  readonly #options: HlsPreloaderOptions;
  readonly #container: HlsOptions['container'];
  readonly #shown = new Set<HlsPackager>();
  #clips: Clips | undefined;

  constructor(deps: PreloaderDeps, options: HlsPreloaderOptions, container: HlsOptions['container']) {
    this.#deps = deps;
    this.#options = options;
    this.#container = container;
  }

  /** Reads the clips. Without any, and where they can't be used, nothing is shown: that is told, and no failure. */
  async start(): Promise<void> {
    const { dir } = this.#options;
    const { log } = this.#deps;
    this.#clips = await Clips.load(dir, (clip, error) =>
      log.warn({ folder: dir, clip, error: String(error) }, 'a clip for the time before the first segment is not used'),
    );
    if (this.#clips.size === 0) log.warn({ folder: dir }, 'there is no clip for the time before the first segment');
  }

  /** Shows the clip in the playlist of a stream that has nothing to play yet. */
  show(packager: HlsPackager): void {
    const { segmentMinMs } = this.#options;
    const { video } = packager.stream.state;
    const clip = this.#clips?.fit(video);
    if (clip === undefined) return;
    const feed = new ClipFeed(clip, { container: this.#container, segmentMinMs, window: packager.window });
    if (!packager.preload(feed)) return;
    this.#deps.counters.count('hls_preloaders');
    this.#shown.add(packager);
    this.#advance(packager, performance.now());
  }

  /** Lets the clips go on; called now and then. */
  sweep(nowMs: number): void {
    for (const packager of this.#shown) this.#advance(packager, nowMs);
  }

  #advance(packager: HlsPackager, nowMs: number): void {
    if (!packager.advanceClip(nowMs)) this.#shown.delete(packager);
  }
}
