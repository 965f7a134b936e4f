import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { playIn } from './support/impairment/lines.ts';
import { publishNumberedFrom } from './support/impairment/seen.ts';
import { TestServer } from './support/server.ts';
import { FirefoxPages } from './support/webrtc/firefox.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

let server: TestServer;
let firefox: FirefoxPages;

beforeAll(async () => {
  server = await TestServer.start();
  firefox = await FirefoxPages.start();
  await publishNumberedFrom(firefox, {
    url: server.http('/whip/from-firefox'),
    video: 'video/VP8',
    width: 320,
    height: 240,
    rate: 20,
    noise: false,
    encodings: [{}],
    notesSent: false,
    microphone: true,
  });
});

afterAll(async () => {
  await firefox.close();
  await server.stop();
});

describe('Firefox, which publishes by WHIP,', () => {
  it('plays by WHEP what it publishes, whole', async (test) => {
    const player = await playIn(test, firefox, server.http('/whep/from-firefox'));
    // Statistics come later than what they count.
    await vi.waitFor(
      async () => {
        const { pictures, samples } = await player.seen();
        const numbers = pictures.flatMap(({ number }) => (number === undefined ? [] : [number]));
        expect(new Set(numbers).size).toBeGreaterThan(40);
        expect(samples.at(-1)?.framesDecoded).toBeGreaterThan(50);
        expect(samples.at(-1)?.audioBytesReceived).toBeGreaterThan(5000);
      },
      { timeout: 30_000, interval: 200 },
    );
  });

  it('is seen in Chromium by WHEP', async (test) => {
    const pages = await WebRtcPages.start();
    test.onTestFinished(() => pages.close());
    const player = await pages.play(server.http('/whep/from-firefox'));
    const facts = await player.until(({ framesDecoded }) => framesDecoded > 50);
    expect(facts.packetsLost).toBeLessThan(20);
  });

  it('is seen and heard by an RTMP player', async () => {
    const input = ['-v', 'info', '-i', server.rtmp('from-firefox'), '-t', '3'];
    const player = new Ffmpeg([...input, '-af', 'volumedetect', '-f', 'null', '-']);
    expect(await player.exited, player.stderr).toBe(0);
    expect(player.stderr).toMatch(/frame= +\d{2}/);
    expect(Number(/max_volume: (-?[\d.]+) dB/.exec(player.stderr)?.[1])).toBeGreaterThan(-40);
  });
});
