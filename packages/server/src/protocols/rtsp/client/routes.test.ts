import { expect, test } from 'vitest';
import { ChannelRoutes } from './channel-routes.ts';
import { PullHints } from './pull-hints.ts';
import { UdpPorts } from './udp-pair.ts';
import { UdpRoute, type UdpRouteOptions } from './udp-route.ts';

const rtp = (payloadType: number): Uint8Array => Uint8Array.of(0x80, payloadType, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

test('packets go to the track whose channels the server agreed to', () => {
  const routes = new ChannelRoutes();
  routes.add(0, 96, [0, 1]);
  routes.add(1, 97, [2, 3]);
  expect(routes.find(2, rtp(97))).toEqual({ track: 1, rtcp: false });
  expect(routes.find(1, rtp(200))).toEqual({ track: 0, rtcp: true });
  expect(routes.rtcpChannel(1)).toBe(3);
});

test('where channels are wrong or used twice, the payload type decides', () => {
  const routes = new ChannelRoutes();
  routes.add(0, 96, [0, 1]);
  routes.add(1, 8, [0, 1]);
  expect(routes.find(0, rtp(8 | 0x80))).toEqual({ track: 1, rtcp: false });
  expect(routes.find(9, rtp(96))).toEqual({ track: 0, rtcp: false });
  expect(routes.find(9, rtp(200))).toEqual({ track: undefined, rtcp: true });
  expect(routes.find(9, rtp(33))).toBeUndefined();
  expect(routes.find(9, new Uint8Array(0))).toBeUndefined();
});

function udpRoute(options: Partial<UdpRouteOptions> = {}) {
  const sent: { rtcp: boolean; to: string }[] = [];
  const pair: UdpRouteOptions['pair'] = {
    send: (rtcp, _bytes, to) => sent.push({ rtcp, to: `${to.address}:${to.port}` }),
  };
  const route = new UdpRoute({
    pair,
    remoteAddress: '10.0.0.1',
    source: undefined,
    serverPorts: undefined,
    ...options,
  });
  return { route, sent };
}

test('datagrams are taken from any port of the server, from the first that sends, and from nobody else', () => {
  const { route } = udpRoute({ serverPorts: [5000, 5001] });
  expect(route.accept(false, rtp(96), { address: '10.0.0.9', port: 5000 }, 0)).toBe(false);
  expect(route.heard).toBe(false);
  expect(route.accept(false, rtp(96), { address: '10.0.0.1', port: 7000 }, 0)).toBe(true);
  expect(route.accept(false, rtp(96), { address: '10.0.0.1', port: 5000 }, 10)).toBe(false);
  expect(route.accept(false, rtp(96), { address: '10.0.0.1', port: 5000 }, 2000)).toBe(true);
  expect(route.accept(false, rtp(96), { address: '::ffff:10.0.0.1', port: 5000 }, 9000)).toBe(true);
  expect(route.accept(false, Uint8Array.of(1, 2, 3), { address: '10.0.0.1', port: 5000 }, 9000)).toBe(false);
});

test('datagrams are taken from the source that the server names', () => {
  const { route } = udpRoute({ source: '10.0.0.2' });
  expect(route.accept(false, rtp(96), { address: '10.0.0.2', port: 7000 }, 0)).toBe(true);
});

test('datagrams from port 0 are left alone, as an answer to them would be an error of the system', () => {
  const { route, sent } = udpRoute();
  for (const isRtcp of [false, true])
    expect(route.accept(isRtcp, rtp(isRtcp ? 200 : 96), { address: '10.0.0.1', port: 0 }, 0)).toBe(false);
  route.sendRtcp(rtp(201));
  expect([route.heard, sent]).toEqual([false, []]);
});

test('RTCP goes where the server told, or next to where its packets come from', () => {
  const told = udpRoute({ serverPorts: [5000, 5001] });
  told.route.sendRtcp(rtp(201));
  told.route.punch();
  expect(told.sent.map(({ to }) => to)).toEqual(['10.0.0.1:5001', '10.0.0.1:5000', '10.0.0.1:5001']);

  const untold = udpRoute({ source: '10.0.0.2' });
  untold.route.sendRtcp(rtp(201));
  untold.route.punch();
  expect(untold.sent).toEqual([]);
  untold.route.accept(false, rtp(96), { address: '10.0.0.2', port: 7000 }, 0);
  untold.route.sendRtcp(rtp(201));
  untold.route.accept(true, rtp(200), { address: '10.0.0.2', port: 7777 }, 0);
  untold.route.sendRtcp(rtp(201));
  expect(untold.sent.map(({ to }) => to)).toEqual(['10.0.0.2:7001', '10.0.0.2:7777']);
});

test('pairs of ports are even and odd, within the range, and none is given twice', async () => {
  const ports = new UdpPorts({ portFrom: 42_001, portTo: 42_006, localAddress: '127.0.0.1' });
  const events = { onDatagram: () => undefined };
  const first = await ports.take(4, events);
  const second = await ports.take(4, events);
  expect([first.ports, second.ports]).toEqual([
    [42_002, 42_003],
    [42_004, 42_005],
  ]);
  await expect(ports.take(4, events)).rejects.toMatchObject({ code: 'unreachable' });
  first.close();
  first.close();
  const again = await ports.take(4, events);
  expect(again.ports).toEqual([42_002, 42_003]);
  again.close();
  second.close();
});

test('what attempts learned is kept for the newest addresses only', () => {
  const hints = new PullHints();
  hints.setNeedsTcp('first');
  hints.setLocation('first', 'rtsp://elsewhere/');
  expect([hints.takeLocation('first'), hints.takeLocation('first')]).toEqual(['rtsp://elsewhere/', undefined]);
  expect(hints.needsTcp('first')).toBe(true);
  for (let i = 0; i < 1000; i++) hints.setNeedsTcp(`other ${i}`);
  expect(hints.needsTcp('first')).toBe(false);
  expect(hints.needsTcp('other 0')).toBe(true);
});
