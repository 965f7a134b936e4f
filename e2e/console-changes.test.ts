import { join } from 'node:path';
import { expect, it } from 'vitest';
import { launchChromium } from './support/chromium.ts';
import { makeClip } from './support/ffmpeg.ts';
import { isVideo, readTags, ScriptedPublisher, type TimedTag } from './support/scripted-publisher.ts';
import { TestServer } from './support/server.ts';

/** When the picture joins the sound; HLS has segments of sound alone by then. */
const LATE_MS = 9000;

function soundThenPicture(file: string): TimedTag[] {
  makeClip(file, { seconds: 40, gop: 25, size: '320x180' });
  const tags = readTags(file);
  const [configuration, ...pictures] = tags.filter(isVideo);
  const head = { ...(configuration as TimedTag), timestampMs: LATE_MS, sendAtMs: LATE_MS };
  const late = [head, ...pictures.filter((tag) => tag.timestampMs >= LATE_MS)];
  return [...tags.filter((tag) => !isVideo(tag)), ...late].sort((a, b) => a.sendAtMs - b.sendAtMs);
}

it('the console goes on by HLS with the picture that joins a stream of sound', async () => {
  const server = await TestServer.start({ settings: { hls_time_min: 1000, publisher_reconnect_wait: 100 } });
  const browser = await launchChromium();
  const publisher = await ScriptedPublisher.start(server.rtmpPort, 'late');
  const sent = publisher.send(soundThenPicture(join(server.folder, 'clip.flv')));
  await server.untilLive('late');
  const page = await browser.newPage();
  await page.goto(server.http('/#/streams/late'));
  const video = page.getByTestId('player-video');
  const time = (): Promise<number> => video.evaluate((element) => (element as HTMLVideoElement).currentTime);
  const width = (): Promise<number> => video.evaluate((element) => (element as HTMLVideoElement).videoWidth);
  await expect.poll(time, { timeout: 20_000 }).toBeGreaterThan(0.5);
  expect(await width()).toBe(0);
  await expect.poll(width, { timeout: 30_000 }).toBe(320);
  const shown = await time();
  await expect.poll(time, { timeout: 20_000 }).toBeGreaterThan(shown + 2);
  await browser.close();
  await publisher.stop();
  await sent.catch(() => {});
  await server.stop();
});
