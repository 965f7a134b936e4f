import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type MediaPacket, rtpPacketizer, type Track, writeRtp, writeStreamSdp } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { prng } from '../../../../../media/src/testing/mutate.ts';
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
    // What comes by UDP faster than a busy machine reads is lost.
    const rate = transport === 'udp' ? '1.5' : '4';
    const input = ['-v', 'warning', '-readrate', rate, '-i', clip.path, '-c', 'copy'];
    const ffmpeg = rig.run('ffmpeg', ...input, '-f', 'rtsp', '-rtsp_transport', transport, rig.url('live'));
    const stream = await rig.hub.streams.waitFor('live', 15_000);
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
    await vi.waitFor(() => expect(stream.ended).toBe(true));
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

it('of a publisher by UDP that loses, doubles and exchanges packets, whole frames come, or none to the next key frame', async () => {
  rig = await RtspRig.start();
  using clip = new Clip(CODECS.h264, 6);
  const { tracks, packets } = await clip.read();
  const client = await rig.client();
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await client.request('ANNOUNCE', rig.url('lossy'), { 'Content-Type': 'application/sdp' }, writeStreamSdp(tracks));
  const Transport = `RTP/AVP;unicast;client_port=${port}-${port + 1};mode=record`;
  await client.request('SETUP', rig.url('lossy/trackID=0'), { Transport });
  await client.request('RECORD', rig.url('lossy'));
  const published = collect(rig.hub.streams.get('lossy') as Stream);
  const random = prng(3);
  const [serverPort = 0] = rig.server.udp?.ports ?? [];
  for (const datagram of damaged(rtpOf(packets, tracks[0] as Track), random)) {
    socket.send(datagram, serverPort, '127.0.0.1');
    if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const sent = contents(packets, 'video');
  await vi.waitFor(() => expect(contents(published, 'video').length).toBeGreaterThan(20));
  let before = -2;
  await client.request('TEARDOWN', rig.url('lossy'));
  socket.close();
  const numbers = contents(published, 'video').map((unit) => sent.indexOf(unit));
  expect(numbers.length).toBeLessThan(sent.length);
  for (const number of numbers) {
    expect(number).toBeGreaterThan(before);
    if (number !== before + 1) expect(packets[number]?.key).toBe(true);
    before = number;
  }
});

/** Pictures as datagrams of RTP. */
function rtpOf(packets: readonly MediaPacket[], track: Track): Uint8Array[] {
  const packetizer = rtpPacketizer('h264');
  let sequence = 65_500;
  return packets.flatMap((picture) =>
    packetizer.packetize({ ...picture, track }, 1200).map(({ payload, marker }) => {
      const timestamp = Math.round(picture.ptsUs * 0.09);
      sequence = (sequence + 1) & 0xffff;
      return writeRtp({ payloadType: 96, marker, sequence, timestamp, ssrc: 9 }, payload);
    }),
  );
}

/** One in fifty is missing, one in twenty comes twice, one in twenty too late. */
function damaged(datagrams: readonly Uint8Array[], random: () => number): Uint8Array[] {
  const result: Uint8Array[] = [];
  for (const datagram of datagrams) {
    if (random() < 0.02) continue;
    if (random() < 0.05) result.push(datagram);
    if (random() < 0.05) result.splice(Math.max(0, result.length - 2), 0, datagram);
    else result.push(datagram);
  }
  return result;
}

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
