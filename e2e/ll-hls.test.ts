import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaPlaylistLinter } from '../packages/media/src/hls-lint/index.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { type LiveLibrary, LivePlayers, type LiveReport } from './support/live-players.ts';
import { TestServer } from './support/server.ts';

/** Pictures between the key frames of each stream, a twenty-fifth of a second each. */
const STREAMS = { gop1: 25, gop2: 50 } as const;
const PLAY_SECONDS = 10;
const MOST_DELAY_SECONDS = 2;
/** Of players with rules of their own; plain HLS would be at six and more. */
const MOST_SECONDS_ELSEWHERE = 4;

let folder: string;
let server: TestServer;
let players: LivePlayers;
const publishers: Ffmpeg[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-ll-hls-'));
  [server, players] = await Promise.all([TestServer.start(), LivePlayers.start()]);
  for (const [name, gop] of Object.entries(STREAMS)) {
    const clip = join(folder, `${name}.flv`);
    makeClip(clip, { seconds: 20, gop, size: '320x180' });
    const args = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip, '-c', 'copy', '-f', 'flv'];
    publishers.push(new Ffmpeg([...args, server.rtmp(name)]));
  }
  for (const name of Object.keys(STREAMS)) await server.untilLive(name);
}, 60_000);

afterAll(async () => {
  for (const publisher of publishers) await publisher.stop();
  await players.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
}

/** Delays once the player has settled: it may begin a little further behind and play faster. */
function settled({ delays }: LiveReport): readonly number[] {
  return delays.slice(Math.floor(delays.length / 2));
}

describe('low-latency HLS', () => {
  it('plays in hls.js at most two seconds behind, from publishers with key frames every one and two seconds', async () => {
    const names = Object.keys(STREAMS);
    const pages = await Promise.all(names.map((name) => players.play('hls.js', server.hls(name))));
    const reports = await Promise.all(pages.map((page) => page.playedFor(PLAY_SECONDS)));
    for (const report of reports) {
      expect(report.errors.filter((error) => error.startsWith('fatal'))).toEqual([]);
      expect(median(settled(report))).toBeLessThanOrEqual(MOST_DELAY_SECONDS);
    }
    for (const page of pages) {
      const answers = await page.manifests();
      expect(answers.length).toBeGreaterThan(PLAY_SECONDS);
      const linter = new MediaPlaylistLinter();
      for (const { status, text, url } of answers) {
        expect(status, url).toBe(200);
        expect(linter.check(text), `${url}\n${text}`).toEqual([]);
      }
      await page.close();
    }
  });

  it.each<[LiveLibrary, () => string]>([
    ['shaka', () => server.hls('gop1')],
    ['hls.js', () => server.hlsSecure('gop2')],
    ['shaka', () => server.dash('gop2')],
    ['dash.js', () => server.dash('gop1')],
  ])('plays in %s', async (library, url) => {
    const page = await players.play(library, url());
    const report = await page.playedFor(5);
    expect(report.errors.filter((error) => error.startsWith('fatal'))).toEqual([]);
    expect(median(settled(report))).toBeLessThanOrEqual(MOST_SECONDS_ELSEWHERE);
    await page.close();
  });

  it('has parts and segments that decode by themselves where they say so', async () => {
    const url = server.hls('gop2');
    const text = await (await fetch(url)).text();
    const bytesOf = async (uri: string): Promise<Buffer> =>
      Buffer.from(await (await fetch(new URL(uri, url))).arrayBuffer());
    const init = await bytesOf(/#EXT-X-MAP:URI="([^"]+)"/.exec(text)?.[1] ?? '');
    const parts = [...text.matchAll(/#EXT-X-PART:.*URI="([^"]+)"(.*)/g)].map((match) => ({
      uri: match[1] ?? '',
      independent: match[0].includes('INDEPENDENT=YES'),
    }));
    const segments = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(parts.filter(({ independent }) => independent).length).toBeGreaterThanOrEqual(2);
    expect(segments.length).toBeGreaterThanOrEqual(3);
    const checked = [...parts.slice(0, 8), ...segments.slice(-2).map((uri) => ({ uri, independent: true }))];
    for (const [i, { uri, independent }] of checked.entries()) {
      const file = join(folder, `${i}.mp4`);
      writeFileSync(file, Buffer.concat([init, await bytesOf(uri)]));
      expect(firstIsKey(file), uri).toBe(independent);
      if (independent) execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-']);
    }
  });
});

/** True when the first packet of picture in a file is a key frame. */
function firstIsKey(file: string): boolean {
  const entries = ['-select_streams', 'v', '-show_entries', 'packet=flags', '-of', 'csv=p=0'];
  const text = execFileSync('ffprobe', ['-v', 'error', ...entries, file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
  return text.startsWith('K');
}
