import type { Registry } from 'prom-client';
import type { FileStreams, Recorder } from '../../core/index.ts';
import { gauge } from './metric.ts';

/** Recordings and playing files of this moment. */
export class FileMetrics {
  readonly #recorder: Recorder | undefined;
  readonly #files: FileStreams | undefined;
  readonly #running;
  readonly #trouble;
  readonly #unwritten;
  readonly #finalising;
  readonly #uploads;
  readonly #playing;

  constructor(
    {
      recorder,
      fileStreams,
    }: { readonly recorder?: Recorder | undefined; readonly fileStreams?: FileStreams | undefined },
    registry: Registry,
  ) {
    this.#recorder = recorder;
    this.#files = fileStreams;
    this.#running = gauge(registry, 'sluice_recordings_running', 'recordings of publications that run');
    this.#trouble = gauge(registry, 'sluice_recordings_troubled', 'of them, those that can not write at this moment');
    this.#unwritten = gauge(
      registry,
      'sluice_recordings_unwritten_bytes',
      'media that waits in memory for disks, bytes',
    );
    this.#finalising = gauge(registry, 'sluice_recordings_finalising', 'files of recordings that are being finished');
    this.#uploads = gauge(registry, 'sluice_uploads_waiting', 'files that wait to be uploaded, or are being uploaded');
    this.#playing = gauge(registry, 'sluice_vod_files_playing', 'media files that play');
  }

  refresh(): void {
    const running = this.#recorder?.running() ?? [];
    const { unwrittenBytes = 0, finalising = 0, uploads = 0 } = this.#recorder?.backlog() ?? {};
    this.#running.set(running.length);
    this.#trouble.set(running.filter(({ trouble }) => trouble !== undefined).length);
    this.#unwritten.set(unwrittenBytes);
    this.#finalising.set(finalising);
    this.#uploads.set(uploads);
    this.#playing.set(this.#files?.all().length ?? 0);
  }
}
