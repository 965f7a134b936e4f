import { join } from 'node:path';
import type { RecordingObject } from '@sluice/contract';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeClip } from './support/ffmpeg.ts';
import { LONG } from './support/long.ts';
import { pause } from './support/program.ts';
import { decodeWholeAside, findRecordings, packetsOf, packetsOfAside, recordingPath } from './support/recordings.ts';
import { readTags, ScriptedPublisher, type TimedTag } from './support/scripted-publisher.ts';
import { freePorts, TestServer } from './support/server.ts';

const ROUNDS = LONG ? 20 : 8;
const STREAMS = 4;
/** What a crash may cost: one fragment, with what was on its way. */
const MOST_LOST_MS = 2000;
const FORMATS = ['h264-mp4', 'h264-mkv', 'h264-mp4', 'h264-ts'] as const;

interface Killed {
  readonly streamName: string;
  readonly sentMs: number;
}

let server: TestServer;
let source: readonly TimedTag[];
let hashes: { readonly video: readonly string[]; readonly audio: readonly string[] };
let clip: string;

/** Numbers that look random and are the same in every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ports = await freePorts();
const next = random(6);

async function start(round: number): Promise<void> {
  server = await TestServer.start({
    settings: {
      record_flash_published_streams: 'true',
      stream_record_policy: 'streamName',
      record_formats: FORMATS[round % FORMATS.length] as string,
    },
    ports,
    ...(round === 0 ? {} : { folder: server.folder }),
  });
}

beforeAll(async () => {
  await start(0);
  clip = join(server.folder, 'clip.flv');
  makeClip(clip, { seconds: 10, size: '320x180', bframes: 2, gop: 25 });
  source = readTags(clip);
  const packets = packetsOf(clip);
  const of = (kind: 'video' | 'audio') => packets.filter((p) => p.kind === kind).map(({ hash }) => hash);
  hashes = { video: of('video'), audio: of('audio') };
});

afterAll(() => server.stop());

/** Publishes four streams and kills the server at a moment that nobody knows. */
async function killWhilePublishing(round: number): Promise<Killed[]> {
  const names = Array.from({ length: STREAMS }, (_, i) => `round${round}-${i}`);
  const publishers = await Promise.all(names.map((name) => ScriptedPublisher.start(server.rtmpPort, name)));
  const sending = publishers.map((publisher) => publisher.send(source).catch(() => {}));
  await vi.waitFor(
    async () => {
      const growing = (await findRecordings(server)).filter(
        ({ streamName, durationMs }) => names.includes(streamName) && durationMs > 0,
      );
      expect(growing).toHaveLength(STREAMS);
    },
    { timeout: 20_000, interval: 50 },
  );
  await pause(next() * 1500);
  await server.kill();
  const killed = publishers.map(({ sentMs }, i) => ({ streamName: names[i] as string, sentMs }));
  await Promise.all(sending);
  return killed;
}

async function recovered({ streamName }: Killed): Promise<RecordingObject> {
  return vi.waitFor(
    async () => {
      const [recording, ...others] = await findRecordings(server, { streamName });
      expect(others).toEqual([]);
      expect(recording?.state, JSON.stringify(recording)).toBe('complete');
      return recording as RecordingObject;
    },
    { timeout: 20_000, interval: 100 },
  );
}

/** The file must hold the beginning of what was sent, without a hole, and nearly all of it. */
async function check(killed: Killed, recording: RecordingObject): Promise<void> {
  const file = recordingPath(server, recording);
  await decodeWholeAside(file);
  const packets = await packetsOfAside(file);
  for (const kind of ['video', 'audio'] as const) {
    const own = packets.filter((packet) => packet.kind === kind);
    const note = `${killed.streamName} ${kind}: ${own.length} packets, ${killed.sentMs} ms sent`;
    const expected = hashes[kind].slice(0, own.length);
    if (recording.container === 'mp4')
      expect(
        own.map(({ hash }) => hash),
        note,
      ).toEqual(expected);
    // Key frames of Matroska carry their parameter sets.
    if (recording.container === 'mkv')
      expect(own.filter(({ hash }, i) => hash !== expected[i]).length, note).toBeLessThanOrEqual(own.length / 25 + 1);
    // FFmpeg gives the packets of MPEG-TS in another form: with start codes and headers of their own.
    const lastMs = Math.max(...own.map(({ ptsMs }) => ptsMs)) - Math.min(...own.map(({ ptsMs }) => ptsMs));
    expect(killed.sentMs - lastMs, note).toBeLessThan(MOST_LOST_MS);
  }
  expect(recording.reason).toContain('recovered');
  expect(recording.bytes).toBeGreaterThan(0);
}

describe(`a server that is killed ${ROUNDS} times while it records ${STREAMS} streams`, () => {
  it('finds what it left at the next start: every file plays, and is at most one fragment short', async () => {
    let checked: Promise<unknown> = Promise.resolve();
    for (let round = 0; round < ROUNDS; round++) {
      const killed = await killWhilePublishing(round);
      await start(round + 1);
      const found = await Promise.all(killed.map(async (one) => ({ one, recording: await recovered(one) })));
      // The files of the last round are looked at while the next one begins.
      await checked;
      checked = Promise.all(found.map(({ one, recording }) => check(one, recording)));
      checked.catch(() => {});
    }
    await checked;
    const all = await findRecordings(server, { limit: 1000 });
    expect(all).toHaveLength(ROUNDS * STREAMS);
    expect(all.filter(({ state }) => state !== 'complete')).toEqual([]);
  }, 300_000);
});
