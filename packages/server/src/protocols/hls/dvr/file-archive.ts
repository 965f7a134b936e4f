import { rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HlsTrack } from '../position.ts';
import type { ArchivedSegment, SegmentArchive } from '../segment-archive.ts';

/** What archives share: the disk, and its bounds. */
export interface ArchiveStore {
  /** True when so much more may wait to be written. */
  hasRoomToWrite(bytes: number): boolean;
  /** A segment was taken in: bytes on disk are counted, and others may have to go for it. */
  taken(archive: FileArchive, msn: number, bytes: number): void;
  /** A segment was let go of. */
  released(bytes: number): void;
  /** Does work on the disk after all that was asked for before. */
  work(work: () => Promise<unknown>, failed: (error: unknown) => void): void;
  /** A segment could not be kept. */
  lost(streamName: string, why: unknown): void;
  written(bytes: number): void;
  readFile(path: string): Promise<Uint8Array | undefined>;
  forgetFile(path: string): void;
}

interface Kept {
  bytes: number;
  /** Pieces until they are written, for who asks before that. */
  readonly tracks: Map<HlsTrack, readonly Uint8Array[] | 'written'>;
}

/** The segments of one channel as files of one folder, one file for each. */
export class FileArchive implements SegmentArchive {
  readonly #store: ArchiveStore;
  readonly #streamName: string;
  readonly #folder: string;
  /** By sequence number, which grows. */
  readonly #segments = new Map<number, Kept>();
  /** Segments before that one are gone for good. */
  #floor = 0;
  #disposed = false;

  /** @param folder There by the time that the store does the work that is asked for now. */
  constructor(store: ArchiveStore, { streamName, folder }: { streamName: string; folder: string }) {
    this.#store = store;
    this.#streamName = streamName;
    this.#folder = folder;
  }

  get oldest(): number | undefined {
    for (const msn of this.#segments.keys()) return msn;
    return undefined;
  }

  store({ msn, track, pieces }: ArchivedSegment): void {
    if (this.#disposed || msn < this.#floor) return;
    const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (!this.#store.hasRoomToWrite(bytes)) {
      this.#lose(msn, 'the disk is too slow');
      return;
    }
    const kept = this.#segments.get(msn) ?? { bytes: 0, tracks: new Map() };
    kept.bytes += bytes;
    kept.tracks.set(track, pieces);
    this.#segments.set(msn, kept);
    this.#store.taken(this, msn, bytes);
    this.#store.work(
      async () => {
        try {
          // It may have been let go of while it waited.
          if (this.#segments.get(msn) !== kept) return;
          await writeFile(this.#path(msn, track), pieces, { flag: 'wx' });
          kept.tracks.set(track, 'written');
        } finally {
          this.#store.written(bytes);
        }
      },
      (error) => this.#lose(msn, error),
    );
  }

  async read(msn: number, track: HlsTrack): Promise<Uint8Array | undefined> {
    const media = this.#segments.get(msn)?.tracks.get(track);
    if (media === undefined) return undefined;
    if (media !== 'written') return Buffer.concat(media);
    const bytes = await this.#store.readFile(this.#path(msn, track));
    return this.#segments.has(msn) ? bytes : undefined;
  }

  dropBefore(msn: number): void {
    this.#floor = Math.max(this.#floor, msn);
    for (const [number, kept] of this.#segments) {
      if (number >= msn) return;
      this.#segments.delete(number);
      this.#store.released(kept.bytes);
      for (const track of kept.tracks.keys()) {
        const path = this.#path(number, track);
        this.#store.forgetFile(path);
        // One that was never written is not there.
        this.#store.work(
          () => unlink(path),
          () => {},
        );
      }
    }
  }

  /** Lets go of all segments and of the folder. Idempotent. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const [msn, kept] of this.#segments) {
      this.#store.released(kept.bytes);
      for (const track of kept.tracks.keys()) this.#store.forgetFile(this.#path(msn, track));
    }
    this.#segments.clear();
    this.#store.work(
      () => rm(this.#folder, { recursive: true, force: true }),
      () => {},
    );
  }

  /** Viewers can go back to what follows it only. */
  #lose(msn: number, why: unknown): void {
    if (this.#disposed) return;
    this.#store.lost(this.#streamName, why);
    this.dropBefore(msn + 1);
  }

  #path(msn: number, track: HlsTrack): string {
    return join(this.#folder, `${msn}-${track}.m4s`);
  }
}
