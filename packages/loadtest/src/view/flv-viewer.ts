import { type ClientRequest, get } from 'node:http';
import { get as getSecure } from 'node:https';
import { FlvDemuxer, ProtocolError } from '@sluice/media';
import { Admission } from '../admission.ts';
import type { Figures } from '../figures/figures.ts';
import { TagPictures } from '../figures/tag-pictures.ts';
import type { Member } from '../member.ts';
import type { ViewerOptions } from './viewer-options.ts';

const VIDEO_TAG = 9;
const AUDIO_TAG = 8;

/** A viewer by HTTP-FLV. */
export class FlvViewer implements Member {
  readonly #url: string;
  readonly #figures: Figures;
  readonly #options: ViewerOptions;
  readonly #admission: Admission;
  readonly #pictures: TagPictures;
  readonly #tags = new FlvDemuxer();
  #request: ClientRequest | undefined;

  constructor(url: string, figures: Figures, options: ViewerOptions) {
    this.#url = url;
    this.#figures = figures;
    this.#options = options;
    this.#admission = new Admission(figures, options.joinTimeoutMs);
    this.#pictures = new TagPictures(figures, options.freezeMs, (nowMs) => this.#admission.join(nowMs));
  }

  start(nowMs: number): void {
    this.#admission.start(nowMs);
    const secure = this.#url.startsWith('https:');
    const options = { agent: false, rejectUnauthorized: !this.#options.insecure } as const;
    const request = (secure ? getSecure : get)(this.#url, options, (response) => {
      if (response.statusCode !== 200) return this.#lose(`the server answers ${response.statusCode}`);
      this.#admission.waitingFor = 'picture';
      response.on('data', (bytes: Buffer) => this.#onData(bytes));
      response.on('error', (error) => this.#lose(error.message));
      response.on('end', () => this.#lose('the server ended the stream'));
    });
    request.on('error', (error) => this.#lose(error.message));
    this.#request = request;
  }

  tick(nowMs: number): void {
    if (this.#admission.overdue(nowMs)) this.#request?.destroy();
    this.#pictures.tick(nowMs);
  }

  stop(): Promise<void> {
    this.#admission.leave();
    this.#pictures.finish(performance.now());
    const request = this.#request;
    if (request === undefined || request.closed) return Promise.resolve();
    return new Promise((resolve) => {
      request.once('close', () => resolve());
      request.destroy();
    });
  }

  #onData(bytes: Buffer): void {
    this.#figures.counts.bytes += bytes.length;
    const nowMs = performance.now();
    try {
      for (const { type, data } of this.#tags.push(bytes)) {
        if (type === VIDEO_TAG) this.#pictures.onVideo(Buffer.from(data.buffer, data.byteOffset, data.length), nowMs);
        else if (type === AUDIO_TAG) this.#figures.counts.packets++;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lose(`broken FLV: ${error.message}`);
    }
  }

  #lose(reason: string): void {
    if (!this.#admission.lose(reason)) return;
    this.#request?.destroy();
  }
}
