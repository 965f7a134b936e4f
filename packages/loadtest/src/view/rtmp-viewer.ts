import { Admission } from '../admission.ts';
import type { Figures } from '../figures/figures.ts';
import { TagPictures } from '../figures/tag-pictures.ts';
import type { Member } from '../member.ts';
import { parseRtmpAddress } from '../rtmp/rtmp-address.ts';
import { RtmpClient } from '../rtmp/rtmp-client.ts';
import type { ViewerOptions } from './viewer-options.ts';

/** A viewer by RTMP. */
export class RtmpViewer implements Member {
  readonly #url: string;
  readonly #figures: Figures;
  readonly #admission: Admission;
  readonly #pictures: TagPictures;
  #client: RtmpClient | undefined;
  #bytes = 0;

  constructor(url: string, figures: Figures, options: ViewerOptions) {
    this.#url = url;
    this.#figures = figures;
    this.#admission = new Admission(figures, options.joinTimeoutMs);
    this.#pictures = new TagPictures(figures, options.freezeMs, (nowMs) => this.#admission.join(nowMs));
  }

  start(nowMs: number): void {
    this.#admission.start(nowMs);
    this.#client = new RtmpClient(parseRtmpAddress(this.#url), 'play', {
      accepted: () => {
        this.#admission.waitingFor = 'picture';
      },
      video: (body) => this.#pictures.onVideo(body, performance.now()),
      audio: () => this.#figures.counts.packets++,
      lost: (reason) => this.#admission.lose(reason),
    });
  }

  tick(nowMs: number): void {
    this.#count();
    if (this.#admission.overdue(nowMs)) void this.#client?.close();
    this.#pictures.tick(nowMs);
  }

  async stop(): Promise<void> {
    this.#count();
    this.#admission.leave();
    this.#pictures.finish(performance.now());
    await this.#client?.close();
  }

  #count(): void {
    const bytes = this.#client?.bytesIn ?? 0;
    this.#figures.counts.bytes += bytes - this.#bytes;
    this.#bytes = bytes;
  }
}
