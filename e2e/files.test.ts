import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Ffmpeg, makeClip, type PacketSum, parsePacketSums, readPacketSums } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';
import { SdkPages } from './support/websdk/sdk-pages.ts';

let server: TestServer;
let media: string;

beforeAll(async () => {
  server = await TestServer.start({ settings: { vod_stream_timeout: 1000 } });
  media = join(server.folder, 'media');
  mkdirSync(media, { recursive: true });
  makeClip(join(media, 'last.mp4'), { seconds: 4, gop: 25 });
  makeClip(join(media, 'first.mp4'), { seconds: 4, gop: 25, bframes: 3, args: ['-movflags', '+faststart'] });
  const fragments = ['-movflags', '+frag_keyframe+empty_moov'];
  makeClip(join(media, 'fragments.mp4'), { seconds: 4, gop: 25, bframes: 2, args: fragments });
  const webm = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '25', '-c:a', 'libopus'];
  execFileSync('ffmpeg', ['-v', 'error', '-i', join(media, 'last.mp4'), ...webm, join(media, 'vp8.webm')]);
  execFileSync('ffmpeg', ['-v', 'error', '-i', join(media, 'first.mp4'), '-c', 'copy', join(media, 'h264.mkv')]);
  writeFileSync(join(media, 'bad.mp4'), 'this is not an MP4 file');
});

afterAll(async () => {
  await server.stop();
});

/** The packets of a file or of what is played, without their times. */
function packetsOf(path: string): PacketSum[] {
  return parsePacketSums(
    execFileSync('ffmpeg', ['-v', 'error', '-i', path, '-c', 'copy', '-f', 'framemd5', '-'], { encoding: 'utf8' }),
  );
}

async function played(url: string, name: string): Promise<PacketSum[]> {
  const file = join(server.folder, `${name}.md5`);
  const player = new Ffmpeg(['-v', 'error', '-i', url, '-c', 'copy', '-f', 'framemd5', '-y', file]);
  expect(await player.exited, player.stderr).toBe(0);
  return readPacketSums(file);
}

function hashes(packets: readonly PacketSum[], stream: number): string[] {
  return packets.filter((packet) => packet.stream === stream).map(({ hash }) => hash);
}

async function restOf(method: string, body: object = {}): Promise<{ status: number; body: unknown }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(server.http(`/rest-api/${method}`), {
    method: 'POST',
    body: JSON.stringify(body),
    headers,
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

describe('a file that ffmpeg plays from the server with -c copy', () => {
  it.concurrent.each(['last.mp4', 'first.mp4', 'fragments.mp4', 'h264.mkv'])(
    'is there whole: %s by vod://',
    async (name) => {
      const wanted = packetsOf(join(media, name));
      const [byFlv, byRtmp] = await Promise.all([
        played(server.flv(`vod://${name}`), `${name}.flv`),
        played(server.rtmp(`vod://${name}`), `${name}.rtmp`),
      ]);
      for (const got of [byFlv, byRtmp]) {
        expect(hashes(got, 0)).toEqual(hashes(wanted, 0));
        const sound = hashes(wanted, 1);
        expect(sound.length).toBeGreaterThan(180);
        // What AAC begins with before the first picture is no sound yet.
        expect([sound, sound.slice(1)]).toContainEqual(hashes(got, 1));
      }
      const lastMs = Math.max(...byFlv.map(({ dts }) => dts));
      expect(lastMs).toBeGreaterThan(3900);
      expect(lastMs).toBeLessThan(4200);
    },
  );

  it('is converted where the player does not take it: VP8 and Opus by RTMP', async () => {
    const file = join(server.folder, 'converted.flv');
    const player = new Ffmpeg(['-v', 'error', '-i', server.rtmp('vod://vp8.webm'), '-c', 'copy', '-y', file]);
    expect(await player.exited, player.stderr).toBe(0);
    const probe = ['-v', 'error', '-count_packets', '-show_entries', 'stream=codec_name,nb_read_packets'];
    const text = execFileSync('ffprobe', [...probe, '-of', 'csv=p=0', file], { encoding: 'utf8' });
    const packets = Object.fromEntries(
      text
        .trim()
        .split('\n')
        .map((line) => line.split(',')),
    );
    expect(Object.keys(packets).sort()).toEqual(['aac', 'h264']);
    expect(Number(packets['h264'])).toBeGreaterThan(95);
    expect(Number(packets['aac'])).toBeGreaterThan(180);
  });

  it.concurrent('begins at the key frame before the place that the address names', async () => {
    const wanted = hashes(packetsOf(join(media, 'last.mp4')), 0).slice(50);
    const [byFlv, byRtmp] = await Promise.all([
      played(`${server.flv('vod://last.mp4')}?start=2.7`, 'start.flv'),
      played(`${server.rtmp('vod://last.mp4')}?start=2.7`, 'start.rtmp'),
    ]);
    expect(hashes(byFlv, 0)).toEqual(wanted);
    expect(hashes(byRtmp, 0)).toEqual(wanted);
  });

  it.concurrent('plays to many at the same place by vod-live://, by HLS as well, and ends for all', async () => {
    const name = 'vod-live://first.mp4';
    const first = played(server.rtmp(name), 'shared1');
    await server.untilLive(name);
    const [one, two] = await Promise.all([first, played(server.flv(name), 'shared2')]);
    expect(hashes(two, 0)).toEqual(hashes(one, 0).slice(-hashes(two, 0).length));
    const playlist = await fetch(server.hls(name));
    expect(playlist.status).toBe(200);
    expect(await playlist.text()).toContain('#EXTINF');
  });

  it('is refused with words where that can not be', async () => {
    const refusal = async (url: string): Promise<string> => {
      const player = new Ffmpeg(['-v', 'error', '-i', url, '-f', 'null', '-']);
      expect(await player.exited).not.toBe(0);
      return player.stderr;
    };
    expect(await refusal(server.rtmp('vod://none.mp4'))).toContain('there is no file');
    expect(await refusal(server.rtmp('vod-live://bad.mp4'))).toContain('bad.mp4 can not be played');
    for (const [name, status] of [
      ['vod-live://none.mp4', 404],
      ['vod-live://bad.mp4', 415],
      ['vod-live://../sluice.properties', 404],
      ['vod://last.mp4', 415],
    ] as const) {
      const answer = await fetch(server.hls(name));
      expect([answer.status, name]).toEqual([status, name]);
      if (name === 'vod://last.mp4') expect(await answer.text()).toContain('vod-live://');
    }
  });
});

describe('a file that a browser plays by WHEP', () => {
  it('is seen and heard, and its end ends the player', async () => {
    const pages = await WebRtcPages.start();
    try {
      const page = await pages.play(server.http(`/whep/${encodeURIComponent('vod://last.mp4')}`));
      const facts = await page.until(({ framesDecoded }) => framesDecoded > 90);
      expect(facts).toMatchObject({ packetsLost: 0, freezes: 0 });
      await page.until(({ state }) => state !== 'connected');
      const refused = await fetch(server.http('/whep/vod%3A%2F%2Fnone.mp4'), {
        method: 'POST',
        body: 'v=0',
        headers: { 'content-type': 'application/sdp' },
      });
      expect(refused.status).toBe(404);
    } finally {
      await pages.close();
    }
  });
});

describe('a file that a page plays by the Web SDK', () => {
  it('is PLAYING and then STOPPED, or FAILED with the words that applications know', async () => {
    const pages = await SdkPages.start();
    try {
      const page = await pages.open();
      expect(await page.connect(`ws://127.0.0.1:${server.ports.ws}`)).toBe('ESTABLISHED');
      await page.play('film', 'vod://first.mp4?start=1');
      await vi.waitFor(async () => expect((await page.report('film')).frames).toBeGreaterThan(60), 10_000);
      const { statuses } = await vi.waitFor(async () => {
        const report = await page.report('film');
        expect(report.statuses.at(-1)?.status).not.toBe('PLAYING');
        return report;
      }, 10_000);
      expect(statuses.map(({ status }) => status)).toEqual(['PENDING', 'PLAYING', 'STOPPED']);
      for (const [name, info] of [
        ['vod://none.mp4', 'File not found'],
        ['vod-live://bad.mp4', 'File has wrong format'],
        ['vod://first.mp4?start=x', 'Bad URI'],
      ] as const) {
        await page.start({ label: name, how: 'play', name, options: {} });
        expect(await page.status(name, 'FAILED')).toMatchObject({ info });
      }
      expect(await page.faults()).toEqual([]);
    } finally {
      await pages.close();
    }
  });
});

describe('REST', () => {
  it('plays, lists and ends files', async () => {
    const request = { uri: 'vod-live://last.mp4', localStreamName: 'channel1', loop: true };
    expect((await restOf('vod/startup', request)).status).toBe(200);
    expect((await restOf('vod/startup', request)).status).toBe(409);
    expect((await restOf('vod/startup', { ...request, uri: 'vod-live://none.mp4' })).status).toBe(404);
    const player = new Ffmpeg([
      '-v',
      'error',
      '-i',
      server.rtmp('channel1'),
      '-t',
      '8',
      '-c',
      'copy',
      '-f',
      'null',
      '-',
    ]);
    const personal = new Ffmpeg(['-v', 'error', '-i', server.rtmp('vod://last.mp4'), '-f', 'null', '-']);
    await vi.waitFor(async () => {
      const files = (await restOf('vod/find_all')).body as { positionMs: number }[];
      expect(files.filter(({ positionMs }) => positionMs > 1000)).toHaveLength(2);
    }, 10_000);
    expect((await restOf('vod/find', { localStreamName: 'channel1' })).body).toMatchObject([
      { uri: 'vod-live://last.mp4', status: 'PROCESSED_LOCAL', hasAudio: true, hasVideo: true, loop: true },
    ]);
    expect((await restOf('vod/terminate', { uri: 'vod://last.mp4', localStreamName: 'vod://last.mp4' })).status).toBe(
      200,
    );
    expect(await personal.exited).toBe(0);
    const [file] = (await restOf('vod/find', { localStreamName: 'channel1' })).body as {
      localMediaSessionId: string;
    }[];
    const mediaSessionId = file?.localMediaSessionId;
    expect((await restOf('recorder/startup', { mediaSessionId, config: { fileTemplate: 'copy' } })).status).toBe(200);
    await vi.waitFor(async () => {
      const running = (await restOf('recorder/find_all')).body as { durationMs: number }[];
      expect(running[0]?.durationMs).toBeGreaterThan(1000);
    }, 10_000);
    expect((await restOf('vod/find', { localStreamName: 'channel1' })).body).toMatchObject([{ record: true }]);
    expect((await restOf('recorder/terminate', { mediaSessionId })).status).toBe(200);
    expect((await restOf('recording/find', { fileName: 'copy.mp4' })).body).toMatchObject([
      { state: 'complete', streamName: 'channel1', tracks: [{ codec: 'h264' }, { codec: 'aac' }] },
    ]);
    // Longer than the file: it has begun anew.
    expect(await player.exited, player.stderr).toBe(0);
    expect((await restOf('vod/terminate', { localStreamName: 'channel1' })).status).toBe(200);
    // Files of earlier tests may still play to pages that have gone without a word.
    // It is there until the read that goes on has come back.
    await vi.waitFor(async () => expect((await restOf('vod/find', { localStreamName: 'channel1' })).status).toBe(404));
  });
});
