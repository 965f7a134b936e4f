import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type MediaPacket, Mp4Reader, type Track, TsDemuxer, videoSize } from '@sluice/media';
import type { StreamEntry, StreamState } from '../../../core/index.ts';

/** Shapes of pictures that there are clips for, by the names that WCS has for them. */
const SHAPES: Readonly<Record<string, number>> = { '16x9': 16 / 9, '4x3': 4 / 3, '2x1': 2 };
const DEFAULT_SHAPE = '16x9';
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_FILES = 200;

/** A short film that begins anew at its end. */
export class Clip {
  /** Time until it begins anew, microseconds. */
  readonly durationUs: number;
  readonly tracks: { readonly video: Track | undefined; readonly audio: Track | undefined };
  readonly #packets: readonly MediaPacket[];
  readonly #state: StreamState;

  /** @param packets In the order of decoding; the first picture is a key picture. Not empty. */
  constructor(packets: readonly MediaPacket[]) {
    const firstUs = Math.min(...packets.map(({ dtsUs }) => dtsUs));
    this.#packets = packets.map((p) => ({ ...p, dtsUs: p.dtsUs - firstUs, ptsUs: p.ptsUs - firstUs }));
    this.durationUs = Math.max(...(['video', 'audio'] as const).map((kind) => endUs(this.#packets, kind)));
    const find = (kind: Track['kind']): Track | undefined => packets.find((p) => p.track.kind === kind)?.track;
    this.tracks = { video: find('video'), audio: find('audio') };
    this.#state = { ...this.tracks, metadata: undefined, epoch: 0 };
  }

  /** All packets, again and again, with times that go on. */
  *entries(): Generator<StreamEntry> {
    for (let shiftUs = 0; ; shiftUs += this.durationUs) {
      for (const p of this.#packets) {
        const packet = { ...p, dtsUs: p.dtsUs + shiftUs, ptsUs: p.ptsUs + shiftUs };
        yield {
          packet,
          state: this.#state,
          dtsUs: packet.dtsUs,
          byteLength: packet.byteLength,
          startPoint: packet.key,
        };
      }
    }
  }
}

/** End of the last packet of a kind: it lasts as long as the ones before it on average. */
function endUs(packets: readonly MediaPacket[], kind: Track['kind']): number {
  const times = packets.filter(({ track }) => track.kind === kind).map(({ dtsUs }) => dtsUs);
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined || times.length < 2) return 0;
  return Math.round(last + (last - first) / (times.length - 1));
}

/** The clips of a folder, one for each shape that there is a file for. */
export class Clips {
  readonly #byShape: ReadonlyMap<string, Clip>;

  private constructor(byShape: ReadonlyMap<string, Clip>) {
    this.#byShape = byShape;
  }

  /**
   * Reads the clips of a folder: `16x9.mp4`, or `16x9/index0.ts`, `16x9/index1.ts`, … in the order of their numbers.
   * @param onBad Is told of each that is there and can't be used.
   */
  static async load(dir: string, onBad: (shape: string, error: unknown) => void): Promise<Clips> {
    const byShape = new Map<string, Clip>();
    for (const shape of Object.keys(SHAPES)) {
      try {
        const packets = (await readMp4(join(dir, `${shape}.mp4`))) ?? (await readTransportStream(join(dir, shape)));
        if (packets === undefined) continue;
        const clip = new Clip(packets.slice(packets.findIndex((p) => p.track.kind === 'video' && p.key)));
        if (!(clip.durationUs > 0) || clip.tracks.video === undefined) throw new Error('it has no pictures');
        byShape.set(shape, clip);
      } catch (error) {
        onBad(shape, error);
      }
    }
    return new Clips(byShape);
  }

  /** How many there are. */
  get size(): number {
    return this.#byShape.size;
  }

  /** The clip whose shape is nearest to that of the picture; of 16:9 where that is not known. */
  fit(video: Track | undefined): Clip | undefined {
    const size = video && videoSize(video);
    const wanted = size === undefined || size.height === 0 ? undefined : size.width / size.height;
    if (wanted === undefined) return this.#byShape.get(DEFAULT_SHAPE) ?? [...this.#byShape.values()][0];
    const distance = (shape: string): number => Math.abs(Math.log((SHAPES[shape] ?? 1) / wanted));
    const [nearest] = [...this.#byShape].sort(([one], [other]) => distance(one) - distance(other));
    return nearest?.[1];
  }
}

/** Undefined when there is no such file. */
async function readMp4(path: string): Promise<MediaPacket[] | undefined> {
  const bytes = await readBounded(path);
  if (bytes === undefined) return undefined;
  const reader = await Mp4Reader.open({
    size: bytes.length,
    read: (offset, length) => Promise.resolve(Uint8Array.from(bytes.subarray(offset, offset + length))),
  });
  const packets: MediaPacket[] = [];
  for await (const packet of reader.readPackets()) packets.push(packet);
  return packets;
}

/** Undefined when there is no such folder, or nothing of that name in it. */
async function readTransportStream(folder: string): Promise<MediaPacket[] | undefined> {
  const names = await readdir(folder).catch(() => []);
  const numbers = names.map((name) => Number(/^index(\d{1,6})\.ts$/.exec(name)?.[1] ?? Number.NaN));
  const sorted = numbers.filter((number) => !Number.isNaN(number)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const packets: MediaPacket[] = [];
  const demuxer = new TsDemuxer({
    onTrack: () => {},
    onPacket: (packet) => void packets.push(packet),
    onNote: () => {},
  });
  let left = MAX_BYTES;
  for (const number of sorted.slice(0, MAX_FILES)) {
    const bytes = await readBounded(join(folder, `index${number}.ts`), left);
    left -= bytes?.byteLength ?? 0;
    demuxer.push(bytes ?? new Uint8Array());
  }
  demuxer.flush();
  return packets.sort((a, b) => a.dtsUs - b.dtsUs);
}

async function readBounded(path: string, maxBytes = MAX_BYTES): Promise<Uint8Array | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
  return readFile(path);
}
