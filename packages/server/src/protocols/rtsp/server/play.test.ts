import { afterEach, describe, expect, it, vi } from 'vitest';
import { Clip, CODECS, hashOutputs, ownHashes, readHashes } from './testing/clip.ts';
import { feed, RtspRig } from './testing/rig.ts';

let rig: RtspRig;
afterEach(() => rig.close());

describe('players of RTSP', () => {
  it.each([
    ['tcp', 'h264Aac'],
    ['udp', 'h264Aac'],
    ['http', 'h264Aac'],
    ['tcp', 'h265'],
    ['udp', 'vp8Opus'],
  ] as const)('get every picture and sound unchanged: FFmpeg by %s, %s', async (transport, codecs) => {
    rig = await RtspRig.start();
    using clip = new Clip(CODECS[codecs]);
    const { tracks, packets } = await clip.read();
    const expected = ownHashes(tracks, clip);
    const stream = rig.publish('some/camera', tracks);
    const begin = packets.findIndex(({ dtsUs }) => dtsUs > 500_000);
    await feed(stream, packets.slice(0, begin));
    const options = ['-rtsp_transport', transport, '-i', rig.url('some%2Fcamera?user=7')];
    const ffmpeg = rig.run('ffmpeg', '-v', 'warning', ...options, ...hashOutputs(tracks, clip));
    await vi.waitFor(() => expect(stream.viewers).toBe(1), 10_000);
    await feed(stream, packets.slice(begin), transport === 'udp' ? 4 : 0);
    rig.hub.streams.end(stream, 'over');
    expect(await ffmpeg.ended, ffmpeg.output()).toBe(0);
    const { video, audio } = readHashes(tracks, clip);
    expect(video).toEqual(expected.video);
    // The very first sound is older than the picture that players begin with; the last one FFmpeg cuts by its file.
    expect(audio.join().includes(expected.audio.slice(1, -1).join())).toBe(true);
  });
});
