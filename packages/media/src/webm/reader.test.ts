import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { MediaFileReader } from '../file-plan.ts';
import { openMediaFile } from '../open-media-file.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { EbmlWriter } from './ebml-writer.ts';
import { ID } from './element-ids.ts';
import { planWebmInPlace, WebmReader, WebmWriter } from './index.ts';
import { allPackets, concat, finished, MemorySource, md5, probe, readAll, record, TestFiles } from './testing/files.ts';

const files = new TestFiles();
afterAll(() => files.remove());

/** A file with one track, whose entry `describe` fills, and one cluster with `blocks`. */
function file(describe: (writer: EbmlWriter) => void, blocks: (writer: EbmlWriter) => void): Uint8Array {
  const writer = new EbmlWriter();
  writer.master(ID.ebml, () => writer.text(ID.docType, 'matroska'));
  writer.id(ID.segment);
  writer.unknownSize();
  writer.master(ID.tracks, () => {
    writer.master(ID.trackEntry, () => {
      writer.uint(ID.trackNumber, 3);
      describe(writer);
    });
  });
  writer.id(ID.cluster);
  writer.unknownSize();
  writer.uint(ID.timestamp, 1000);
  blocks(writer);
  return writer.finish();
}

function telephone(writer: EbmlWriter): void {
  writer.uint(ID.trackType, 2);
  writer.text(ID.codecId, 'A_MS/ACM');
  // WAVEFORMATEX: A-law, mono, 8000 Hz.
  writer.binary(ID.codecPrivate, Uint8Array.of(6, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 0, 0));
}

/** Track number 3, time 5, flags. */
function block(flags: number, ...data: number[]): Uint8Array {
  return Uint8Array.of(0x83, 0, 5, flags, ...data);
}

async function frames(bytes: Uint8Array): Promise<[number, ...number[]][]> {
  const { packets } = await readAll(bytes);
  return packets.map(({ ptsUs, units }) => [ptsUs, ...concat(units)]);
}

/** Reads from `us`, and from the beginning to see what should come first. */
async function expectKeyFrameBefore(reader: MediaFileReader, us: number): Promise<void> {
  const all = await allPackets(reader);
  const key = all.findLast((packet) => packet.track.kind === 'video' && packet.key && packet.ptsUs <= us);
  const rest = await allPackets(reader, us);
  expect(key?.ptsUs).toBeGreaterThan(us - 1_000_000);
  expect(rest.find(({ track }) => track.kind === 'video')?.ptsUs).toBe(key?.ptsUs);
  expect(rest.length).toBeLessThan(all.length / 2);
}

test.each([
  ['Xiph', 0x82, [2, 1, 2, 10, 20, 21, 30, 31]],
  ['EBML', 0x86, [2, 0x81, 0xc0, 10, 20, 21, 30, 31]],
])('frames that share a block by %s lacing have their own times', async (_, flags, data) => {
  const bytes = file(telephone, (writer) => writer.binary(ID.simpleBlock, block(flags, ...data)));
  expect(await frames(bytes)).toEqual([
    [1_005_000, 10],
    [1_005_125, 20, 21],
    [1_005_375, 30, 31],
  ]);
});

test('frames that share a block by fixed lacing have their own times', async () => {
  const bytes = file(telephone, (writer) => writer.binary(ID.simpleBlock, block(0x84, 1, 10, 11, 20, 21)));
  expect(await frames(bytes)).toEqual([
    [1_005_000, 10, 11],
    [1_005_250, 20, 21],
  ]);
});

test.each([
  ['nothing', 0x82, []],
  ['Xiph sizes that do not end', 0x82, [1, 255, 255]],
  ['Xiph sizes beyond the end', 0x82, [1, 9, 1]],
  ['frames that are not equal', 0x84, [1, 10, 11, 12]],
  ['EBML sizes that do not end', 0x86, [2, 0x81]],
  ['EBML sizes beyond the end', 0x86, [1, 0x89, 1]],
  ['a negative EBML size', 0x86, [2, 0x81, 0x80, 1, 2, 3]],
])('lacing that does not fit its block is refused: %s', async (_, flags, data) => {
  const bytes = file(telephone, (writer) => writer.binary(ID.simpleBlock, block(flags, ...data)));
  await expect(readAll(bytes)).rejects.toMatchObject({ code: 'WEBM_BAD_FILE' });
});

test('block groups are read, and are key frames when they refer to nothing', async () => {
  const vp8 = (writer: EbmlWriter): void => {
    writer.uint(ID.trackType, 1);
    writer.text(ID.codecId, 'V_VP8');
  };
  const key = [0x10, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0];
  const bytes = file(vp8, (writer) => {
    writer.master(ID.blockGroup, () => writer.binary(ID.block, block(0, ...key)));
    writer.master(ID.blockGroup, () => {
      writer.uint(ID.referenceBlock, 1);
      writer.binary(ID.block, block(0, 0x11, 0, 0, 1));
    });
  });
  const { packets } = await readAll(bytes);
  expect(packets.map((packet) => packet.key)).toEqual([true, false]);
});

test('bytes that were stripped off the beginning of frames are put back, other encodings are told', async () => {
  const encoded =
    (algorithm: number, settings: number[]) =>
    (writer: EbmlWriter): void => {
      telephone(writer);
      writer.master(ID.contentEncodings, () => {
        writer.master(ID.contentEncoding, () => {
          writer.master(ID.contentCompression, () => {
            writer.uint(ID.contentCompAlgo, algorithm);
            writer.binary(ID.contentCompSettings, Uint8Array.from(settings));
          });
        });
      });
    };
  const oneBlock = (writer: EbmlWriter): void => writer.binary(ID.simpleBlock, block(0x80, 7, 8));
  expect(await frames(file(encoded(3, [5, 6]), oneBlock))).toEqual([[1_005_000, 5, 6, 7, 8]]);
  const reader = await WebmReader.open(new MemorySource(file(encoded(0, []), oneBlock)));
  expect([reader.tracks, reader.skipped]).toEqual([[], ['A_MS/ACM (compressed)']]);
});

test('H.264 with start codes and without configuration, as MediaRecorder wrote it, is read like any other', async () => {
  const whole = await readAll(files.recipe('h264-g722.mkv'));
  const pictures = whole.packets.filter(({ track }) => track.kind === 'video').slice(0, 30);
  const startCode = Uint8Array.of(0, 0, 0, 1);
  const live = (writer: EbmlWriter): void => {
    writer.uint(ID.trackType, 1);
    writer.text(ID.codecId, 'V_MPEG4/ISO/AVC');
  };
  const bytes = file(live, (writer) => {
    for (const [i, { key, track, units }] of pictures.entries()) {
      const nals = [...(key ? track.parameters : []), ...units].flatMap((unit) => [startCode, unit]);
      const head = Uint8Array.of(0x83, (i * 40) >> 8, (i * 40) & 0xff, key ? 0x80 : 0);
      writer.binary(ID.simpleBlock, concat([head, ...nals]));
    }
  });
  const { tracks, packets } = await readAll(bytes);
  expect(tracks).toEqual([pictures[0]?.track]);
  const contents = (of: readonly MediaPacket[]): unknown[] => of.map(({ units, key }) => [key, md5(concat(units))]);
  expect(contents(packets)).toEqual(contents(pictures));
});

// The beginnings of files that Chromium recorded; they end in the middle of a frame.
test.each(['h264-opus', 'vp9-opus'])('a file of MediaRecorder is read as ffprobe reads it: %s', async (name) => {
  const path = fileURLToPath(new URL(`../../test-fixtures/mediarecorder-${name}.webm`, import.meta.url));
  const { tracks, packets } = await readAll(new Uint8Array(readFileSync(path)));
  const probed = probe(path);
  expect(tracks.map(({ codec }) => codec)).toEqual(probed.streams.map(({ codec_name: codec }) => codec));
  for (const { id } of tracks) {
    const got = packets.filter(({ track }) => track.id === id).map(({ ptsUs, key }) => [Math.round(ptsUs / 1000), key]);
    const want = probed.packets.filter(({ stream_index: index }) => index === id);
    // ffprobe hands out the torn frame as well.
    expect([0, 1]).toContain(want.length - got.length);
    const times = want.map(({ pts_time: s, flags }) => [Math.round(Number(s) * 1000), flags.startsWith('K')]);
    expect(got).toEqual(times.slice(0, got.length));
  }
});

test('clusters of unknown size are read, and key frames in them are found without an index', async () => {
  const source = await readAll(files.recipe('vp8-opus.webm'));
  const { head, clusters } = record(source, 'webm');
  const unknown = clusters.map((cluster) => {
    const copy = cluster.slice();
    copy.set(Uint8Array.of(1, 255, 255, 255, 255, 255, 255, 255), 4);
    return copy;
  });
  const bytes = concat([head, ...unknown]);
  const reader = await openMediaFile(new MemorySource(bytes));
  expect((await allPackets(reader)).length).toBe(source.packets.length);
  expect(Math.abs(reader.durationUs - 4e6)).toBeLessThan(100_000);
  await expectKeyFrameBefore(reader, 2_500_000);
});

test('what ffmpeg writes to a pipe, without sizes and index, is read and found in', async () => {
  files.recipe('vp9-opus.webm');
  const bytes = files.ffmpeg('live.webm', ['-i', files.path('vp9-opus.webm'), '-c', 'copy', '-live', '1']);
  const reader = await WebmReader.open(new MemorySource(bytes));
  expect((await allPackets(reader)).length).toBe(probe(files.path('live.webm')).packets.length);
  await expectKeyFrameBefore(reader, 3_300_000);
});

/** A long file whose parts are made when they are read: the same second of video again and again. */
class LongSource {
  reads = 0;
  readBytes = 0;
  largestRead = 0;
  readonly size: number;
  readonly #head: Uint8Array;
  readonly #clusterBytes: number;
  readonly #cluster: (second: number) => Uint8Array;

  constructor(head: Uint8Array, seconds: number, cluster: (second: number) => Uint8Array) {
    this.#head = head;
    this.#cluster = cluster;
    this.#clusterBytes = cluster(0).length;
    this.size = head.length + seconds * this.#clusterBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.reads += 1;
    this.readBytes += length;
    this.largestRead = Math.max(this.largestRead, length);
    const result = new Uint8Array(length);
    let at = offset;
    if (at < this.#head.length) {
      const piece = this.#head.subarray(at, offset + length);
      result.set(piece);
      at += piece.length;
    }
    while (at < offset + length) {
      const second = Math.floor((at - this.#head.length) / this.#clusterBytes);
      const inside = at - this.#head.length - second * this.#clusterBytes;
      const piece = this.#cluster(second).subarray(inside, inside + offset + length - at);
      result.set(piece, at - offset);
      at += piece.length;
    }
    return result;
  }
}

test('four gigabytes without an index are opened, and a place in them is found, with few reads', async () => {
  const { tracks, packets } = await readAll(files.recipe('vp8-opus.webm'));
  const track = tracks[0] as Track;
  const [key] = packets;
  const frame = concat([concat(key?.units ?? []), new Uint8Array(100_000)]);
  const writer = new WebmWriter([track], {
    docType: 'webm',
    pictureSizes: new Map([[0, { width: 320, height: 240 }]]),
  });
  const cluster = (second: number): Uint8Array => {
    const packet: MediaPacket = {
      track,
      units: [frame],
      ptsUs: second * 1e6,
      dtsUs: second * 1e6,
      key: true,
      byteLength: frame.length,
    };
    return writer.cluster([packet]);
  };
  const source = new LongSource(writer.head(), 40_000, cluster);
  expect(source.size).toBeGreaterThan(4e9);
  const reader = await WebmReader.open(source);
  expect([reader.durationUs, source.reads < 12, source.readBytes < 2e6]).toEqual([39_999_000_000, true, true]);
  source.reads = 0;
  for await (const packet of reader.readPackets(23_456_500_000)) {
    expect(packet.ptsUs).toBe(23_456_000_000);
    break;
  }
  expect(source.reads).toBeLessThan(60);
  expect(source.largestRead).toBeLessThanOrEqual(1024 * 1024);
});

test('parameter sets that change within a file are another track object, in players too', async () => {
  const first = await readAll(files.recipe('h264-g722.mkv'));
  const other = await readAll(
    files.ffmpeg('wide.mkv', [
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=640x240:rate=25:duration=2',
      '-c:v',
      'libx264',
      '-bf',
      '0',
      '-g',
      '20',
    ]),
  );
  const later = other.packets.map((packet) => ({ ...packet, ptsUs: packet.ptsUs + 4e6, dtsUs: packet.dtsUs + 4e6 }));
  const [track] = first.tracks;
  const pictures = first.packets.filter((packet) => packet.track === track);
  const { head, clusters } = record({ tracks: [track as Track], packets: [...pictures, ...later] }, 'matroska');
  const growing = concat([head, ...clusters]);
  const whole = finished(growing, await planWebmInPlace(new MemorySource(growing)));
  const { packets } = await readAll(whole);
  expect(new Set(packets.map((packet) => packet.track)).size).toBe(2);
  expect(packets.at(-1)?.track.parameters).toEqual(other.tracks[0]?.parameters);
  const path = files.write('changed.mkv', whole);
  const args = ['-v', 'error', '-select_streams', 'v', '-show_entries', 'frame=width', '-of', 'csv=p=0'];
  const widths = execFileSync('ffprobe', [...args, path], {
    encoding: 'utf8',
  }).split(/\s+/);
  expect(widths.filter((width) => width.startsWith('320')).length).toBe(pictures.length);
  expect(widths.filter((width) => width.startsWith('640')).length).toBe(later.length);
});

test('sixteen tracks are in one file with their names', async () => {
  const { packets } = await readAll(files.recipe('vp8-opus.webm'));
  const tracks: Track[] = [];
  const many: MediaPacket[] = [];
  for (const packet of packets) {
    for (let copy = 0; copy < 8; copy += 1) {
      const id = copy * 2 + packet.track.id;
      tracks[id] ??= { ...packet.track, id };
      many.push({ ...packet, track: tracks[id] });
    }
  }
  const pictureSizes = new Map(tracks.map(({ id }) => [id, { width: 320, height: 240 }]));
  const names = new Map(tracks.map(({ id }) => [id, `stream ${id}`]));
  const writer = new WebmWriter(tracks, { docType: 'webm', pictureSizes, names, baseUs: -10_000 });
  const growing = concat([writer.head(), writer.cluster(many)]);
  const bytes = finished(growing, await planWebmInPlace(new MemorySource(growing)));
  const probed = probe(files.write('many.webm', bytes));
  expect(probed.streams.map(({ tags }) => (tags as { title: string }).title)).toEqual([...names.values()]);
  expect(probed.packets.length).toBe(many.length);
  expect((await readAll(bytes)).packets.length).toBe(many.length);
});

test('packets that are further apart than a cluster can tell come into several', async () => {
  const { tracks, packets } = await readAll(files.recipe('opus.webm'));
  const apart = packets.slice(0, 20).map((packet, i) => ({ ...packet, ptsUs: i * 10_000_000 + 123_400 }));
  for (const docType of ['webm', 'matroska'] as const) {
    const writer = new WebmWriter(tracks, { docType });
    const read = await readAll(concat([writer.head(), writer.cluster(apart)]));
    const errors = read.packets.map(({ ptsUs }, i) => Math.abs(ptsUs - (apart[i]?.ptsUs ?? 0)));
    expect(read.packets.length).toBe(20);
    expect(Math.max(...errors)).toBeLessThanOrEqual(docType === 'webm' ? 500 : 50);
  }
});

test('codecs that a document type does not know, and times before the beginning, are refused', async () => {
  const { tracks, packets } = await readAll(files.recipe('h264-aac.mkv'));
  expect(() => new WebmWriter(tracks, { docType: 'webm' }).head()).toThrow(
    expect.objectContaining({ code: 'WEBM_UNSUPPORTED_CODEC' }),
  );
  expect(() => new WebmWriter([], { docType: 'webm' })).toThrow(RangeError);
  const late = new WebmWriter(tracks, { docType: 'matroska', baseUs: 10e6 });
  expect(() => late.cluster(packets)).toThrow(RangeError);
});
