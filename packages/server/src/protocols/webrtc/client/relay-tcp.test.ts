import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test, vi } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { ofKind, watch } from './testing/came.ts';
import { RelayRig } from './testing/relay-rig.ts';
import { Source } from './testing/source.ts';

let rig: RelayRig;
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const work of cleanUp.splice(0)) await work();
  await rig.close();
});

function waitFor(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 20 });
}

function sourceAt(streams: ConstructorParameters<typeof Source>[0], name: string): Source {
  const source = new Source(streams, name, { video: 'vp8' });
  cleanUp.push(() => source.close());
  return source;
}

function watched(stream: Stream) {
  const { packets, reader } = watch(stream);
  cleanUp.push(() => reader.close());
  return packets;
}

/** A UDP port where nobody answers. */
async function silentPort(): Promise<number> {
  const socket: Socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  cleanUp.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return socket.address().port;
}

const withoutUdp = (answer: string) => answer.replace(/^a=candidate:\S+ 1 udp .*\r\n/gm, '');
const udpAt = (port: number) => (answer: string) =>
  answer.replace(/^(a=candidate:\S+ 1 udp \d+ \S+) \d+/gm, `$1 ${port}`);

test('a server that offers TCP alone is pulled from and pushed to by TCP', async () => {
  rig = await RelayRig.start();
  rig.rewrite = withoutUdp;
  sourceAt(rig.there.hub.streams, 'there');
  const stream = rig.target('here');
  const came = watched(stream);
  const pull = rig.pull('whep://HOST/whep/there', stream);
  await waitFor(() => expect(ofKind(came, 'video').length).toBeGreaterThan(20));
  expect(pull.link.facts()).toMatchObject({ remoteAddress: '127.0.0.1', transport: 'TCP' });
  const push = rig.push('whip://HOST/whip/theirs', sourceAt(rig.hub.streams, 'mine').stream);
  await waitFor(() => expect(rig.there.hub.streams.get('theirs')?.live).toBe(true));
  await waitFor(() => expect(push.link.facts().transport).toBe('TCP'));
});

test('TCP takes over when nobody answers by UDP', async () => {
  rig = await RelayRig.start();
  rig.rewrite = udpAt(await silentPort());
  sourceAt(rig.there.hub.streams, 'there');
  const stream = rig.target('here');
  const pull = rig.pull('whep://HOST/whep/there', stream);
  await waitFor(() => expect(pull.told).toEqual(['connected', 'media']));
  expect(pull.link.facts().transport).toBe('TCP');
});

test('an attempt without a way says what was tried', async () => {
  rig = await RelayRig.start();
  const port = await silentPort();
  rig.rewrite = udpAt(port);
  sourceAt(rig.there.hub.streams, 'there');
  const silent = rig.pull('whep://HOST/whep/there', rig.target('silent'), { connectTimeoutMs: 600 });
  await waitFor(() => expect(silent.end?.message).toContain(`tried udp 127.0.0.1:${port} (no answer)`));
  rig.rewrite = (answer) => withoutUdp(answer).replace(/ \d+ typ host tcptype/g, ` ${port} typ host tcptype`);
  const closed = rig.pull('whep://HOST/whep/there', rig.target('closed'), { connectTimeoutMs: 600 });
  await waitFor(() => expect(closed.end?.message).toContain(`tried tcp 127.0.0.1:${port} (no connection)`));
  expect([silent.end?.code, closed.end?.code]).toEqual(['unreachable', 'unreachable']);
});

test('TCP is not tried where it is turned off', async () => {
  rig = await RelayRig.start({ tcp: undefined });
  rig.rewrite = withoutUdp;
  sourceAt(rig.there.hub.streams, 'there');
  const pull = rig.pull('whep://HOST/whep/there', rig.target('here'), { connectTimeoutMs: 600 });
  await waitFor(() => expect(pull.end?.message).toMatch(/it gave no address that could be tried/));
});
