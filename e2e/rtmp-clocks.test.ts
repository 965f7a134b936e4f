import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BrowserPlayers, type PlayerPage } from './support/browser.ts';
import { type CopiedPacket, Copier, ofKind, shiftAtEndMs, stepsMs } from './support/copied.ts';
import { makeClip } from './support/ffmpeg.ts';
import { mpv, type Until } from './support/players.ts';
import { readTags, ScriptedPublisher, type TimedTag } from './support/scripted-publisher.ts';
import { TestServer } from './support/server.ts';
import { describeWatched, shown, type Watched } from './support/watched.ts';

const HOUR_MS = 3_600_000;
const CLIP_SECONDS = 21;
/** When, after the start, the clock wraps or jumps. */
const BREAK_MS = 8500;
/** Who has seen this much from the start has seen what came after the break; on a busy machine some start late. */
const SEEN_SECONDS = BREAK_MS / 1000 + 0.5;
/** Longer than a picture, a sound and the 20 ms that the server puts at a break; a lost frame would be 80 ms. */
const LONGEST_STEP_MS = 75;
const PLAYERS = ['RTMP', 'HTTP-FLV', 'HLS'] as const;

/** What the publisher's clock does: wire time for the time since the start. */
const CLOCKS: Record<string, (ms: number) => number> = {
  'wraps at 2³² ms': (ms) => 2 ** 32 - BREAK_MS + ms,
  'passes 2²⁴ ms, where RTMP and FLV change their form': (ms) => 2 ** 24 - BREAK_MS + ms,
  'jumps an hour ahead': (ms) => ms + (ms > BREAK_MS ? HOUR_MS : 0),
  'jumps an hour back': (ms) => ms + 2 * HOUR_MS - (ms > BREAK_MS ? HOUR_MS : 0),
};

type Pages = readonly [mpegts: PlayerPage, hls: PlayerPage];

interface Outcome {
  readonly played: ReadonlyMap<(typeof PLAYERS)[number], readonly CopiedPacket[]>;
  readonly watched: readonly Watched[];
}

let server: TestServer;
let browser: BrowserPlayers;
let source: readonly TimedTag[];
let outcomes: ReadonlyMap<string, Promise<Outcome>>;

beforeAll(async () => {
  const settings = { publisher_reconnect_wait: 100, hls_time_min: 1000, hls_auto_start: 'true' };
  server = await TestServer.start({ settings });
  browser = await BrowserPlayers.start();
  const clip = join(server.folder, 'clip.flv');
  makeClip(clip, { seconds: CLIP_SECONDS, gop: 25, size: '320x180' });
  source = readTags(clip);
  // While pages open, a busy machine lets this process wait for seconds, and what it publishes with it.
  const opened = Object.entries(CLOCKS).map(async ([name, clock]) => {
    const pages = await Promise.all([browser.open('mpegts.js'), browser.open('hls.js')]);
    return [name, clock, pages] as const;
  });
  const ready = await Promise.all(opened);
  outcomes = new Map(ready.map(([name, clock, pages], i) => [name, play(`clock${i}`, clock, pages)]));
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

async function play(name: string, clock: (ms: number) => number, pages: Pages): Promise<Outcome> {
  const publisher = await ScriptedPublisher.start(server.rtmpPort, name);
  const endsAt = performance.now() + CLIP_SECONDS * 1000;
  const sent = publisher.send(source.map((tag) => ({ ...tag, timestampMs: clock(tag.timestampMs) })));
  await server.untilLive(name);
  const urls = { RTMP: server.rtmp(name), 'HTTP-FLV': server.flv(name), HLS: server.hls(name) };
  const copiers = PLAYERS.map((player) => new Copier(urls[player], join(server.folder, `${name}-${player}.md5`)));
  const watched = await watch({ name, endsAt }, pages);
  await sent;
  await publisher.stop();
  const played = await Promise.all(copiers.map((copier) => copier.finish(5000)));
  return { played: new Map(PLAYERS.map((player, i) => [player, played[i] ?? []])), watched };
}

/** Players with clocks of their own, which watch across the break; none for longer than the stream lasts. */
function watch({ name, endsAt }: { name: string; endsAt: number }, [mpegtsPage, hlsPage]: Pages): Promise<Watched[]> {
  const both = { video: true, audio: true };
  const enough = (): Until => ({ ...both, seconds: SEEN_SECONDS + 2, timeoutMs: endsAt - performance.now() });
  const folder = join(server.folder, name);
  mkdirSync(folder);
  return Promise.all([
    mpegtsPage.watch({ url: server.flv(name), until: enough() }),
    untilSafeToStart(name).then(() => hlsPage.watch({ url: server.hls(name), until: enough() })),
    mpv({ url: server.rtmp(name), folder, sends: both, until: enough() }),
  ]);
}

/** Resolves when a player of HLS finds the three segments that it wants to be behind the end (RFC 8216 §6.3.3). */
async function untilSafeToStart(name: string): Promise<void> {
  const look = async (): Promise<void> => {
    const playlist = await (await fetch(server.hls(name))).text();
    expect(playlist.match(/#EXTINF/g)?.length).toBeGreaterThanOrEqual(3);
  };
  await vi.waitFor(look, { timeout: 15_000, interval: 100 });
}

async function outcomeOf(clock: string): Promise<Outcome> {
  return (await outcomes.get(clock)) as Outcome;
}

describe.each(Object.keys(CLOCKS))("a stream whose publisher's clock %s", (clock) => {
  it.each(PLAYERS)('goes on for players by %s without a gap, in order', async (player) => {
    const packets = (await outcomeOf(clock)).played.get(player) ?? [];
    for (const kind of ['video', 'audio'] as const) {
      const own = ofKind(packets, kind);
      expect(own.length).toBeGreaterThan((kind === 'video' ? 25 : 46) * SEEN_SECONDS);
      for (const step of stepsMs(own)) expect(step).toBeGreaterThan(0);
      expect(Math.max(...stepsMs(own))).toBeLessThan(LONGEST_STEP_MS);
    }
  });

  it.each(PLAYERS)('keeps picture and sound together for players by %s', async (player) => {
    const packets = (await outcomeOf(clock)).played.get(player) ?? [];
    const [video, audio] = [shiftAtEndMs(packets, source, 'video'), shiftAtEndMs(packets, source, 'audio')];
    expect(Math.abs(video - audio)).toBeLessThan(2);
  });

  it.each(['mpegts.js', 'hls.js', 'mpv'])('is seen and heard in %s beyond that moment', async (player) => {
    const { watched } = await outcomeOf(clock);
    const own = watched[['mpegts.js', 'hls.js', 'mpv'].indexOf(player)] as Watched;
    const text = `${describeWatched(own)}\n${own.log.slice(-500)}`;
    expect(shown(own), text).toBe('AV');
    expect(own.toneMs, text).toBeGreaterThan(SEEN_SECONDS * 1000);
    expect(own.decoded ?? own.pictures.length, text).toBeGreaterThan(SEEN_SECONDS * 25);
  });
});

describe('the server after all these clocks', () => {
  it('is healthy and has logged no error', async () => {
    expect((await fetch(server.http('/health'))).status).toBe(200);
    expect(server.output).not.toMatch(/"level":[56]0|fatal/i);
  });
});
