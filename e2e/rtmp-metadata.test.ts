import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeClip } from './support/ffmpeg.ts';
import { Program } from './support/program.ts';
import { readTags, ScriptedPublisher, type TimedTag } from './support/scripted-publisher.ts';
import { TestServer } from './support/server.ts';

/** Far from zero, as on a stream that has been live for a while. */
const START_MS = 60_000;

let server: TestServer;
let tags: readonly TimedTag[];

beforeAll(async () => {
  server = await TestServer.start({ settings: { publisher_reconnect_wait: 100 } });
  const clip = join(server.folder, 'clip.flv');
  makeClip(clip, { seconds: 12, gop: 25, size: '320x180' });
  tags = readTags(clip).map((tag) => ({ ...tag, timestampMs: tag.timestampMs + START_MS }));
});

afterAll(() => server.stop());

/** Kinds of tracks that ffprobe finds. */
async function tracksOf(url: string): Promise<string[]> {
  const args = ['-v', 'error', '-show_entries', 'stream=codec_type', '-of', 'csv=p=0', url];
  const ffprobe = new Program('ffprobe', args);
  await ffprobe.runUntil(() => false, 15_000);
  await ffprobe.stop();
  return ffprobe.stdout.trim().split(/\s+/).sort();
}

// ffmpeg and VLC take metadata whose time is not zero for a track of subtitles. VLC then waits for its first
// subtitle for five seconds and drops what comes meanwhile.
describe('the metadata of a stream', () => {
  it.concurrent.each(['RTMP', 'HTTP-FLV'])(
    'is not taken for a track by players of %s who come later',
    async (output) => {
      const name = `metadata-${output}`;
      const publisher = await ScriptedPublisher.start(server.rtmpPort, name);
      const sent = publisher.send(tags);
      await server.untilLive(name);
      const tracks = await tracksOf(output === 'RTMP' ? server.rtmp(name) : server.flv(name));
      await sent;
      await publisher.stop();
      expect(tracks).toEqual(['audio', 'video']);
    },
  );
});
