import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PeerRequest } from '../../../core/index.ts';
import { Sender, WebRtcRig } from '../testing/rig.ts';
import type { RtcClient } from '../testing/rtc-client.ts';
import { Tunnel } from './testing/tunnel.ts';
import { selfSigned, TurnRig } from './testing/turn-rig.ts';

let rtc: WebRtcRig;
let turn: TurnRig;

beforeEach(async () => {
  rtc = await WebRtcRig.start();
  turn = await TurnRig.start(await selfSigned(), {}, rtc.server.mediaPort);
});

afterEach(async () => {
  await turn.close();
  await rtc.close();
});

const soon = { timeout: 8000, interval: 10 };

/** A publisher or a player that reaches the server by TURN only. */
async function behindTurn(way: 'publish' | 'play', transport: 'tcp' | 'tls') {
  const tunnel = await Tunnel.open(await turn.connect(transport), rtc.server.port);
  const client: RtcClient = rtc.client({ direction: way === 'publish' ? 'sendonly' : 'recvonly' });
  const session = await rtc.server[way](requestOf(client));
  await client.connect(session.answer.replaceAll(` ${rtc.server.port} typ `, ` ${tunnel.port} typ `));
  await vi.waitFor(() => expect(client.connected).toBe(true), soon);
  return { client, session, tunnel };
}

function requestOf(client: RtcClient): PeerRequest {
  return {
    streamName: 'relayed',
    mediaSessionId: randomUUID(),
    sessionId: '/127.0.0.1:1/127.0.0.1:2',
    appKey: 'defaultApp',
    mediaProvider: 'WebRTC',
    remoteAddress: '127.0.0.1',
    offer: client.offer,
    videoOrientation: true,
    custom: {},
    events: { onActive: () => {}, onEnded: () => {} },
  };
}

it('carries a publisher and a player, whose paths go when their connections do', async () => {
  const publisher = await behindTurn('publish', 'tls');
  const sender = new Sender(publisher.client);
  sender.frame(true);
  await vi.waitFor(() => expect(rtc.hub.streams.get('relayed')?.state.video).toBeDefined(), soon);
  const player = await behindTurn('play', 'tcp');
  for (let i = 0; i < 20; i++) sender.frame();
  await vi.waitFor(() => expect(player.client.rtp.length).toBeGreaterThan(20), soon);
  expect(rtc.server.sizes.paths).toBe(2);
  expect(turn.server.sizes.allocations).toBe(2);
  player.tunnel.close();
  await vi.waitFor(() => expect(rtc.server.sizes.paths).toBe(1), soon);
  publisher.tunnel.close();
  await vi.waitFor(() => expect(rtc.server.sizes.paths).toBe(0), soon);
  expect(turn.server.sizes).toEqual({ allocations: 0, connections: 0, udpClients: 0 });
});
