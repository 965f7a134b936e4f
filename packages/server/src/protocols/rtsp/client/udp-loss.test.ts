import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { prng } from '../../../../../media/src/testing/mutate.ts';
import { parseTransports } from '../wire/transport.ts';
import { PullRig, until } from './testing/pull-rig.ts';
import { ordinaryAnswer, ScriptedCamera } from './testing/scripted-camera.ts';
import { SyntheticVideo } from './testing/synthetic-video.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface UdpCamera {
  readonly camera: ScriptedCamera;
  readonly socket: Socket;
  /** Where the client wants its RTP. */
  clientPort(): number;
}

/** A camera that sends by UDP what the test tells it to; its answer to SETUP says `transport` beside the ports. */
async function udpCamera(transport: (port: number) => string): Promise<UdpCamera> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let port = 0;
  const camera = await ScriptedCamera.start((request) => {
    if (request.method !== 'SETUP') return ordinaryAnswer(request);
    const asked = request.headers.get('Transport') ?? '';
    port = parseTransports(asked)[0]?.clientPort?.[0] ?? 0;
    return { headers: { Session: '4711', Transport: `${asked}${transport(socket.address().port)}` } };
  });
  cleanups.push(
    () => new Promise<void>((resolve) => socket.close(resolve)),
    () => camera.close(),
  );
  return { camera, socket, clientPort: () => port };
}

function rig(...args: ConstructorParameters<typeof PullRig>): PullRig {
  const made = new PullRig(...args);
  cleanups.push(() => made.close());
  return made;
}

function send({ socket, clientPort }: UdpCamera, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => socket.send(bytes, clientPort(), '127.0.0.1', () => resolve()));
}

test.each([1, 2, 3])('with loss, reordering and duplicates pictures are whole or absent, seed %i', async (seed) => {
  const video = new SyntheticVideo({ keyInterval: 15 });
  const random = prng(seed);
  const source = await udpCamera((port) => `;server_port=${port}-${port + 1}`);
  const pulling = rig({ interleaved: false });
  const link = pulling.pull(source.camera.url);
  await until(() => source.camera.methods.includes('PLAY'));
  const damaged = new Set<number>();
  let late: Uint8Array[] = [];
  for (let number = 0; number < 150; number++) {
    for (const packet of video.next()) {
      const dice = random();
      if (dice < 0.02) damaged.add(number);
      else if (dice < 0.06) late.push(packet);
      else {
        await send(source, packet);
        if (dice < 0.1) await send(source, packet);
        for (const other of late) await send(source, other);
        late = [];
      }
    }
    // A picture takes its time, so that what waits for a lost packet is given up by the clock.
    await new Promise((resolve) => setTimeout(resolve, 8));
  }
  for (const packet of late) await send(source, packet);
  const expected = new Set<number>();
  let broken = false;
  for (let number = 0; number < 150; number++) {
    if (damaged.has(number)) broken = true;
    else if (video.isKey(number)) broken = false;
    if (!broken) expected.add(number);
  }
  const last = [...expected].at(-1) ?? 0;
  const numbers = (): (number | undefined)[] => pulling.packets.map((packet) => video.numberOf(packet));
  await until(() => (numbers().at(-1) ?? -1) >= last, `picture ${last}, there is ${numbers().at(-1)}`);
  expect(numbers()).not.toContain(undefined);
  for (const number of numbers()) expect(expected, `picture ${number}`).toContain(number);
  expect(numbers()).toEqual([...numbers()].sort((a, b) => (a ?? 0) - (b ?? 0)));
  // Late packets may have been given up for lost, never the other way round.
  expect(numbers().length).toBeGreaterThan(expected.size * 0.6);
  expect(damaged.size).toBeGreaterThan(3);
  expect(link.facts().lostPackets).toBeGreaterThan(3);
});

test.each([
  ['no ports at all', () => ''],
  ['wrong ports', () => ';server_port=1-2;ssrc=00000000'],
  ['ports of 0', () => ';server_port=0-0'],
  ['its own address as source', (port: number) => `;source=127.0.0.1;server_port=${port}-${port + 1}`],
] as const)('a camera that tells %s is played all the same', async (_what, transport) => {
  const video = new SyntheticVideo();
  const source = await udpCamera(transport);
  const pulling = rig({}, {});
  const link = pulling.pull(source.camera.url.replace('rtsp:', 'rtspu:'));
  await until(() => source.camera.methods.includes('PLAY'));
  for (let i = 0; i < 12; i++) for (const packet of video.next()) await send(source, packet);
  await until(() => pulling.packets.length >= 11);
  expect(link.facts().transport).toBe('UDP');
});

test('datagrams that are no RTP, or of nobody that is known, are counted and change nothing', async () => {
  const video = new SyntheticVideo();
  const source = await udpCamera(() => '');
  const pulling = rig();
  pulling.pull(source.camera.url.replace('rtsp:', 'rtspu:'));
  await until(() => source.camera.methods.includes('PLAY'));
  const stranger = createSocket('udp4').bind(0, '127.0.0.2');
  cleanups.push(() => new Promise<void>((resolve) => stranger.close(resolve)));
  for (const packet of video.next()) await send(source, packet);
  await send(source, Buffer.from('this is no RTP'));
  const forged = new SyntheticVideo({ sequence: 100 }).next();
  for (const packet of forged) stranger.send(packet, source.clientPort(), '127.0.0.1');
  await until(() => pulling.hub.counters.of('rtsp_malformed_datagrams') === forged.length + 1);
  for (let i = 0; i < 5; i++) for (const packet of video.next()) await send(source, packet);
  await until(() => pulling.packets.length >= 5);
  expect(pulling.packets.map((packet) => video.numberOf(packet)).slice(0, 5)).toEqual([0, 1, 2, 3, 4]);
});

test('the way through a NAT is opened towards the ports that the camera tells', async () => {
  const source = await udpCamera((port) => `;server_port=${port}-${port}`);
  const datagrams: number[] = [];
  source.socket.on('message', (bytes) => datagrams.push(bytes[1] ?? 0));
  rig().pull(source.camera.url.replace('rtsp:', 'rtspu:'));
  await until(() => datagrams.includes(201) && datagrams.some((second) => (second & 0x7f) === 127));
});

test('where nothing comes by UDP, media is asked for over the connection', async () => {
  const video = new SyntheticVideo();
  const camera = await ScriptedCamera.start((request, connection) => {
    const tcp = connection.requests.some(({ headers }) => headers.get('Transport')?.includes('TCP'));
    if (request.method !== 'PLAY' || !tcp) return ordinaryAnswer(request);
    connection.answer(request, ordinaryAnswer(request));
    for (let i = 0; i < 12; i++) for (const packet of video.next()) connection.frame(0, packet);
    return undefined;
  });
  cleanups.push(() => camera.close());
  const pulling = rig({ interleaved: false, udpPatienceMs: 300 });
  const link = pulling.pull(camera.url);
  await until(() => pulling.packets.length > 5);
  expect(link.facts().transport).toBe('TCP');
  expect(pulling.notes).toEqual([expect.stringMatching(/no media came by UDP/)]);
  expect([pulling.connected, pulling.media]).toEqual([1, 1]);
  expect(camera.methods).toContain('TEARDOWN');
});
