import { execFile } from 'node:child_process';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ByteSource, type MediaPacket, Mp4Reader, planMp4InPlace, type Track } from '@sluice/media';
import type { Converter, PublicationToRecord, Publisher, RecordingEvent, Stream } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import type { RecordingEnd } from '../completion.ts';
import { Ledger } from '../ledger.ts';
import type { RecordingOptions } from '../options.ts';
import { parseFormats } from '../policy.ts';
import { RecordingServer } from '../recorder.ts';
import { NO_ROTATION } from '../rotation.ts';
import type { OpenFile } from '../writing/write-queue.ts';

const run = promisify(execFile);

/** A recorder over an empty hub, whose files stay as they were written. */
export interface RecordingFixture extends Awaited<ReturnType<typeof makeParts>> {
  readonly server: RecordingServer;
  /** What completion was told, in order. */
  readonly completed: readonly { readonly id: string; readonly end: RecordingEnd; readonly path: string }[];
  publish(name: string, wishes?: Partial<PublicationToRecord>): TestPublication;
  close(): Promise<void>;
}

export interface TestPublication {
  readonly stream: Stream;
  readonly mediaSessionId: string;
  readonly events: readonly RecordingEvent[];
  keyFramesAsked(): number;
  send(packets: Iterable<MediaPacket>): void;
  end(): void;
}

export interface FixtureOptions {
  readonly options?: Partial<Omit<RecordingOptions, 'writing'>>;
  readonly writing?: Partial<RecordingOptions['writing']>;
  readonly converter?: Converter;
  readonly openFile?: OpenFile;
  /** Folder of files that are being written; a new one by default. */
  readonly tempDir?: string;
}

async function makeParts(converter: Converter | undefined) {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-recording-'));
  const hub = testHub(0, converter);
  return { dir, ...hub, ledger: await Ledger.open(dir, { log: hub.log, maxEntries: 1000 }) };
}

/** Makes one; to be closed at the end of the test. */
export async function recordingFixture(choices: FixtureOptions = {}): Promise<RecordingFixture> {
  const parts = await makeParts(choices.converter);
  const { dir, ledger, streams } = parts;
  const completed: { id: string; end: RecordingEnd; path: string }[] = [];
  const completion = {
    complete: async (id: string, end: RecordingEnd): Promise<string> => {
      const { tempPath, entry } = ledger.get(id) ?? {};
      completed.push({ id, end, path: tempPath ?? '' });
      ledger.update(id, { entry: { state: end.failure === undefined ? 'complete' : 'failed', reason: end.failure } });
      return entry?.fileName ?? '';
    },
  };
  const server = new RecordingServer(
    { ...parts, completion, ...(choices.openFile && { openFile: choices.openFile }) },
    recordingOptions(dir, choices),
  );
  server.open();
  let sessions = 0;
  return {
    ...parts,
    server,
    completed,
    publish: (name, wishes) => publication(streams, name, { mediaSessionId: `session-${++sessions}`, ...wishes }),
    close: async () => {
      await server.close();
      parts.adaptations.close();
      streams.close();
      await ledger.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function recordingOptions(dir: string, { options, writing, tempDir }: FixtureOptions): RecordingOptions {
  return {
    enabled: true,
    recordDir: dir,
    writing: {
      tempDir: tempDir ?? join(dir, '.recording'),
      fragmentDurationMs: 1000,
      fragmentBytes: 8 * 1024 * 1024,
      sync: true,
      bufferBytes: 64 * 1024 * 1024,
      reservedBytes: 0,
      ...writing,
    },
    formats: parseFormats('', false),
    rotation: NO_ROTATION,
    numbered: true,
    naming: { template: '{streamName}', encoding: 'none', excludedCharacters: '' },
    audioBufferPackets: 100,
    aac: { sampleRate: 44_100, channels: 2, variableBitrate: 5 },
    stopTimeoutMs: 10_000,
    maxErrors: 3,
    errorIntervalMs: 60_000,
    retryIntervalMs: 20,
    maxActive: 1000,
    ...options,
  };
}

function publication(
  streams: RecordingFixture['streams'],
  name: string,
  wishes: Partial<PublicationToRecord> & { mediaSessionId: string },
): TestPublication {
  const events: RecordingEvent[] = [];
  let asked = 0;
  const publisher: Publisher = {
    sessionId: '/127.0.0.1:1/127.0.0.1:2',
    recording: { login: 'alice', appKey: 'app', wanted: true, onEvent: (event) => events.push(event), ...wishes },
    close: () => {},
    requestKeyFrame: () => {
      asked++;
    },
  };
  const stream = streams.publish(name, publisher);
  return {
    stream,
    mediaSessionId: wishes.mediaSessionId,
    events,
    keyFramesAsked: () => asked,
    send: (packets) => {
      for (const packet of packets) stream.publish(packet);
    },
    end: () => streams.unpublish(stream, publisher, 'test'),
  };
}

async function withSource<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await use({
      size: (await file.stat()).size,
      read: async (offset, length) => {
        const bytes = new Uint8Array(length);
        await file.read(bytes, 0, length, offset);
        return bytes;
      },
    });
  } finally {
    await file.close();
  }
}

/** The packets of an MP4 file. */
export function packetsOf(path: string): Promise<MediaPacket[]> {
  return withSource(path, async (source) => {
    const reader = await Mp4Reader.open(source);
    const packets: MediaPacket[] = [];
    for await (const packet of reader.readPackets()) packets.push(packet);
    return packets;
  });
}

/** How many samples finishing finds in an MP4 file that was being written; 0 in one that is not there. */
export async function samplesIn(path: string): Promise<number> {
  try {
    const { tracks } = await withSource(path, planMp4InPlace);
    return tracks.reduce((sum, { samples }) => sum + samples, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** A packet as ffprobe tells it; times in microseconds. */
export interface ProbedPacket {
  readonly kind: 'video' | 'audio';
  readonly ptsUs: number;
  readonly dtsUs: number;
  readonly bytes: number;
  readonly key: boolean;
}

/** What ffprobe reads from a file: an independent reader. */
export async function probe(path: string): Promise<readonly ProbedPacket[]> {
  const what = 'packet=codec_type,pts_time,dts_time,size,flags';
  const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', what, '-of', 'json', path], {
    maxBuffer: 1 << 28,
  });
  const { packets } = JSON.parse(stdout) as { packets: Record<string, string>[] };
  const us = (text: string | undefined): number => Math.round(Number(text) * 1e6);
  return packets.map((packet) => ({
    kind: packet['codec_type'] as 'video' | 'audio',
    ptsUs: us(packet['pts_time']),
    dtsUs: us(packet['dts_time']),
    bytes: Number(packet['size']),
    key: packet['flags']?.startsWith('K') === true,
  }));
}

/** Packets at later times, with other tracks where the map has some. */
export function moved(
  packets: readonly MediaPacket[],
  byUs: number,
  tracks: ReadonlyMap<Track, Track> = new Map(),
): MediaPacket[] {
  return packets.map((packet) => ({
    ...packet,
    track: tracks.get(packet.track) ?? packet.track,
    dtsUs: packet.dtsUs + byUs,
    ptsUs: packet.ptsUs + byUs,
  }));
}

/** Waits until a condition holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > 10_000) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Files of a folder; none when it is not there. */
export function filesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
