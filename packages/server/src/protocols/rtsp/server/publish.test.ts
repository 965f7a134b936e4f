import type { MediaPacket } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { Clip, CODECS } from './testing/clip.ts';
import { RtspRig } from './testing/rig.ts';

let rig: RtspRig;
afterEach(() => rig.close());

/** All that is published from now on. */
function collect(stream: Stream): MediaPacket[] {
  const packets: MediaPacket[] = [];
  const drain = (): void => {
    for (let entry = reader.read(); entry !== undefined; entry = reader.read()) packets.push(entry.packet);
  };
  const reader = stream.attach({ startAt: 'oldest', onReadable: drain, onEnd: () => {} });
  drain();
  return packets;
}

function contents(packets: readonly MediaPacket[], kind: 'video' | 'audio'): string[] {
  return packets
    .filter(({ track }) => track.kind === kind)
    .map(({ units }) => units.map((unit) => Buffer.from(unit).toString('base64')).join());
}

describe('publishers by RTSP', () => {
  it.each([
    ['tcp', 'h264Aac'],
    ['udp', 'h264Aac'],
    ['tcp', 'h265'],
    ['udp', 'vp8Opus'],
  ] as const)('give every picture and sound unchanged: FFmpeg by %s, %s', async (transport, codecs) => {
    rig = await RtspRig.start();
    using clip = new Clip(CODECS[codecs], 2);
    const { packets } = await clip.read();
    const input = ['-v', 'warning', '-readrate', '4', '-i', clip.path, '-c', 'copy'];
    const ffmpeg = rig.run('ffmpeg', ...input, '-f', 'rtsp', '-rtsp_transport', transport, rig.url('live'));
    const stream = await rig.hub.streams.waitFor('live', 5000);
    if (stream === undefined) throw new Error(`nothing was published: ${ffmpeg.output()}`);
    const published = collect(stream);
    const [session] = rig.hub.sessions.all();
    expect(session?.describe()).toMatchObject({
      protocol: 'rtsp',
      mediaProvider: 'RTSP',
      mediaType: 'publish',
      streamName: 'live',
      status: 'PUBLISHING',
      transport: transport.toUpperCase(),
    });
    expect(await ffmpeg.ended, ffmpeg.output()).toBe(0);
    await vi.waitFor(() => expect(stream.ended).toBe(true), 5000);
    for (const kind of ['video', 'audio'] as const) {
      const got = contents(published, kind);
      const sent = contents(packets, kind);
      // FFmpeg puts several frames of sound into one packet and throws the last one away; pictures may still be held.
      expect(got.length).toBeGreaterThan(sent.length - 8);
      // Sound before the first picture is not read.
      const first = sent.indexOf(got[0] ?? '');
      expect(first).toBeLessThan(2);
      expect(got.findIndex((one, i) => one !== sent[first + i])).toBe(-1);
    }
  });
});
