import { writeFir, writeNack, writePli } from '@sluice/media';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { SessionFacts } from '../../../core/index.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { type RigSession, Sender, WebRtcRig } from '../testing/rig.ts';
import { sourcesOf } from '../testing/rtc-client.ts';

let rig: WebRtcRig;

afterEach(() => rig.close());

function waitFor(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 8000, interval: 10 });
}

function factsOf({ session }: RigSession): SessionFacts {
  const facts = rig.hub.sessions.get(session.mediaSessionId)?.explain?.();
  if (facts === undefined) throw new Error('nothing is told of the session');
  return facts;
}

async function publishing(name: string): Promise<RigSession & { readonly sender: Sender }> {
  const publisher = await rig.publish(name);
  await waitFor(() => expect(publisher.client.connected).toBe(true));
  const sender = new Sender(publisher.client);
  sender.frame(true);
  await waitFor(() => expect(publisher.events.active).toBe(true));
  return { ...publisher, sender };
}

async function playing(name: string): Promise<RigSession> {
  const player = await rig.play(name);
  await waitFor(() => expect(player.events.active).toBe(true));
  return player;
}

function remembered(errorCode: string) {
  return rig.hub.sessions.past.find((past) => past.errorCode === errorCode)[0];
}

describe('what is told of a WebRTC session', () => {
  test('its way, its handshake, and what goes over it', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('told');
    const player = await playing('told');
    for (let i = 0; i < 10; i++) publisher.sender.frame();
    await waitFor(() => expect(factsOf(player).media[0]?.packets).toBe(11));
    const { webrtc, media } = factsOf(player);
    expect(webrtc?.ice).toMatchObject({ state: 'connected', unauthentic: 0, replayed: 0, restarts: 0 });
    expect(webrtc?.ice.serverCandidates).toEqual([`127.0.0.1:${rig.server.port}`, `127.0.0.1:${rig.server.port} tcp`]);
    expect(webrtc?.ice.pairs).toMatchObject([
      { remoteAddress: '127.0.0.1', remotePort: player.client.port, selected: true, nominated: true },
    ]);
    expect(webrtc?.ice.pairs[0]?.checks).toBeGreaterThan(0);
    expect(webrtc?.ice.consentAgeMs).toBeLessThan(5000);
    expect(webrtc?.dtls).toMatchObject({ state: 'connected', role: 'server', profile: 'AEAD_AES_128_GCM' });
    expect(webrtc?.dtls.handshakeMs).toBeGreaterThanOrEqual(0);
    expect(media).toMatchObject([
      {
        ...{ kind: 'video', delivery: 'as_is', codec: 'vp8', offered: ['VP8'], chosen: 'VP8', refused: [] },
        ...{ waitsForKeyFrame: false, nacks: 0, plis: 0, firs: 0, resent: 0 },
      },
      { kind: 'audio', delivery: 'as_is', codec: 'opus', offered: ['opus'], chosen: 'opus', packets: 10 },
    ]);
    expect(media[0]?.lastKeyFrameAgeMs).toBeLessThan(8000);
    expect(factsOf(publisher).media).toMatchObject([
      { kind: 'video', delivery: 'received', codec: 'vp8', packets: 11, packetsLost: 0, waitsForKeyFrame: false },
      { kind: 'audio', delivery: 'received', codec: 'opus' },
    ]);
  });

  test('what the player asks for', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('asks');
    const player = await playing('asks');
    publisher.sender.frame();
    const { video = 0 } = sourcesOf(player.session.answer);
    await waitFor(() => expect(player.client.rtp.filter(({ ssrc }) => ssrc === video)).toHaveLength(2));
    const [first] = player.client.rtp.filter(({ ssrc }) => ssrc === video);
    player.client.sendRtcp(writeNack({ senderSsrc: 1, mediaSsrc: video }, [first?.sequence ?? 0]));
    player.client.sendRtcp(writePli({ senderSsrc: 1, mediaSsrc: video }));
    player.client.sendRtcp(writeFir(1, [{ ssrc: video, sequence: 1 }]));
    await waitFor(() => expect(factsOf(player).media[0]).toMatchObject({ nacks: 1, plis: 1, firs: 1, resent: 1 }));
  });

  test('what is missing on the way here, and was asked for', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('holes');
    publisher.sender.lose();
    publisher.sender.frame();
    await waitFor(() => expect(factsOf(publisher).media[0]).toMatchObject({ packetsLost: 1 }));
    await waitFor(() => expect(factsOf(publisher).media[0]?.nacks).toBeGreaterThan(0));
    expect(factsOf(publisher).media[0]?.lossFraction).toBeGreaterThan(0.1);
    const [session] = [...rig.hub.sessions.all()];
    expect(session?.describe().lostPackets).toBeGreaterThan(0);
  });

  test('nothing that is secret', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('secret');
    const player = await playing('secret');
    await rig.play('nobody').catch(() => {});
    player.session.close();
    const told = JSON.stringify([factsOf(publisher), rig.hub.sessions.past.find(() => true)]);
    const { local } = player.client;
    const passwords = /a=ice-pwd:(\S+)/g;
    const secrets = [...player.session.answer.matchAll(passwords), ...publisher.session.answer.matchAll(passwords)];
    expect(secrets.length).toBeGreaterThan(1);
    for (const secret of [local.pwd, publisher.client.local.pwd, ...secrets.map(([, pwd]) => pwd ?? '?')])
      expect(told).not.toContain(secret);
  });
});

describe('what is remembered of a WebRTC session that failed', () => {
  test('that no check came, and where the client was told to send them', async () => {
    rig = await WebRtcRig.start({ iceTimeoutMs: 200 });
    await publishing('silent');
    const offer = rig.client({ direction: 'recvonly' }).offer;
    const events = { onActive: () => {}, onEnded: () => {} };
    const request = { streamName: 'silent', mediaSessionId: 'never', sessionId: '/a/b', appKey: '', custom: {} };
    const rest = { mediaProvider: 'WebRTC', remoteAddress: '192.0.2.9', videoOrientation: false };
    const withToken = { ...request, ...rest, custom: { token: 'do-not-tell' } };
    await rig.server.play({ ...withToken, offer: withCandidate(offer), events });
    await waitFor(() => expect(remembered('ice_timeout')).toBeDefined());
    const past = remembered('ice_timeout');
    expect(past).toMatchObject({ mediaSessionId: 'never', streamName: 'silent', remoteAddress: '192.0.2.9' });
    expect(past?.facts?.webrtc).toMatchObject({
      ice: {
        state: 'waiting',
        pairs: [],
        serverCandidates: [`127.0.0.1:${rig.server.port}`, `127.0.0.1:${rig.server.port} tcp`],
        clientCandidates: ['host 192.0.2.9:50000 udp'],
      },
      dtls: { state: 'waiting' },
    });
    const place = `127.0.0.1:${rig.server.port}`;
    expect(past?.error).toContain(
      `the client was told UDP ${place}, TCP ${place}; its offer has host 192.0.2.9:50000 udp`,
    );
    expect(past?.error).toContain(`nothing arrived at UDP ${place}`);
    expect(past?.facts?.webrtc?.ice).not.toHaveProperty('firstCheckAfterMs', expect.any(Number));
    expect(past?.facts?.media[0]?.offered).toEqual(['VP8']);
    expect(JSON.stringify(past)).not.toContain('do-not-tell');
  });

  test('by which ways a client was known whose checks stopped', async () => {
    rig = await WebRtcRig.start({ consentTimeoutMs: 700 });
    await publishing('gone').then(({ client }) => client);
    const player = await playing('gone');
    player.client.stopChecks();
    await waitFor(() => expect(player.events.ended).toBe('ice_keep_alive'));
    const past = rig.hub.sessions.past.find(
      ({ mediaSessionId }) => mediaSessionId === player.session.mediaSessionId,
    )[0];
    expect(past?.facts?.webrtc?.ice).toMatchObject({
      state: 'lost',
      pairs: [{ remoteAddress: '127.0.0.1', remotePort: player.client.port, nominated: true, selected: false }],
    });
    expect(player.events.detail).toMatch(new RegExp(`tried: udp 127.0.0.1:${player.client.port} .* checks?`));
  });

  test('from where checks came that were made with another password', async () => {
    rig = await WebRtcRig.start();
    const publisher = await rig.publish('mixed up');
    const other = await rig.publish('another');
    const ufrag = (answer: string) => /a=ice-ufrag:(\S+)/.exec(answer)?.[1] ?? '';
    const stranger = rig.client({ tcp: true });
    await stranger.connect(
      other.session.answer.replaceAll(ufrag(other.session.answer), ufrag(publisher.session.answer)),
    );
    const session = rig.hub.sessions.get(publisher.session.mediaSessionId);
    await waitFor(() => expect(session?.explain?.()?.webrtc?.ice.rejected).toMatchObject([{ via: 'tcp', checks: 1 }]));
  });

  test('that its certificate was another one than announced', async () => {
    rig = await WebRtcRig.start();
    const claimedFingerprint = Array.from({ length: 32 }, () => 'AB').join(':');
    const publisher = await rig.publish('forged', { claimedFingerprint });
    await waitFor(() => expect(publisher.events.ended).toBe('dtls_fingerprint'));
    expect(remembered('dtls_fingerprint')).toMatchObject({
      streamName: 'forged',
      mediaType: 'publish',
      facts: { webrtc: { ice: { state: 'connected' } } },
    });
  });

  test('codec by codec, why an offer was refused', async () => {
    rig = await WebRtcRig.start({ videoCodecs: ['h264'], audioCodecs: ['pcma'] });
    await expect(rig.publish('refused')).rejects.toMatchObject({ code: 'NO_COMMON_CODECS' });
    expect(remembered('NO_COMMON_CODECS')?.facts?.media).toMatchObject([
      { kind: 'video', offered: ['VP8'], refused: [{ codec: 'VP8', reason: 'disabled' }] },
      { kind: 'audio', offered: ['opus'], refused: [{ codec: 'opus', reason: 'disabled' }] },
    ]);
  });

  test('that a client left before media flowed; one that leaves later is none that failed', async () => {
    rig = await WebRtcRig.start();
    await publishing('left');
    (await rig.play('left')).session.close();
    expect(remembered('client_left')).toMatchObject({ mediaType: 'play' });
    const before = rig.hub.sessions.past.size;
    (await playing('left')).session.close();
    expect(rig.hub.sessions.past.size).toBe(before);
  });

  test('nothing of players whose stream ends', async () => {
    rig = await WebRtcRig.start();
    const publisher = await publishing('over');
    const player = await playing('over');
    publisher.session.close();
    expect(player.events.ended).toBe('publisher_stopped');
    expect(rig.hub.sessions.past.size).toBe(0);
  });
});

describe('what is told of conversions for a WebRTC player', () => {
  test('which one it is, and that it failed', async () => {
    const converter = new RelabelConverter();
    rig = await WebRtcRig.start({ converter });
    const stream = rig.hub.streams.publish('bridged', { sessionId: 's', close: () => {} });
    const track = { id: 2, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [] } as const;
    const sound = (ms: number) =>
      stream.publish({
        track,
        units: [Uint8Array.of(1)],
        ptsUs: ms * 1000,
        dtsUs: ms * 1000,
        key: true,
        byteLength: 1,
      });
    sound(0);
    const player = await rig.play('bridged', { video: undefined });
    await waitFor(() => expect(player.events.active).toBe(true));
    let ms = 0;
    await waitFor(() => {
      ms += 20;
      sound(ms);
      expect(factsOf(player).media[0]).toMatchObject({ delivery: 'converted', codec: 'opus' });
    });
    expect(factsOf(player).media[0]?.conversion).toMatchObject({ kind: 'audio', from: 'aac', to: 'opus', users: 1 });
    converter.opened[0]?.fail('the sound is broken');
    expect(factsOf(player).media[0]).toMatchObject({ delivery: 'left_out', reason: 'the sound is broken' });
  });
});

function withCandidate(offer: string): string {
  return offer.replace('a=mid:0', 'a=candidate:1 1 udp 2130706431 192.0.2.9 50000 typ host\r\na=mid:0');
}
