import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Clip, CODECS } from './testing/clip.ts';
import { feed, RtspRig } from './testing/rig.ts';

let rig: RtspRig;
afterEach(() => rig.close());

describe('GStreamer', () => {
  it.each(['tcp', 'udp'])('plays and hears that the stream is over, by %s', async (protocols) => {
    rig = await RtspRig.start();
    using clip = new Clip(CODECS.h264, 3);
    const { tracks, packets } = await clip.read();
    const stream = rig.publish('cam', tracks);
    await feed(stream, packets.slice(0, 20));
    const out = clip.beside('out.h264');
    const source = ['rtspsrc', `location=${rig.url('cam?token=1')}`, `protocols=${protocols}`, 'latency=0'];
    const format = 'video/x-h264,stream-format=byte-stream,alignment=au';
    const sink = ['!', 'rtph264depay', '!', format, '!', 'filesink', `location=${out}`];
    const gst = rig.run('gst-launch-1.0', ...source, ...sink);
    await vi.waitFor(() => expect(stream.viewers).toBe(1), 10_000);
    await feed(stream, packets.slice(20), 4);
    rig.hub.streams.end(stream, 'over');
    await vi.waitFor(() => expect(gst.output()).toMatch(/EOS|ERROR/), 10_000);
    // All slices of the clip are there as they are, behind start codes.
    const bytes = readFileSync(out);
    const found = packets.filter(({ units }) => units.every((unit) => bytes.includes(Buffer.from(unit)))).length;
    expect(found).toBe(packets.length);
  });
});
