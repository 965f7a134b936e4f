import { randomBytes, randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { type Track, writeNack, writePli } from '@sluice/media';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type RigSession, Sender, WebRtcRig } from './testing/rig.ts';
import { sourcesOf, VIDEO_SSRC } from './testing/rtc-client.ts';

let rig: WebRtcRig;

afterEach(() => rig.close());

async function waitFor(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 8000, interval: 10 });
}

async function connected(...sessions: readonly RigSession[]): Promise<void> {
  await waitFor(() => expect(sessions.every(({ client }) => client.connected)).toBe(true));
}

/** A publisher whose first frame has arrived. */
async function publishing(name: string): Promise<RigSession & { readonly sender: Sender }> {
  const publisher = await rig.publish(name);
  await connected(publisher);
  const sender = new Sender(publisher.client);
  sender.frame(true);
  await waitFor(() => expect(publisher.events.active).toBe(true));
  return { ...publisher, sender };
}

function pictures({ client, session }: RigSession) {
  const { video } = sourcesOf(session.answer);
  return client.rtp.filter(({ ssrc }) => ssrc === video);
}

describe('a publisher and its players', () => {
  test('every packet goes to every player as it is, from the newest key frame on', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('one');
    const players = await Promise.all([rig.play('one'), rig.play('one')]);
    await connected(...players);
    for (let i = 0; i < 20; i++) publisher.sender.frame();
    for (const player of players) {
      await waitFor(() => expect(pictures(player)).toHaveLength(21));
      const received = pictures(player);
      expect(Array.from(received[0]?.payload.subarray(0, 6) ?? [])).toEqual([0x10, 0x10, 0x02, 0x00, 0x9d, 0x01]);
      const first = received[0]?.sequence ?? 0;
      expect(received.map(({ sequence }) => (sequence - first) & 0xffff)).toEqual(received.map((_, i) => i));
      expect(player.events).toMatchObject({ active: true, sizes: ['320x240'] });
      const { audio } = sourcesOf(player.session.answer);
      await waitFor(() => expect(player.client.rtp.filter(({ ssrc }) => ssrc === audio).length).toBeGreaterThan(18));
      await waitFor(() => expect(player.client.rtcp.filter(({ kind }) => kind === 'sr').length).toBeGreaterThan(1));
    }
    expect(publisher.session).toMatchObject({ videoCodec: 'VP8', audioCodec: 'opus' });
    expect(players[0]?.session.answer).toContain('a=sendonly');
  });

  test('what a player asks for again comes as a retransmission, and a key frame is asked of the publisher', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('again');
    const player = await rig.play('again');
    await connected(player);
    for (let i = 0; i < 5; i++) publisher.sender.frame();
    await waitFor(() => expect(pictures(player)).toHaveLength(6));
    const wanted = pictures(player)[3];
    const { video = 0 } = sourcesOf(player.session.answer);
    player.client.sendRtcp(writeNack({ senderSsrc: 1, mediaSsrc: video }, [wanted?.sequence ?? 0]));
    await waitFor(() => {
      const again = player.client.rtp.find(({ payloadType }) => payloadType === 97);
      expect(Array.from(again?.payload.subarray(2) ?? [])).toEqual(Array.from(wanted?.payload ?? []));
    });
    player.client.sendRtcp(writePli({ senderSsrc: 1, mediaSsrc: video }));
    await waitFor(() =>
      expect(publisher.client.rtcp).toContainEqual(expect.objectContaining({ kind: 'pli', mediaSsrc: VIDEO_SSRC })),
    );
  });

  test('what is lost on the way here is asked for, and reaches players when it comes', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('lossy');
    const player = await rig.play('lossy');
    await connected(player);
    await waitFor(() => expect(pictures(player)).toHaveLength(1));
    const lost = publisher.sender.lose();
    publisher.sender.frame();
    await waitFor(() => expect(publisher.client.rtcp.some(({ kind }) => kind === 'nack')).toBe(true));
    expect(pictures(player)).toHaveLength(2);
    publisher.client.sendProtected(Buffer.from(lost));
    await waitFor(() => expect(pictures(player)).toHaveLength(3));
    const sequences = pictures(player).map(({ sequence }) => sequence);
    expect(((sequences[2] ?? 0) - (sequences[0] ?? 0)) & 0xffff).toBe(1);
  });

  test('a picture that the publisher has agreed on is played when it comes, however late', async () => {
    rig = await WebRtcRig.start();
    const publisher = await rig.publish('late');
    await connected(publisher);
    const sender = new Sender(publisher.client);
    for (let i = 0; i < 60; i++) sender.sound();
    await waitFor(() => expect(rig.hub.streams.get('late')?.lastDtsUs).toBeGreaterThan(1_600_000));
    const player = await rig.play('late');
    await connected(player);
    expect(player.session).toMatchObject({ videoCodec: 'VP8', audioCodec: 'opus' });
    sender.frame(true);
    await waitFor(() => expect(pictures(player)).toHaveLength(1));
  });

  test('a name that is taken is refused, and free again as soon as its publisher is closed', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('busy');
    await expect(rig.publish('busy')).rejects.toMatchObject({ code: 'STREAM_NAME_BUSY' });
    const player = await rig.play('busy');
    publisher.session.close();
    expect(player.events.ended).toBe('publisher_stopped');
    expect(publisher.events.ended).toBeUndefined();
    await publishing('busy');
  });

  test('there is no stream to play, no medium in common, or nothing that can be read: each is told', async () => {
    rig = await WebRtcRig.start({ videoCodecs: ['h264'], audioCodecs: ['pcma'] });
    await expect(rig.play('nobody')).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND' });
    await expect(rig.publish('codecs')).rejects.toMatchObject({ code: 'NO_COMMON_CODECS' });
    const request = { offer: 'v=0', streamName: 'x', mediaSessionId: randomUUID(), sessionId: '', appKey: '' };
    const rest = { mediaProvider: 'WebRTC', remoteAddress: '', videoOrientation: false, custom: {} };
    const events = { onActive: () => {}, onEnded: () => {} };
    await expect(rig.server.publish({ ...request, ...rest, events })).rejects.toMatchObject({ code: 'SDP_INVALID' });
    expect(rig.hub.streams.size).toBe(0);
    expect(rig.server.peerCount).toBe(0);
    expect(rig.hub.counters.of('webrtc_refused')).toBe(3);
  });
});

test('a server that is told to listen on IPv4 only leaves IPv6 alone', async () => {
  rig = await WebRtcRig.start({ host: '0.0.0.0' });
  await publishing('four');
  const other = createSocket({ type: 'udp6', ipv6Only: true });
  const bound = await new Promise<string>((resolve) => {
    other.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    other.bind({ port: rig.server.port, exclusive: true }, () => resolve('free'));
  });
  other.close();
  expect(bound).not.toBe('EADDRINUSE');
});

describe('a peer that does not do its part', () => {
  test('sends no check: it ends with ice_timeout', async () => {
    rig = await WebRtcRig.start({ iceTimeoutMs: 100 });
    const events: string[] = [];
    const client = rig.client({});
    await rig.server.publish({
      ...{ offer: client.offer, streamName: 'mute', mediaSessionId: randomUUID(), sessionId: '', appKey: '' },
      ...{ mediaProvider: 'WebRTC', remoteAddress: '', videoOrientation: false, custom: {} },
      events: { onActive: () => {}, onEnded: (reason) => events.push(reason) },
    });
    await client.bind();
    await waitFor(() => expect(events).toEqual(['ice_timeout']));
    expect(rig.hub.streams.get('mute')).toBeUndefined();
  });

  test('has another certificate than it said: it ends with dtls_fingerprint', async () => {
    rig = await WebRtcRig.start();
    const claimedFingerprint = Array.from({ length: 32 }, () => 'AB').join(':');
    const publisher = await rig.publish('forged', { claimedFingerprint });
    await waitFor(() => expect(publisher.events.ended).toBe('dtls_fingerprint'));
    expect(rig.hub.streams.get('forged')).toBeUndefined();
  });

  test('stops checking: it ends with ice_keep_alive, and its name is free', async () => {
    rig = await WebRtcRig.start({ consentTimeoutMs: 300 });
    const publisher = await publishing('gone');
    publisher.client.stopChecks();
    await waitFor(() => expect(publisher.events.ended).toBe('ice_keep_alive'));
    expect(rig.hub.streams.get('gone')).toBeUndefined();
  });

  test('says goodbye by DTLS: it ends at once, and so do its players', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('polite');
    const player = await rig.play('polite');
    publisher.client.dtls?.close();
    await waitFor(() => expect(publisher.events.ended).toBe('peer_closed'));
    expect(player.events.ended).toBe('publisher_stopped');
  });

  test('plays what becomes another codec, which nothing converts: it is ended, so that it can offer anew', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('other');
    const player = await rig.play('other');
    await connected(player);
    await waitFor(() => expect(pictures(player)).toHaveLength(1));
    const { video } = rig.hub.streams.get('other')?.state ?? {};
    expect(video?.codec).toBe('vp8');
    rig.hub.streams.get('other')?.setTrack({ ...(video as Track), codec: 'h264' });
    await waitFor(() => expect(player.events.ended).toBe('not_playable'));
    expect(publisher.events.ended).toBeUndefined();
  });

  test('sends what is authentic but nonsense: nothing is thrown, others notice nothing', async () => {
    rig = await WebRtcRig.start();
    const good = await publishing('good');
    const player = await rig.play('good');
    const bad = await publishing('bad');
    const listener = await rig.play('bad');
    await connected(player, listener);
    for (let i = 0; i < 2000; i++) {
      const bytes = randomBytes(4 + (i % 120));
      bytes[0] = 0x80 | ((bytes[0] ?? 0) & 0x3f);
      bytes[1] = i % 3 === 0 ? 200 + (i % 8) : (bytes[1] ?? 0);
      if (i % 3 === 0) bad.client.sendRtcp(bytes);
      else bad.client.sendProtected(bytes);
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 5; i++) good.sender.frame();
    await waitFor(() => expect(pictures(player)).toHaveLength(6));
    expect(rig.hub.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(bad.client.received).toBeLessThan(3000);
  });

  test('fails here in what is done at times: it is given up, others notice nothing', async () => {
    rig = await WebRtcRig.start();
    const bad = await publishing('bad');
    const good = await publishing('good');
    const player = await rig.play('good');
    await connected(player);
    Object.defineProperty(bad.session, 'tick', {
      value: () => {
        throw new Error('a mistake');
      },
    });
    await waitFor(() => expect(bad.events.ended).toBe('internal_error'));
    for (let i = 0; i < 5; i++) good.sender.frame();
    await waitFor(() => expect(pictures(player)).toHaveLength(6));
    expect(rig.hub.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  test('is terminated by the operator: it is told, and so is everyone who looks', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('ended');
    const session = rig.hub.sessions.get(publisher.session.mediaSessionId);
    expect(session?.describe()).toMatchObject({ protocol: 'webrtc', status: 'PUBLISHING', streamName: 'ended' });
    session?.close('asked by REST');
    expect(publisher.events).toMatchObject({ ended: 'terminated', detail: 'asked by REST' });
    expect(rig.hub.sessions.size).toBe(0);
  });
});

describe('three hundred players', () => {
  test('that come and go leave nothing behind', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('busy');
    let frames = 0;
    const pump = setInterval(() => publisher.sender.frame(frames++ % 10 === 0), 20);
    for (let round = 0; round < 30; round++) {
      const players = await Promise.all(Array.from({ length: 10 }, () => rig.play('busy')));
      await connected(...players);
      await waitFor(() => expect(players.every((player) => pictures(player).length > 0)).toBe(true));
      for (const [i, { session, client }] of players.entries()) {
        if (i % 2 === 0) session.close();
        else client.dtls?.close();
      }
      await waitFor(() => expect(rig.server.peerCount).toBe(1));
      await Promise.all(players.map(({ client }) => client.close()));
    }
    clearInterval(pump);
    expect(rig.hub.sessions.size).toBe(1);
    const stream = rig.hub.streams.get('busy');
    expect(stream?.viewers).toBe(0);
    expect(stream?.readerCount).toBe(0);
    expect(stream?.rtp.video.listenerCount).toBe(0);
    expect(stream?.rtp.audio.listenerCount).toBe(0);
    expect(rig.server.sizes).toEqual({ ufrags: 1, paths: 1, packagers: 0, watched: 0, lanes: 0 });
    publisher.session.close();
    expect(rig.server.sizes).toEqual({ ufrags: 0, paths: 0, packagers: 0, watched: 0, lanes: 0 });
    expect(rig.hub.streams.size).toBe(0);
  }, 60_000);
});
