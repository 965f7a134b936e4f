import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordingObject } from '@sluice/contract';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BUCKET, CREDENTIALS, S3TestServer } from '../packages/server/src/storage/testing/s3-server.ts';
import { Copier, ofKind } from './support/copied.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { findRecordings, packetsOf, recordingPath } from './support/recordings.ts';
import { TestServer } from './support/server.ts';

const PATIENCE = { timeout: 30_000, interval: 100 };

let s3: S3TestServer;
let server: TestServer;

const settings = () => ({
  record_flash_published_streams: 'true',
  stream_record_policy: 'streamName',
  aws_s3_credentials: `${CREDENTIALS.region};${CREDENTIALS.accessKeyId};${CREDENTIALS.secretAccessKey}`,
  record_s3_bucket: BUCKET,
  record_s3_endpoint: `http://127.0.0.1:${s3.port}`,
  record_s3_prefix: 'shows/',
});

beforeAll(async () => {
  s3 = await S3TestServer.start();
  server = await TestServer.start({ settings: settings() });
});

afterAll(async () => {
  await server.stop();
  await s3.close();
});

async function publish(name: string): Promise<string> {
  const clip = join(server.folder, `${name}.flv`);
  makeClip(clip, { seconds: 4, size: '320x180', gop: 25 });
  const ffmpeg = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', server.rtmp(name)]);
  expect(await ffmpeg.exited, ffmpeg.stderr).toBe(0);
  return clip;
}

async function uploaded(streamName: string): Promise<RecordingObject> {
  return vi.waitFor(async () => {
    const [recording] = await findRecordings(server, { streamName });
    expect(recording?.upload?.state, JSON.stringify(recording)).toBe('done');
    return recording as RecordingObject;
  }, PATIENCE);
}

describe('a recording with S3', () => {
  it('is uploaded when it is complete, and can be played from there by its address', async () => {
    const clip = await publish('first');
    const recording = await uploaded('first');
    expect(recording.upload).toMatchObject({ location: `s3://${BUCKET}/shows/first.mp4`, progress: 1 });
    const local = readFileSync(recordingPath(server, recording));
    expect(recording.upload?.etag?.replaceAll('"', '')).toBe(createHash('md5').update(local).digest('hex'));
    const name = `vod://s3/http://127.0.0.1:${s3.port}/${BUCKET}/shows/first.mp4`;
    const copied = await new Copier(server.rtmp(name), join(server.folder, 'played.md5')).finish(30_000);
    const source = packetsOf(clip).filter(({ kind }) => kind === 'video');
    expect(ofKind(copied, 'video')).toHaveLength(source.length);
  });

  it('waits for storage that is away, also over a restart, and is uploaded then', async () => {
    const { port } = s3;
    await s3.stop();
    await publish('second');
    await vi.waitFor(async () => {
      const [recording] = await findRecordings(server, { streamName: 'second' });
      expect(recording).toMatchObject({
        state: 'complete',
        upload: { state: expect.stringMatching(/waiting|uploading/) },
      });
      expect(recording?.upload?.attempts).toBeGreaterThan(0);
      expect(recording?.upload?.error).toBeDefined();
    }, PATIENCE);
    await server.kill();
    await s3.restart();
    expect(s3.port).not.toBe(port);
    server = await TestServer.start({ settings: settings(), folder: server.folder, ports: server.ports });
    const recording = await uploaded('second');
    expect(existsSync(recordingPath(server, recording))).toBe(true);
    expect(server.output).not.toContain(`${CREDENTIALS.secretAccessKey};`);
  });
});
