import { type MediaPacket, writeRtp } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { ScriptedAccess } from '../../../core/testing/scripted-access.ts';
import { writeInterleaved } from '../wire/writer.ts';
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

describe('requests of publishers', () => {
  const SDP = [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=x',
    't=0 0',
    'm=audio 0 RTP/AVP 0',
    'a=control:streamid=0',
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    'a=control:streamid=1',
    '',
  ].join('\r\n');
  const TYPE = { 'Content-Type': 'application/sdp' };
  const TCP = { Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record' };

  /** A packet of G.711 as it comes on a channel. */
  function sound(channel: number, number: number): Buffer {
    const fields = { payloadType: 0, marker: false, sequence: number, timestamp: number * 160, ssrc: 7 };
    return writeInterleaved(channel, writeRtp(fields, new Uint8Array(160).fill(number)));
  }

  it('are refused for what is taken, forbidden, or can not be received', async () => {
    rig = await RtspRig.start();
    rig.publish('busy');
    const client = await rig.client();
    const announce = (path: string, fields = TYPE, body = SDP) =>
      client.request('ANNOUNCE', rig.url(path), fields, body);
    const busy = await announce('busy');
    expect([busy.status, busy.reason]).toEqual([409, 'stream "busy" is already being published']);
    expect((await announce('mine', { 'Content-Type': 'text/plain' })).status).toBe(415);
    expect((await announce('mine', TYPE, 'v=0\r\nm=audio 0 RTP/AVP 14\r\n')).reason).toContain('is left out');
    expect((await announce('')).status).toBe(404);
    expect((await announce('mine')).status).toBe(200);
    expect((await announce('mine')).status).toBe(455);
    expect((await client.request('RECORD', rig.url('mine'))).status).toBe(455);
    expect((await client.request('PLAY', rig.url('mine'))).status).toBe(455);
    expect((await client.request('SETUP', rig.url('mine/streamid=5'), TCP)).status).toBe(200);
    expect((await client.request('SETUP', rig.url('mine/streamid=1'), { Transport: 'RTP/AVP;multicast' })).status).toBe(
      461,
    );
    expect((await client.request('TEARDOWN', rig.url('mine'))).status).toBe(200);
    expect(rig.hub.streams.get('mine')).toBeUndefined();
  });

  it('are refused where nothing is published by RTSP', async () => {
    rig = await RtspRig.start({ publishEnabled: false });
    const client = await rig.client();
    expect((await client.request('ANNOUNCE', rig.url('mine'), TYPE, SDP)).status).toBe(405);
  });

  it('ask the back end, which may deny and choose the name, and tell it of all that becomes of them', async () => {
    const access = new ScriptedAccess();
    rig = await RtspRig.start({ recordPublished: true }, { access });
    access.answer = (what) => (what === 'publish' ? { deny: 'not you' } : undefined);
    const denied = await rig.client();
    const answer = await denied.request('ANNOUNCE', rig.url('mine?key=1&appKey=mine'), TYPE, SDP);
    expect([answer.status, answer.reason]).toEqual([403, 'not you']);
    await denied.gone();
    expect(access.calls[0]?.fields).toMatchObject({ appKey: 'mine', protocol: 'rtsp', custom: { key: '1' } });
    expect(access.whats).toEqual(['connect', 'established', 'publish', 'end']);
    access.calls.length = 0;

    access.answer = (what) => (what === 'publish' ? { fields: { name: 'other' } } : undefined);
    const client = await rig.client();
    await client.request('ANNOUNCE', rig.url('mine'), TYPE, SDP);
    await client.request('SETUP', rig.url('mine/streamid=0'), TCP);
    expect(rig.hub.streams.get('other')).toBeUndefined();
    expect((await client.request('RECORD', rig.url('mine'))).status).toBe(200);
    const stream = rig.hub.streams.get('other');
    expect(stream?.publisher?.recording?.wanted).toBe(true);
    for (let number = 0; number < 10; number += 1) client.socket.write(sound(0, number));
    await vi.waitFor(() => expect(stream?.state.audio?.codec).toBe('pcmu'));
    const [session] = rig.hub.sessions.all();
    await vi.waitFor(() => expect(session?.describe()).toMatchObject({ streamName: 'other', packets: 10 }));
    await client.request('TEARDOWN', rig.url('mine'));
    expect(stream?.ended).toBe(true);
    client.close();
    await vi.waitFor(() => expect(access.open).toBe(0));
    expect(access.whats).toEqual(['connect', 'established', 'publish', 'active', 'stopping', 'ended', 'end']);
    expect(access.problems).toEqual([]);
  });

  it('end with their connection, when somebody wants them gone, and when nothing comes of them', async () => {
    rig = await RtspRig.start({ sessionTimeoutMs: 400 });
    const begin = async (name: string): Promise<Awaited<ReturnType<RtspRig['client']>>> => {
      const client = await rig.client();
      await client.request('ANNOUNCE', rig.url(name), TYPE, SDP);
      await client.request('SETUP', rig.url(`${name}/streamid=0`), TCP);
      await client.request('RECORD', rig.url(name));
      return client;
    };
    const [left, closed, silent] = [await begin('left'), await begin('closed'), await begin('silent')];
    expect(rig.hub.streams.size).toBe(3);
    left.close();
    rig.hub.streams.get('closed')?.publisher?.close('enough');
    await closed.gone();
    await silent.gone();
    await vi.waitFor(() => expect(rig.hub.streams.size).toBe(0));
  });

  it('may find their name taken only when they record', async () => {
    rig = await RtspRig.start();
    const client = await rig.client();
    await client.request('ANNOUNCE', rig.url('mine'), TYPE, SDP);
    await client.request('SETUP', rig.url('mine/streamid=0'), TCP);
    rig.publish('mine');
    expect((await client.request('RECORD', rig.url('mine'))).status).toBe(409);
    expect(rig.hub.sessions.size).toBe(0);
  });
});
