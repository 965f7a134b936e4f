import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { apartMs, expectSame, watch } from './testing/came.ts';
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
