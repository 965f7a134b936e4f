import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrowserPlayers } from './support/browser.ts';
import { renderCompatibility } from './support/compatibility-page.ts';
import { type Column, describeRow, expected, OUTPUTS, ROWS, type Row, watchedBy } from './support/matrix.ts';
import { ffmpeg8 } from './support/players.ts';
import type { Program } from './support/program.ts';
import { ROOT, TestServer } from './support/server.ts';
import { describeWatched, shown, type Watched } from './support/watched.ts';

const WATCH_SECONDS = 4;
/**
 * The next row begins when so many players of a row are left: some only wait, for what will not come or for clocks of
 * their own. Two whole rows at a time fit on two idle cores, but leave no room for a busy machine.
 */
const STRAGGLERS = 2;
const PLAYS = {
  AV: 'shows the picture and plays the sound',
  V: 'shows the picture',
  A: 'plays the sound',
  nothing: 'does not play',
};

let server: TestServer;
let browser: BrowserPlayers;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-matrix-'));
  // Players that run as another user get to their folders.
  chmodSync(folder, 0o711);
  const settings = {
    publisher_reconnect_wait: 100,
    hls_time_min: 1000,
    hls_auto_start: 'true',
    // What the row before needs is still converted for a while.
    transcoder_max_cores: 64,
  };
  server = await TestServer.start({ settings });
  browser = await BrowserPlayers.start();
});

afterAll(async () => {
  // Rows that were begun early for tests that did not run then.
  for (const showing of await Promise.allSettled(showings.values())) {
    if (showing.status === 'fulfilled') await end(showing.value);
  }
  await browser.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function urlOf(column: Column, name: string): string {
  switch (column.output) {
    case 'rtmp':
      return server.rtmp(name);
    case 'httpFlv':
      // FLV by HTTP has no way to announce what the player takes.
      return column.play === ffmpeg8 ? `${server.flv(name)}?codecs=all` : server.flv(name);
    case 'wsFlv':
      return server.flv(name, 'ws');
    case 'hls':
      return server.hls(name);
  }
}

function watch(row: Row, column: Column, name: string): Promise<Watched> {
  const sends = { video: row.video !== undefined, audio: row.audio !== undefined };
  const url = urlOf(column, name);
  const until = { ...sends, seconds: WATCH_SECONDS, timeoutMs: timeoutMs(expected(row, column)) };
  if (typeof column.play === 'string') return browser.watch(column.play, { url, until });
  const own = join(folder, `${name} ${column.id}`.replaceAll(' ', '-'));
  mkdirSync(own);
  return column.play({ url, folder: own, sends, until });
}

/** One that is expected to show less than is sent gets less time, yet enough to show that it can. */
function timeoutMs({ shows, note }: ReturnType<typeof expected>): number {
  if (note === undefined) return 20_000;
  return shows === 'nothing' ? 10_000 : 14_000;
}

function describeCell(row: Row, column: Column): string {
  const { shows, note } = expected(row, column);
  const why = note === undefined ? '' : ` (${note})`;
  return `${PLAYS[shows]} in ${column.name} by ${OUTPUTS[column.output]}${why}`;
}

const ACCEPTED = ROWS.filter(({ refusal }) => refusal === undefined);
const REFUSED = ROWS.filter(({ refusal }) => refusal !== undefined);

/** A row that all players watch at the same time; each test looks at what one of them saw. */
interface Showing {
  readonly publisher: Program;
  readonly views: ReadonlyMap<Column, Promise<Watched>>;
  /** Resolves when all but the stragglers have seen enough. */
  readonly nearlyOver: Promise<void>;
}

const showings = new Map<Row, Promise<Showing>>();

function show(row: Row): Promise<Showing> {
  const showing = showings.get(row) ?? start(row);
  showings.set(row, showing);
  showing.catch(() => {});
  return showing;
}

async function start(row: Row): Promise<Showing> {
  const name = `row${ROWS.indexOf(row)}`;
  const publisher = row.publish(server.rtmp(name), folder);
  await server.untilLive(name);
  const views = new Map(watchedBy(row).map((column) => [column, watch(row, column, name)]));
  for (const view of views.values()) view.catch(() => {});
  return { publisher, views, nearlyOver: untilLeft([...views.values()], STRAGGLERS) };
}

/** Resolves when at most so many have not settled yet. */
function untilLeft(promises: readonly Promise<unknown>[], most: number): Promise<void> {
  return new Promise((resolve) => {
    let left = promises.length;
    const settled = (): void => {
      if (--left <= most) resolve();
    };
    for (const promise of promises) promise.then(settled, settled);
  });
}

async function end({ publisher, views }: Showing): Promise<void> {
  await Promise.allSettled(views.values());
  await publisher.stop();
}

describe.each(ACCEPTED.map((row) => [describeRow(row), row] as const))('%s', (_, row) => {
  let showing: Showing;

  beforeAll(async () => {
    showing = await show(row);
    const next = ACCEPTED[ACCEPTED.indexOf(row) + 1];
    if (next !== undefined) void showing.nearlyOver.then(() => show(next)).catch(() => {});
  });

  afterAll(async () => {
    await end(showing);
    expect(showing.publisher.stderr).not.toMatch(/error/i);
  });

  it.each(watchedBy(row).map((column) => [describeCell(row, column), column] as const))('%s', async (_, column) => {
    const watched = await (showing.views.get(column) as Promise<Watched>);
    const { shows } = expected(row, column);
    const text = `${describeWatched(watched)}\n${watched.log.slice(-2000)}\n${server.output.slice(-2000)}`;
    expect(shown(watched), text).toBe(shows);
  });
});

describe.each(REFUSED.map((row) => [describeRow(row), row] as const))('%s', (_, row) => {
  it('is refused, and the publisher is told why', async () => {
    const publisher = row.publish(server.rtmp('refused'), folder);
    expect(await publisher.exited).not.toBe(0);
    expect(publisher.stderr).toContain(row.refusal);
  });
});

describe('docs/compatibility.md', () => {
  it('says what the tests check (npm run docs:compatibility writes it)', async () => {
    await expect(renderCompatibility()).toMatchFileSnapshot(join(ROOT, 'docs/compatibility.md'));
  });
});

describe('the server after the matrix', () => {
  it('is healthy and has logged no error', async () => {
    expect((await fetch(server.http('/health'))).status).toBe(200);
    expect(server.output).not.toMatch(/"level":[56]0|error|fatal/i);
  });
});
