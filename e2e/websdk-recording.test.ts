import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordingObject, StreamObject } from '@sluice/contract';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeWhole, findRecordings, packetsOf, recordingPath, streamsOf } from './support/recordings.ts';
import type { TestServer } from './support/server.ts';
import { type SdkPage, SdkPages } from './support/websdk/sdk-pages.ts';
import { SdkServer } from './support/websdk/sdk-server.ts';

const PATIENCE = { timeout: 30_000, interval: 200 };

let sdk: SdkServer;
let server: TestServer;
let pages: SdkPages;
let page: SdkPage;

beforeAll(async () => {
  sdk = await SdkServer.start();
  server = sdk.server;
  pages = await SdkPages.start();
  page = await pages.open();
  expect(await page.connect(sdk.url)).toBe('ESTABLISHED');
});

afterAll(async () => {
  await pages.close();
  await sdk.stop();
});

async function framesReceived(name: string): Promise<number> {
  const body = { name, published: true, display: ['metrics'] };
  const [stream] = await server.rest<StreamObject[]>('/stream/find', body);
  const { VIDEO_K_FRAMES = 0, VIDEO_P_FRAMES = 0, VIDEO_B_FRAMES = 0 } = stream?.metrics ?? {};
  return VIDEO_K_FRAMES + VIDEO_P_FRAMES + VIDEO_B_FRAMES;
}

/** Ends the camera and waits until no more of it comes: what was received by then is all that there will be. */
async function allFrames(name: string): Promise<number> {
  await page.silence(name);
  let last = -1;
  return vi.waitFor(
    async () => {
      const now = await framesReceived(name);
      const steady = now === last;
      last = now;
      expect(steady).toBe(true);
      return now;
    },
    { timeout: 20_000, interval: 700 },
  );
}

describe.each([
  ['H.264', 'mp4', ['h264', 'aac'], {}],
  ['VP8', 'webm', ['vp8', 'opus'], { stripCodecs: 'H264,VP9,AV1' }],
])('a page that publishes %s with record: true', (_codec, container, codecs, options) => {
  const name = `interview-${container}`;
  let recordName: string | undefined;
  let frames = 0;

  it('is recorded from its first picture on, each picture once, and told the name of the file at the end', async () => {
    await page.publish(name, { record: true, ...options });
    await vi.waitFor(async () => expect(await framesReceived(name)).toBeGreaterThan(150), PATIENCE);
    frames = await allFrames(name);
    await page.call(name, 'stop');
    await page.status(name, 'UNPUBLISHED');
    recordName = await page.recordName(name);
    expect(recordName).toMatch(new RegExp(`^stream-[0-9a-f-]{36}-.+\\.${container}$`));
    const [recording] = await findRecordings(server, { streamName: name });
    expect(recording).toMatchObject({ state: 'complete', fileName: recordName, lostPackets: 0, gaps: [] });
    const file = recordingPath(server, recording as RecordingObject);
    decodeWhole(file);
    expect(streamsOf(file).map(({ codec_name }) => codec_name)).toEqual(codecs);
    const pictures = packetsOf(file).filter(({ kind }) => kind === 'video');
    expect(pictures).toHaveLength(frames);
    const steps = pictures.slice(1).map(({ dtsMs }, i) => dtsMs - (pictures[i]?.dtsMs ?? 0));
    expect(Math.min(...steps)).toBeGreaterThan(0);
  });

  it('can be played in a page from the address that applications make of that name', async () => {
    const media = await page.page.evaluate(
      async (url) => {
        const video = document.createElement('video');
        document.body.append(video);
        video.muted = true;
        video.src = url;
        await video.play();
        const { duration } = video;
        video.currentTime = duration / 2;
        await new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
        const from = video.currentTime;
        for (let looks = 0; looks < 100 && video.currentTime < from + 0.3; looks++)
          await new Promise((resolve) => setTimeout(resolve, 100));
        const played = video.currentTime - from;
        video.remove();
        return { duration, from, played };
      },
      server.http(`/client/records/${recordName}`),
    );
    expect(media.duration).toBeGreaterThan(frames / 31);
    expect(Math.abs(media.from - media.duration / 2)).toBeLessThan(1);
    expect(media.played).toBeGreaterThan(0.2);
  });
});

describe('a snapshot by the Web SDK', () => {
  it('gives a PNG of what is published, and a reason where there is nothing', async () => {
    await page.publish('camera');
    const { type, payload } = await page.snapshot('camera');
    expect(type).toBe('snapshotCompleted');
    const file = join(server.folder, 'snapshot.png');
    writeFileSync(file, Buffer.from(payload['snapshot'] ?? '', 'base64'));
    expect(streamsOf(file)).toMatchObject([{ codec_name: 'png', width: 320 }]);
    expect(await page.snapshot('nobody')).toMatchObject({
      type: 'snapshotFailed',
      payload: { info: 'Stream not found' },
    });
    await page.call('camera', 'stop');
  });
});
