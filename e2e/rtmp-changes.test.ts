import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrowserPlayers } from './support/browser.ts';
import { type CopiedPacket, Copier, ofKind, shiftAtEndMs, stepsMs } from './support/copied.ts';
import { makeClip } from './support/ffmpeg.ts';
import { ffmpeg8, gstreamer, mpv, type Player, type Viewing } from './support/players.ts';
import { pause } from './support/program.ts';
import { isVideo, readTags, ScriptedPublisher, type TimedTag } from './support/scripted-publisher.ts';
import { TestServer } from './support/server.ts';
import { describeWatched, shown, type Watched } from './support/watched.ts';

/**
 * When the stream changes, and how long it goes on then. GStreamer's demuxer of FLV waits six seconds of the stream for a
 * track that has not begun, and wants it no more after that.
 */
const CHANGE_MS = 4000;
/** It ends when all have seen enough: players that a busy machine makes late do other things at the end of a stream. */
const AFTER_SECONDS = 30;
/** What players watch who are there from the start; it ends well after the change. */
const WATCH_SECONDS = 12;
const WATCH_TIMEOUT_MS = 25_000;
const OUTPUTS = ['RTMP', 'HTTP-FLV', 'HLS'] as const;

let server: TestServer;
let browser: BrowserPlayers;
let outcomes: ReadonlyMap<string, Promise<Outcome>>;

interface Outcome {
  readonly tags: readonly TimedTag[];
  readonly watched: ReadonlyMap<string, Watched>;
  /** What ffmpeg copied that was there from the start, and that came after the change. */
  readonly early: ReadonlyMap<string, readonly CopiedPacket[]>;
  readonly late: ReadonlyMap<string, readonly CopiedPacket[]>;
}

const CHANGES: Record<string, () => TimedTag[]> = {
  'sound comes late': () => withLate((tag) => !isVideo(tag)),
  'picture comes late': () => withLate(isVideo),
  'picture and sound get other parameters': () => {
    const before = clip('small.flv', { size: '320x180', sampleRate: 44_100 });
    const after = clip('large.flv', { size: '640x360', sampleRate: 48_000 });
    return [...before.filter((tag) => tag.timestampMs < CHANGE_MS), ...shifted(after, CHANGE_MS)];
  },
};

/** Programs that watch from the start; Chromium does as well. */
const PROGRAMS: Record<string, readonly [player: Player, output: (typeof OUTPUTS)[number]]> = {
  'FFmpeg 8 by RTMP': [ffmpeg8, 'RTMP'],
  'GStreamer by RTMP': [gstreamer, 'RTMP'],
  'mpv by RTMP': [mpv, 'RTMP'],
  'FFmpeg 8 by HTTP-FLV': [ffmpeg8, 'HTTP-FLV'],
};

beforeAll(async () => {
  const settings = { publisher_reconnect_wait: 100, hls_time_min: 1000, hls_auto_start: 'true' };
  server = await TestServer.start({ settings });
  browser = await BrowserPlayers.start();
  const scripts = Object.entries(CHANGES).map(([change, script]) => [change, script()] as const);
  outcomes = new Map(scripts.map(([change, tags], i) => [change, play(`change${i}`, tags)]));
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

function clip(name: string, options: { size: string; sampleRate: number }): TimedTag[] {
  const file = join(server.folder, name);
  if (!existsSync(file)) makeClip(file, { ...options, seconds: CHANGE_MS / 1000 + AFTER_SECONDS, gop: 25 });
  return readTags(file);
}

function shifted(tags: readonly TimedTag[], byMs: number): TimedTag[] {
  return tags.map((tag) => ({ ...tag, timestampMs: tag.timestampMs + byMs, sendAtMs: tag.sendAtMs + byMs }));
}

/** A stream one of whose tracks begins at the change, its configuration first, as encoders do. */
function withLate(isLate: (tag: TimedTag) => boolean): TimedTag[] {
  const tags = clip('whole.flv', { size: '320x180', sampleRate: 48_000 });
  const [configuration, ...rest] = tags.filter(isLate);
  const head = { ...(configuration as TimedTag), timestampMs: CHANGE_MS, sendAtMs: CHANGE_MS };
  const late = [head, ...rest.filter((tag) => tag.timestampMs >= CHANGE_MS)];
  return [...tags.filter((tag) => !isLate(tag)), ...late].sort((a, b) => a.sendAtMs - b.sendAtMs);
}

function urlOf(name: string, output: (typeof OUTPUTS)[number]): string {
  return { RTMP: server.rtmp(name), 'HTTP-FLV': server.flv(name), HLS: server.hls(name) }[output];
}

async function play(name: string, tags: readonly TimedTag[]): Promise<Outcome> {
  const publisher = await ScriptedPublisher.start(server.rtmpPort, name);
  const enough = new AbortController();
  const sent = publisher.send(tags, enough.signal);
  await server.untilLive(name);
  const early = OUTPUTS.slice(0, 2).map((output) => copy(name, output, 'early'));
  const watching = watch(name);
  await pause(CHANGE_MS + 3000);
  const late = OUTPUTS.map((output) => copy(name, output, 'late'));
  const watched = await watching;
  enough.abort();
  const sentTags = await sent;
  await publisher.stop();
  return { tags: sentTags, watched, early: await finish(early), late: await finish(late) };
}

function copy(name: string, output: (typeof OUTPUTS)[number], when: string): readonly [string, Copier] {
  return [output, new Copier(urlOf(name, output), join(server.folder, `${name}-${output}-${when}.md5`))];
}

async function finish(
  copiers: readonly (readonly [string, Copier])[],
): Promise<ReadonlyMap<string, readonly CopiedPacket[]>> {
  return new Map(
    await Promise.all(copiers.map(async ([output, copier]) => [output, await copier.finish(5000)] as const)),
  );
}

async function watch(name: string): Promise<ReadonlyMap<string, Watched>> {
  const both = { video: true, audio: true };
  const until = { ...both, seconds: WATCH_SECONDS, timeoutMs: WATCH_TIMEOUT_MS };
  const programs = Object.entries(PROGRAMS).map(async ([who, [player, output]]) => {
    const folder = join(server.folder, `${name} ${who}`.replaceAll(' ', '-'));
    mkdirSync(folder);
    const viewing: Viewing = { url: urlOf(name, output), folder, sends: both, until };
    return [who, await player(viewing)] as const;
  });
  const hls = browser.watch('hls.js', { url: server.hls(name), until }).then((seen) => ['hls.js', seen] as const);
  const flv = browser.watch('mpegts.js', { url: server.flv(name), until }).then((seen) => ['mpegts.js', seen] as const);
  return new Map(await Promise.all([...programs, hls, flv]));
}

async function outcomeOf(change: string): Promise<Outcome> {
  return (await outcomes.get(change)) as Outcome;
}

describe.each(Object.keys(CHANGES))('a stream whose %s', (change) => {
  // mpv chooses its tracks once. mpegts.js 1.8.2 loses pictures when their parameters change and may wait for them.
  const except = change.endsWith('late') ? 'mpv by RTMP' : 'mpegts.js';
  const players = [...Object.keys(PROGRAMS), 'hls.js', 'mpegts.js'].filter((who) => who !== except);

  it.each(players)('is seen and heard afterwards in %s', async (who) => {
    const watched = (await outcomeOf(change)).watched.get(who) as Watched;
    const text = `${describeWatched(watched)}\n${watched.log.slice(-500)}`;
    expect(shown(watched), text).toBe('AV');
    if (change.endsWith('late')) return;
    // More than there is before the change.
    expect(watched.toneMs, text).toBeGreaterThan(CHANGE_MS + 2000);
    expect(watched.decoded ?? watched.pictures.length, text).toBeGreaterThan((CHANGE_MS / 1000 + 2) * 25);
  });

  it.each(['RTMP', 'HTTP-FLV'])('has no gap for players by %s who are there', async (output) => {
    const packets = (await outcomeOf(change)).early.get(output) ?? [];
    expect(packets.length).toBeGreaterThan(WATCH_SECONDS * 25);
    for (const kind of ['video', 'audio'] as const) {
      const steps = stepsMs(ofKind(packets, kind));
      for (const step of steps) expect(step).toBeGreaterThan(0);
      expect(Math.max(0, ...steps)).toBeLessThan(75);
    }
  });

  it.each(OUTPUTS)('has picture and sound together for players by %s who come later', async (output) => {
    const { tags, late } = await outcomeOf(change);
    const packets = late.get(output) ?? [];
    expect(ofKind(packets, 'video').length).toBeGreaterThan(50);
    expect(ofKind(packets, 'audio').length).toBeGreaterThan(90);
    const drift = shiftAtEndMs(packets, tags, 'video') - shiftAtEndMs(packets, tags, 'audio');
    expect(Math.abs(drift)).toBeLessThan(2);
  });
});

describe('the server after all these changes', () => {
  it('is healthy and has logged no error', async () => {
    expect((await fetch(server.http('/health'))).status).toBe(200);
    expect(server.output).not.toMatch(/"level":[56]0|fatal/i);
  });
});
