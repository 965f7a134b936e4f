import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import type { Program } from './support/program.ts';
import { TestServer } from './support/server.ts';
import { FLASH_INPUT, type Onsets, offsetMs, onsetsOf } from './support/webrtc/flashes.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';
import { ffmpegWhip, type SeenByStack, STACKS, type StackCodec } from './support/webrtc/stacks.ts';

/** These stacks sample and send with less care than a browser does. */
const MOST_OFFSET_MS = 120;
/** Five seconds of picture, in which there are some flashes. */
const RECORDED_PICTURES = 125;

let server: TestServer;
let pages: WebRtcPages;
let browserOffsetMs: number;

/** How a browser is to see a publication. */
interface Seen {
  readonly codec: string;
  readonly inSync: boolean;
}

/** Keeps what runs in a test, and ends it after that test. */
type Run = <T extends { stop(): Promise<unknown> }>(program: T) => T;

beforeAll(async () => {
  // A machine that is too busy to read in time looks like a thin line.
  server = await TestServer.start({ settings: { webrtc_thinning: 'false' } });
  pages = await WebRtcPages.start();
  const direct = await pages.playDirectly('video/VP8');
  browserOffsetMs = offsetMs(await direct.until(({ flashes, beeps }) => flashes.length > 4 && beeps.length > 4));
  await direct.close();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

function runIn({ onTestFinished }: TestContext): Run {
  return (program) => {
    onTestFinished(async () => void (await program.stop()));
    return program;
  };
}

/** Waits until a page plays what is published; `inSync` says whether picture and sound must come together. */
async function seenByBrowser(run: Run, name: string, { codec, inSync }: Seen): Promise<void> {
  const player = await pages.play(server.http(`/whep/${name}`));
  run({ stop: () => player.close() });
  const seen = player.until(({ flashes, beeps, framesDecoded }) => {
    if (flashes.length < 5 || beeps.length < 5 || framesDecoded < 60) return false;
    const offset = offsetMs({ flashes: flashes.slice(-5), beeps: beeps.slice(-6) }) - browserOffsetMs;
    return !inSync || Math.abs(offset) <= MOST_OFFSET_MS;
  }, 30_000);
  const facts = await seen.catch(async (error: unknown) =>
    expect.fail(`${String(error)}\n${JSON.stringify(await server.rest('/stream/explain', { name }))}`),
  );
  expect(facts.videoCodec).toBe(`video/${codec}`);
  expect(facts.audioCodec).toBe('audio/opus');
  expect([facts.width, facts.height]).toEqual([320, 240]);
}

/** Records what is published with ffmpeg by RTMP and decodes it. */
async function seenByRtmp(run: Run, name: string, { inSync }: Seen): Promise<void> {
  const file = join(server.folder, `${name}.mkv`);
  const args = ['-i', server.rtmp(name), '-frames:v', String(RECORDED_PICTURES), '-c', 'copy', '-y', file];
  const recorder = run(new Ffmpeg(['-v', 'error', ...args]));
  expect(await recorder.exited, recorder.stderr).toBe(0);
  const onsets = await onsetsOf(file);
  expectSeenAndHeard(onsets);
  // A recording begins with pictures that may be older than the first report on the sender's clocks.
  const settled = { ...onsets, flashes: onsets.flashes.slice(-3) };
  if (inSync) expect(Math.abs(offsetMs(settled)), JSON.stringify(onsets)).toBeLessThanOrEqual(MOST_OFFSET_MS);
}

function expectSeenAndHeard(onsets: Onsets): void {
  expect(onsets.flashes.length, JSON.stringify(onsets)).toBeGreaterThan(2);
  expect(onsets.beeps.length, JSON.stringify(onsets)).toBeGreaterThan(2);
}

const decoded = ({ frames, flashes, beeps, width, height }: SeenByStack): boolean =>
  frames > 75 && flashes.length > 3 && beeps.length > 3 && width === 320 && height === 240;

const STACK_NAMES = ['aiortc', 'GStreamer'] as const;
const CODECS = ['H264', 'VP8'] as const;

/** Waits until a publication of that name is seen, in sync; then ends it and waits until it has gone. */
async function seenUntilItEnds(run: Run, name: string, { publisher, ...seen }: Seen & { publisher: Program }) {
  await server.untilLive(name).catch((error: unknown) => expect.fail(`${String(error)}\n${publisher.stderr}`));
  await Promise.all([seenByBrowser(run, name, seen), seenByRtmp(run, name, seen)]);
  await publisher.stop();
  expect(await publisher.exited, publisher.stderr).toBe(0);
  expect(await server.streamNames()).not.toContain(name);
}

/** Plays with both stacks until they have decoded enough. */
async function seenByStacks(run: Run, name: string, codec: StackCodec): Promise<void> {
  await server.untilLive(name);
  const players = STACK_NAMES.map((stack) => run(STACKS[stack].play(server.http(`/whep/${name}`), codec)));
  await Promise.all(players.map((player) => player.until(decoded)));
}

describe.each(CODECS)('as %s', (codec) => {
  it.concurrent.for(STACK_NAMES)(
    '%s publishes by WHIP and is seen and heard by WHEP and by RTMP',
    async (stack, test) => {
      const run = runIn(test);
      const name = `from-${stack}-${codec}`;
      const publisher = run(STACKS[stack].publish(server.http(`/whip/${name}`), codec, server.folder));
      // The sender reports of aiortc tell when packets were sent rather than sampled: how long it took to encode them
      // moves picture against sound.
      await seenUntilItEnds(run, name, { publisher, codec, inSync: stack !== 'aiortc' });
    },
  );
});

describe('by WHEP, aiortc and GStreamer', () => {
  it.concurrent.for(CODECS)('see and hear what Chromium publishes as %s', async (codec, test) => {
    const name = `to-stacks-${codec}`;
    const run = runIn(test);
    const page = await pages.publish(server.http(`/whip/${name}`), { video: `video/${codec}` });
    run({ stop: () => page.context().close() });
    await seenByStacks(run, name, codec);
  });
});

describe('beside each other', () => {
  it.concurrent('aiortc and GStreamer see and hear what ffmpeg publishes by RTMP as H.264 and AAC', async (test) => {
    const name = 'rtmp-to-stacks';
    const run = runIn(test);
    const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '50', '-bf', '0'];
    run(new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...video, '-c:a', 'aac', '-f', 'flv', server.rtmp(name)]));
    await seenByStacks(run, name, 'H264');
  });

  it.for(['dtls_active', 'dtls_passive'] as const)(
    'FFmpeg 8 publishes by WHIP with %s and is seen and heard, in sync, by WHEP and by RTMP',
    async (dtls, test) => {
      const name = `from-ffmpeg-${dtls}`;
      const run = runIn(test);
      const publisher = run(ffmpegWhip(server.http(`/whip/${name}`), server.folder, dtls));
      await seenUntilItEnds(run, name, { publisher, codec: 'H264', inSync: true });
    },
  );
});
