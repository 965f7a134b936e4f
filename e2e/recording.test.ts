import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordingObject } from '@sluice/contract';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { appendToMediaSource } from './support/media-source.ts';
import {
  decodeWhole,
  type FilePacket,
  findRecordings,
  finishedRecordings,
  packetsOf,
  recordingPath,
  streamsOf,
  topBoxesOf,
} from './support/recordings.ts';
import { TestServer } from './support/server.ts';

const SECONDS = 30;

let server: TestServer;
let hooked: string;
/** The long clip, and its publication, which goes on beside the other tests. */
let counter: string;
let counted: Promise<void>;
/** Clips of the other tests: made before anything is published, for that holds up what else the tests do. */
let live: string;
let rotated: string;

beforeAll(async () => {
  const folder = { settings: { record_flash_published_streams: 'true', stream_record_policy: 'streamName' } };
  server = await TestServer.start({ ...folder, settings: { ...folder.settings, on_record_hook_script: hookScript() } });
  counter = join(server.folder, 'clip.flv');
  makeClip(counter, { seconds: SECONDS, bframes: 2 });
  live = join(server.folder, 'live.flv');
  makeClip(live, { seconds: 20 });
  rotated = join(server.folder, 'rotated.flv');
  makeClip(rotated, { seconds: 14, gop: 25, bframes: 2 });
  counted = publish(counter, 'counter');
  // It is looked at when it is waited for.
  counted.catch(() => {});
});

afterAll(() => server.stop());

/** A script that writes down its arguments. */
function hookScript(): string {
  const folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const script = join(folder, 'hook.sh');
  hooked = join(folder, 'hooked');
  writeFileSync(script, `#!/bin/sh\nprintf '%s|%s\\n' "$1" "$2" >> "${hooked}"\n`, { mode: 0o755 });
  return script;
}

/** Publishes a file in real time; resolves when ffmpeg has sent all of it. */
async function publish(file: string, name: string): Promise<void> {
  const ffmpeg = new Ffmpeg(['-v', 'error', '-re', '-i', file, '-c', 'copy', '-f', 'flv', server.rtmp(name)]);
  expect(await ffmpeg.exited, ffmpeg.stderr).toBe(0);
}

function kindOf(packets: readonly FilePacket[], kind: FilePacket['kind']): FilePacket[] {
  return packets.filter((packet) => packet.kind === kind);
}

/** Times from the first picture of the file on. */
function timesOf(packets: readonly FilePacket[], kind: FilePacket['kind']): number[] {
  const firstMs = kindOf(packets, 'video')[0]?.ptsMs ?? 0;
  return kindOf(packets, kind).map(({ ptsMs }) => ptsMs - firstMs);
}

describe.concurrent('a recording that runs', () => {
  it('is begun and ended by REST, is playable all the while, and is told as it goes', async () => {
    const publishing = publish(live, 'room');
    await server.untilLive('room');
    const [stream] = await server.rest<{ mediaSessionId: string }[]>('/stream/find', { name: 'room', published: true });
    const { mediaSessionId } = stream as { mediaSessionId: string };
    const config = { fileTemplate: 'wish/{streamName}-{endTime}', rotation: 'disabled' };
    await server.rest('/recorder/startup', { mediaSessionId, config });
    const [running] = await vi.waitFor(
      async () => {
        const all =
          await server.rest<{ mediaSessionId: string; durationMs: number; fileName: string }[]>('/recorder/find_all');
        const own = all.filter((one) => one.mediaSessionId === mediaSessionId);
        expect(own[0]?.durationMs).toBeGreaterThan(3000);
        return own;
      },
      { timeout: 20_000, interval: 100 },
    );
    expect(running?.fileName).toBe('wish/room-{endTime}.mp4');
    expect(await server.rest('/stream/find', { record: true, mediaSessionId })).toHaveLength(1);
    const [entry] = await findRecordings(server, { streamName: 'room', state: 'recording' });
    expect(entry).toBeDefined();
    const hidden = join(server.folder, 'records', '.recording');
    const growing = readdirSync(hidden).find((name) => entry !== undefined && name.includes(entry.id)) ?? '';
    const copy = join(server.folder, 'growing.mp4');
    writeFileSync(copy, readFileSync(join(hidden, growing)));
    expect(kindOf(packetsOf(copy), 'video').length).toBeGreaterThan(50);
    expect(await appendToMediaSource(copy)).toBeGreaterThan(2);
    await server.rest('/recorder/terminate', { mediaSessionId });
    // The one that the settings began has ended before, and may have had no time for a picture.
    const [wished] = await finishedRecordings(server, { streamName: 'room', id: entry?.id });
    expect(wished?.fileName).toMatch(/^wish\/room-\d+\.mp4$/);
    decodeWhole(recordingPath(server, wished as RecordingObject));
    expect(streamsOf(recordingPath(server, wished as RecordingObject)).map(({ codec_name }) => codec_name)).toEqual([
      'h264',
      'aac',
    ]);
    await publishing;
  });
});

describe.concurrent('a recording that is rotated', () => {
  it('goes on in the next file at a key frame, without losing or repeating a packet', async () => {
    const publishing = publish(rotated, 'turns');
    await server.untilLive('turns');
    const [stream] = await server.rest<{ mediaSessionId: string }[]>('/stream/find', {
      name: 'turns',
      published: true,
    });
    const config = { fileTemplate: 'turns-parts', rotation: '3' };
    await server.rest('/recorder/startup', { mediaSessionId: stream?.mediaSessionId, config });
    await publishing;
    const all = await finishedRecordings(server, { streamName: 'turns' }, { count: 4 });
    const parts = all.filter(({ fileName }) => fileName.startsWith('turns-parts')).sort((a, b) => a.part - b.part);
    expect(parts.map(({ fileName }) => fileName)).toEqual(parts.map((_, i) => `turns-parts_${i + 1}.mp4`));
    expect(parts.length).toBeGreaterThanOrEqual(3);
    const source = packetsOf(rotated);
    for (const kind of ['video', 'audio'] as const) {
      const joined = parts.flatMap((part) =>
        kindOf(packetsOf(recordingPath(server, part)), kind).map(({ hash }) => hash),
      );
      const hashes = kindOf(source, kind).map(({ hash }) => hash);
      const from = hashes.indexOf(joined[0] ?? '');
      expect(from).toBeGreaterThanOrEqual(0);
      expect(joined).toEqual(hashes.slice(from));
    }
  });
});

describe(`${SECONDS} seconds of ffmpeg, B-frames and all`, () => {
  let source: readonly FilePacket[];
  let recorded: readonly FilePacket[];
  let recording: RecordingObject;
  let file: string;

  beforeAll(async () => {
    await counted;
    [recording] = (await finishedRecordings(server, { streamName: 'counter' })) as [RecordingObject];
    file = recordingPath(server, recording);
    [source, recorded] = [packetsOf(counter), packetsOf(file)];
  });

  it.each(['video', 'audio'] as const)('are recorded byte by byte: each packet of %s once, in order', (kind) => {
    const hashes = (packets: readonly FilePacket[]) => kindOf(packets, kind).map(({ hash }) => hash);
    expect(hashes(recorded)).toEqual(hashes(source));
    expect(hashes(recorded).length).toBeGreaterThan((kind === 'video' ? 24 : 45) * SECONDS);
  });

  it.each(['video', 'audio'] as const)('keep the times of %s within 1 ms, and with them the offset of both', (kind) => {
    const own = timesOf(recorded, kind);
    const wrong = timesOf(source, kind).map((time, i) => Math.abs(time - (own[i] ?? Number.NaN)));
    expect(Math.max(...wrong)).toBeLessThanOrEqual(1.01);
  });

  it('make a file that FFmpeg decodes without a word, with its index at the front', () => {
    decodeWhole(file);
    expect(topBoxesOf(file)).toEqual(['ftyp', 'moov', 'mdat']);
    const [facts = ''] = execFileSync('mediainfo', ['--Output=General;%Format%|%IsStreamable%|%IsTruncated%', file], {
      encoding: 'utf8',
    }).split('\n');
    expect(facts).toBe('MPEG-4|Yes|');
  });

  it('are known by what REST tells: tracks, duration, size, checksum, no gap', () => {
    const bytes = readFileSync(file);
    expect(recording).toMatchObject({
      state: 'complete',
      fileName: 'counter.mp4',
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      lostPackets: 0,
      gaps: [],
      tracks: [
        { kind: 'video', codec: 'h264', width: 640, height: 360, samples: kindOf(source, 'video').length },
        { kind: 'audio', codec: 'aac', sampleRate: 48_000, samples: kindOf(source, 'audio').length },
      ],
    });
    expect(Math.abs(recording.durationMs - SECONDS * 1000)).toBeLessThan(100);
  });

  it('are told to the script with the name of the stream and the path of the file', async () => {
    const line = `counter|${file}`;
    await vi.waitFor(() => expect(readFileSync(hooked, 'utf8').split('\n')).toContain(line), { timeout: 10_000 });
  });

  it('can be downloaded, whole and by ranges', async () => {
    const bytes = readFileSync(file);
    const whole = await fetch(server.http('/client/records/counter.mp4'));
    expect(whole.headers.get('content-type')).toBe('video/mp4');
    expect(whole.headers.get('content-disposition')).toBe('inline;filename="counter.mp4"');
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await fetch(server.http('/client/records/counter.mp4'), { headers: { range: 'bytes=1000-1999' } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1000, 2000))).toBe(true);
  });

  it('can be downloaded in part, from the key frame before the start', async () => {
    const response = await fetch(server.http('/client/records/counter.mp4?start=11&end=20'));
    expect(response.status).toBe(200);
    const cut = join(server.folder, 'cut.mp4');
    writeFileSync(cut, Buffer.from(await response.arrayBuffer()));
    decodeWhole(cut);
    const pictures = kindOf(packetsOf(cut), 'video');
    const first = kindOf(source, 'video').findIndex(({ hash }) => hash === pictures[0]?.hash);
    // Key frames come every two seconds: the one at 10 s is the 250th.
    expect(first).toBe(250);
    expect(Math.abs(pictures.length - 250)).toBeLessThan(5);
  });
});
