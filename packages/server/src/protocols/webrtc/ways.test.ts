import { afterEach, expect, test, vi } from 'vitest';
import { type RigSession, Sender, WebRtcRig } from './testing/rig.ts';
import { sourcesOf } from './testing/rtc-client.ts';

let rig: WebRtcRig;

afterEach(() => rig.close());

async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 8000, interval: 10 });
}

function pictures({ client, session }: RigSession): number {
  const { video } = sourcesOf(session.answer);
  return client.rtp.filter(({ ssrc }) => ssrc === video).length;
}

function transportOf(session: RigSession): string | undefined {
  return rig.hub.sessions.get(session.session.mediaSessionId)?.describe().transport;
}

const candidates = (answer: string) => answer.match(/^a=candidate:.*$/gm) ?? [];

test('a stream is published and played by TCP, and players go over to UDP and back in mid-call', async () => {
  rig = await WebRtcRig.start();
  const publisher = await rig.publish('wired', { tcp: true });
  expect(publisher.session.transport).toBeUndefined();
  await until(() => expect(publisher.client.connected).toBe(true));
  const sender = new Sender(publisher.client);
  sender.frame(true);
  await until(() => expect(publisher.events.active).toBe(true));
  const player = await rig.play('wired', { tcp: true });
  await until(() => expect(player.client.connected).toBe(true));
  expect([publisher.session.transport, player.session.transport, transportOf(player)]).toEqual(['tcp', 'tcp', 'TCP']);

  async function plays(transport: 'udp' | 'tcp'): Promise<void> {
    player.client.check();
    await until(() => expect(player.session.transport).toBe(transport));
    const before = pictures(player);
    for (let i = 0; i < 10; i++) sender.frame();
    await until(() => expect(pictures(player)).toBeGreaterThanOrEqual(before + 10));
    expect(transportOf(player)).toBe(transport.toUpperCase());
  }

  await plays('tcp');
  player.client.useUdp();
  await plays('udp');
  await player.client.reconnect();
  await plays('tcp');
  // The connection breaks, as when a telephone changes its network.
  await player.client.reconnect();
  await plays('tcp');
  // So does the publisher's.
  await publisher.client.reconnect();
  publisher.client.check();
  await plays('tcp');
});

test('publisher and player go on when their addresses change in mid-call, as soon as they check from the new ones', async () => {
  rig = await WebRtcRig.start();
  const publisher = await rig.publish('roaming');
  await until(() => expect(publisher.client.connected).toBe(true));
  const sender = new Sender(publisher.client);
  sender.frame(true);
  await until(() => expect(publisher.events.active).toBe(true));
  const player = await rig.play('roaming');
  await until(() => expect(pictures(player)).toBe(1));
  for (const mover of [publisher, player]) {
    mover.client.stopChecks();
    const before = rig.hub.sessions.get(mover.session.mediaSessionId)?.describe().packets ?? 0;
    await mover.client.rebind();
    // Media from where nobody proved to be is not taken.
    if (mover === publisher) sender.frame();
    mover.client.check();
    const seen = pictures(player);
    await until(() => {
      sender.frame();
      expect(pictures(player)).toBeGreaterThan(seen + 5);
    });
    expect(rig.hub.sessions.get(mover.session.mediaSessionId)?.describe().packets).toBeGreaterThan(before);
    expect([mover.events.ended, mover.session.transport]).toEqual([undefined, 'udp']);
  }
});

test('a client that asks for a transport is offered that one alone, and both when it does not', async () => {
  rig = await WebRtcRig.start();
  const publisher = await rig.publish('asked');
  const asking = async (transport?: 'udp' | 'tcp') => {
    const { session } = await rig.play('asked', { tcp: transport === 'tcp' }, { transport, waitMs: 0 });
    return candidates(session.answer).map((line) => line.split(' ')[2]);
  };
  await until(() => expect(publisher.client.connected).toBe(true));
  new Sender(publisher.client).frame(true);
  await until(() => expect(publisher.events.active).toBe(true));
  expect(await asking()).toEqual(['udp', 'tcp']);
  expect(await asking('udp')).toEqual(['udp']);
  expect(await asking('tcp')).toEqual(['tcp']);
});

test('TCP alone is offered to those who do not ask, when the settings prefer it', async () => {
  rig = await WebRtcRig.start({ prefersTcp: true });
  const { session } = await rig.publish('preferred', { tcp: true });
  expect(candidates(session.answer).map((line) => line.split(' ')[2])).toEqual(['tcp']);
});

test('who asks for TCP where there is none is told so, and it is remembered', async () => {
  rig = await WebRtcRig.start({ tcp: undefined, prefersTcp: true });
  const refusal = { code: 'TRANSPORT_DISABLED', message: expect.stringContaining('ice_tcp_enabled') };
  await expect(rig.play('none', {}, { transport: 'tcp' })).rejects.toMatchObject(refusal);
  expect(rig.hub.sessions.past.find(({ errorCode }) => errorCode === 'TRANSPORT_DISABLED')).toHaveLength(1);
  const { session } = await rig.publish('none');
  expect(candidates(session.answer).map((line) => line.split(' ')[2])).toEqual(['udp']);
});
