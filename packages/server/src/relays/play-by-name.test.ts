import { afterEach, beforeEach, expect, it } from 'vitest';
import { findStream } from '../core/index.ts';
import { RelayRig } from './testing/relay-rig.ts';

const CAMERA = 'rtsp://user:hush@camera.example/one';

let rig: RelayRig;
beforeEach(() => {
  rig = new RelayRig({ byNameIdleTimeoutMs: 50 });
});
afterEach(() => rig.close());

const find = (name: string, signal = new AbortController().signal) =>
  findStream({ streams: rig.hub.streams, resolvers: rig.resolvers }, name, { waitMs: 0, signal });

it('viewers of an address share one connection, and get the stream when it has media', async () => {
  const first = find(CAMERA);
  const second = find(CAMERA);
  await expect.poll(() => rig.cameras.links.length).toBe(1);
  // The stream is in the registry by now, but may yet come to nothing.
  const third = find(CAMERA);
  rig.cameras.last.run();
  const streams = await Promise.all([first, second, third, find(CAMERA)]);
  expect(new Set(streams).size).toBe(1);
  expect(streams[0]?.name).toBe(CAMERA);
  expect(rig.cameras.links).toHaveLength(1);
  expect(rig.relays.all()).toMatchObject([{ origin: 'viewer', state: 'running' }]);
});

it('another spelling is another connection', async () => {
  rig.cameras.script = (link) => link.run();
  await Promise.all([find(CAMERA), find(`${CAMERA}/`)]);
  expect(rig.cameras.links).toHaveLength(2);
});

it.each([
  ['not_found', 'SOURCE_NOT_FOUND', 'Rtsp stream not found'],
  ['unreachable', 'SOURCE_UNREACHABLE', 'Failed to connect to rtsp stream'],
  ['stalled', 'SOURCE_UNREACHABLE', 'Failed to connect to rtsp stream'],
  ['invalid', 'SOURCE_INVALID', 'Rtsp has wrong format'],
  ['refused', 'SOURCE_REFUSED', 'Failed to connect to rtsp stream'],
] as const)('a first attempt that is %s is told to all who wait, and nothing stays', async (end, code, message) => {
  const waiting = [find(CAMERA), find(CAMERA)];
  await expect.poll(() => rig.cameras.links.length).toBe(1);
  waiting.push(find(CAMERA));
  rig.cameras.last.attempt.events.onConnected();
  rig.cameras.last.end(end, 'what happened');
  for (const one of waiting) await expect(one).rejects.toMatchObject({ code, message, cause: 'what happened' });
  expect(rig.relays.all()).toEqual([]);
  expect(rig.hub.streams.size).toBe(0);
  expect(rig.resolver.starting(CAMERA)).toBe(false);
  // The next one who asks begins anew.
  rig.cameras.script = (link) => link.run();
  expect(await find(CAMERA)).toBeDefined();
});

it('what has had media is made anew like others', async () => {
  rig.cameras.script = (link) => link.run();
  const stream = await find(CAMERA);
  stream?.addViewers(1);
  rig.cameras.last.end('not_found');
  await expect.poll(() => rig.cameras.links.length).toBe(2);
  expect(stream?.ended).toBe(false);
  stream?.addViewers(-1);
});

it('is let go of some time after its last viewer, recorder or push', async () => {
  rig.cameras.script = (link) => link.run();
  const stream = await find(CAMERA);
  stream?.addViewers(1);
  const reader = stream?.attach({ startAt: 'live', onReadable: () => {}, onEnd: () => {} });
  stream?.addViewers(-1);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(stream?.ended).toBe(false);
  reader?.close();
  await expect.poll(() => stream?.ended).toBe(true);
  expect(rig.cameras.last.closed).toBe('nobody watches');
});

it('a recorder that the settings start for every camera keeps none', async () => {
  await rig.close();
  rig = new RelayRig({ byNameIdleTimeoutMs: 50, recorded: ['rtsp'] });
  rig.cameras.script = (link) => link.run();
  const stream = await find(CAMERA);
  expect(stream?.publisher?.recording?.wanted).toBe(true);
  const recorder = stream?.attach({ startAt: 'live', onReadable: () => {}, onEnd: () => {} });
  stream?.addViewers(1);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(stream?.ended).toBe(false);
  stream?.addViewers(-1);
  await expect.poll(() => stream?.ended).toBe(true);
  recorder?.close();
});

it('one that the API began is not let go of', async () => {
  rig.cameras.script = (link) => link.run();
  await rig.relays.pull({ url: CAMERA });
  const stream = await find(CAMERA);
  stream?.addViewers(1);
  stream?.addViewers(-1);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(stream?.ended).toBe(false);
});

it('a viewer that goes before there is media waits no longer; others do', async () => {
  const search = new AbortController();
  const gone = find(CAMERA, search.signal);
  const stays = find(CAMERA);
  await expect.poll(() => rig.cameras.links.length).toBe(1);
  search.abort();
  expect(await gone).toBeUndefined();
  rig.cameras.last.run();
  expect(await stays).toBeDefined();
});

it('a protocol that lets an attempt hang keeps nobody waiting', async () => {
  await rig.close();
  rig = new RelayRig({ connectTimeoutMs: 50 });
  await expect(find(CAMERA)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', cause: 'no media came' });
  // A push may have to wait until its own source sends something.
  rig.publish('s');
  await rig.relays.push({ streamName: 's', url: 'rtmp://camera.example/live' });
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(rig.rtmp.links).toHaveLength(1);
});

it('the end of the server is told to those who wait', async () => {
  const waiting = find(CAMERA);
  waiting.catch(() => {});
  await expect.poll(() => rig.cameras.links.length).toBe(1);
  await rig.relays.close();
  await expect(waiting).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
});

it('names that are no addresses, or of no protocol that can pull, are left to others', () => {
  for (const name of [
    'stream',
    'rtsp:',
    '://',
    'ws://camera.example',
    'gopher://x',
    'whep://x',
    `${'a'.repeat(99)}://x`,
  ])
    expect(rig.resolver.accepts(name)).toBe(false);
  for (const name of [CAMERA, 'RTMP://x/y', 'rtsps://x']) expect(rig.resolver.accepts(name)).toBe(true);
});

it('addresses that the settings deny are denied to viewers', async () => {
  await expect(find('rtsp://10.0.0.1/a')).rejects.toMatchObject({ code: 'URL_DENIED' });
  expect(rig.resolver.starting('rtsp://10.0.0.1/a')).toBe(false);
});
