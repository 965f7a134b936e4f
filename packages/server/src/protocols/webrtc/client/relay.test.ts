import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { apartMs, expectSame, ofKind, watch } from './testing/came.ts';
import { isMedia, LossyPath } from './testing/lossy-path.ts';
import { RelayRig } from './testing/relay-rig.ts';
import { Source, type SourceOptions } from './testing/source.ts';

vi.setConfig({ testTimeout: 30_000 });

let rig: RelayRig;
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const work of cleanUp.splice(0)) await work();
  await rig.close();
});

async function waitFor(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });
}

function sourceAt(streams: ConstructorParameters<typeof Source>[0], name: string, options?: SourceOptions): Source {
  const source = new Source(streams, name, options);
  cleanUp.push(() => source.close());
  return source;
}

function watched(stream: Stream) {
  const { packets, reader } = watch(stream);
  cleanUp.push(() => reader.close());
  return packets;
}

describe.each(['h264', 'vp8'] as const)('a stream of %s and Opus', (video) => {
  test('is pulled by WHEP as it is, from a key frame on, and deleted there in the end', async () => {
    rig = await RelayRig.start();
    const source = sourceAt(rig.there.hub.streams, 'there', { video });
    const stream = rig.target('here');
    const came = watched(stream);
    const relay = rig.pull('whep://HOST/whep/there', stream);
    await waitFor(() => {
      expectSame(came, source, { kind: 'video', newest: 40 });
      expectSame(came, source, { kind: 'audio', newest: 60 });
    });
    expect(Math.abs(apartMs(came))).toBeLessThan(80);
    expect(relay.told).toEqual(['connected', 'media']);
    expect(relay.link.facts()).toMatchObject({ remoteAddress: '127.0.0.1', transport: 'UDP' });
    relay.link.close('enough');
    expect(await relay.link.ended).toEqual({ code: 'closed', message: 'enough' });
    expect(rig.requests.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
    expect(rig.there.server.peerCount).toBe(0);
  });

  test('is pushed by WHIP as it is, and ends there with the relay', async () => {
    rig = await RelayRig.start();
    const source = sourceAt(rig.hub.streams, 'mine', { video });
    const relay = rig.push('whip://HOST/whip/theirs', source.stream);
    await waitFor(() => expect(rig.there.hub.streams.get('theirs')?.live).toBe(true));
    const came = watched(rig.there.hub.streams.get('theirs') as Stream);
    await waitFor(() => {
      expectSame(came, source, { kind: 'video', newest: 40 });
      expectSame(came, source, { kind: 'audio', newest: 60 });
    });
    expect(Math.abs(apartMs(came))).toBeLessThan(80);
    expect(relay.told).toEqual(['connected', 'media']);
    relay.link.close('enough');
    await relay.link.ended;
    expect(rig.there.hub.streams.get('theirs')).toBeUndefined();
  });
});

/** Has the media of the server there come and go by a path that loses every `nth` packet of media. */
async function loseEvery(nth: number): Promise<LossyPath> {
  const path = new LossyPath(rig.there.server.port);
  const port = await path.start();
  cleanUp.push(() => path.close());
  let count = 0;
  path.isLost = (datagram) => isMedia(datagram) && ++count % nth === 0;
  rig.rewrite = (answer) => answer.replace(/^(a=candidate:.* )\d+( typ host)/gm, `$1${port}$2`);
  return path;
}

describe('on a network that loses', () => {
  test('what is pulled is asked for again, and is whole', async () => {
    rig = await RelayRig.start();
    const source = sourceAt(rig.there.hub.streams, 'there');
    const path = await loseEvery(31);
    const stream = rig.target('here');
    const came = watched(stream);
    const relay = rig.pull('whep://HOST/whep/there', stream);
    await waitFor(() => expectSame(came, source, { kind: 'video', newest: 60 }));
    expect(path.lost).toBeGreaterThan(5);
    expect(relay.link.facts().lostPackets).toBeGreaterThan(0);
  });

  test('what is pushed is sent again on request, and is whole there', async () => {
    rig = await RelayRig.start();
    const source = sourceAt(rig.hub.streams, 'mine');
    const path = await loseEvery(31);
    rig.push('whip://HOST/whip/theirs', source.stream);
    await waitFor(() => expect(rig.there.hub.streams.get('theirs')?.live).toBe(true));
    const came = watched(rig.there.hub.streams.get('theirs') as Stream);
    await waitFor(() => expectSame(came, source, { kind: 'video', newest: 60 }));
    expect(path.lost).toBeGreaterThan(5);
  });
});

test('what is pulled by a second connection goes on in the stream of the first, its time too', async () => {
  rig = await RelayRig.start();
  const source = sourceAt(rig.there.hub.streams, 'there');
  const stream = rig.target('here');
  const came = watched(stream);
  const first = rig.pull('whep://HOST/whep/there', stream);
  await waitFor(() => expectSame(came, source, { kind: 'video', newest: 10 }));
  first.link.close('the network is gone');
  await first.link.ended;
  const before = came.length;
  const onConnected = () => stream.beginAnew();
  rig.pull('whep://HOST/whep/there', stream, { events: { onConnected, onMedia: () => {}, onNote: () => {} } });
  await waitFor(() => expectSame(came.slice(before), source, { kind: 'video', newest: 10 }));
  expect(stream.state.epoch).toBe(1);
  const times = ofKind(came, 'video').map(({ dtsUs }) => dtsUs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test('sound that WebRTC has not is converted on its way to another server', async () => {
  rig = await RelayRig.start({ converter: new RelabelConverter() });
  const source = sourceAt(rig.hub.streams, 'mine', { audio: 'aac' });
  const relay = rig.push('whip://HOST/whip/theirs', source.stream);
  await waitFor(() => {
    const { video, audio } = rig.there.hub.streams.get('theirs')?.state ?? {};
    expect([video?.codec, audio?.codec]).toEqual(['h264', 'opus']);
  });
  const came = watched(rig.there.hub.streams.get('theirs') as Stream);
  await waitFor(() => expectSame(came, source, { kind: 'video', newest: 20 }));
  expect(ofKind(came, 'audio').length).toBeGreaterThan(10);
  expect(relay.notes).toEqual([]);
});

test('relays that are closed at any time let go of all, and a hundred of them leave nothing', async () => {
  // On a busy machine it takes a while to tell the other side.
  rig = await RelayRig.start({ closeTimeoutMs: 15_000 });
  const source = sourceAt(rig.there.hub.streams, 'there');
  const stream = rig.target('here');
  const ends = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const { link } =
        i % 2 === 0 ? rig.pull('whep://HOST/whep/there', stream) : rig.push('whip://HOST/whip/theirs', source.stream);
      setTimeout(() => link.close('early'), i);
      return link.ended;
    }),
  );
  expect(new Set(ends.map(({ code }) => code))).toContain('closed');
  await waitFor(() => expect(rig.there.server.peerCount).toBe(0));
  expect(source.stream.viewers).toBe(0);
  expect(rig.there.server.sizes).toMatchObject({ paths: 0, ufrags: 0 });
});
