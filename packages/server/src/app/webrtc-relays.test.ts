import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SignallingServer } from '../control/index.ts';
import type { RelayEnd, Stream } from '../core/index.ts';
import { TestLog } from '../core/testing/hub.ts';
import { ScriptedAccess } from '../core/testing/scripted-access.ts';
import { apartMs, expectSame, watch } from '../protocols/webrtc/client/testing/came.ts';
import { RelayRig, type RelayRigOptions } from '../protocols/webrtc/client/testing/relay-rig.ts';
import { Source } from '../protocols/webrtc/client/testing/source.ts';
import { tlsIdentity } from './tls-identity.ts';

vi.setConfig({ testTimeout: 30_000 });

const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const work of cleanUp.splice(0).reverse()) await work();
});

async function waitFor(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 20_000, interval: 20 });
}

/** A server with the protocol of the Web SDK, and relays of another hub that reach for it. */
async function start(options: RelayRigOptions = {}) {
  const rig = await RelayRig.start(options);
  const access = new ScriptedAccess();
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-relays-'));
  const identity = await tlsIdentity({
    certificateFile: '',
    privateKeyFile: '',
    dataDir: folder,
    host: 'here.example',
    log: new TestLog(),
  });
  const server = new SignallingServer(
    { ...rig.there.hub, ticker: rig.there.ticker, peers: rig.there.server, access },
    {
      // Who leaves two pings unanswered is dropped.
      keepAliveIntervalMs: 200,
      keepAliveProbes: 2,
      listen: [
        { host: '127.0.0.1', port: 0 },
        { host: '127.0.0.1', port: 0, secure: true },
      ],
      identity,
    },
  );
  await server.start();
  cleanUp.push(async () => {
    await rig.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return { rig, access, server, identity, url: `ws://127.0.0.1:${server.port}` };
}

function sourceAt(
  streams: ConstructorParameters<typeof Source>[0],
  name: string,
  video: 'h264' | 'vp8' = 'h264',
): Source {
  const source = new Source(streams, name, { video });
  cleanUp.push(() => source.close());
  return source;
}

function watched(stream: Stream) {
  const { packets, reader } = watch(stream);
  cleanUp.push(() => reader.close());
  return packets;
}

describe.each(['h264', 'vp8'] as const)('by the protocol of the Web SDK, %s and Opus', (video) => {
  test('are pulled as they are, and the stream is stopped there in the end', async () => {
    const { rig, access, url } = await start();
    const source = sourceAt(rig.there.hub.streams, 'there', video);
    const stream = rig.target('here');
    const came = watched(stream);
    const relay = rig.pull(`${url}/websocket`, stream, { remoteStreamName: 'there' });
    await waitFor(() => {
      expectSame(came, source, { kind: 'video', newest: 40 });
      expectSame(came, source, { kind: 'audio', newest: 60 });
    });
    expect(Math.abs(apartMs(came))).toBeLessThan(80);
    expect(relay.told).toEqual(['connected', 'media']);
    const { remoteMediaSessionId = '' } = relay.link.facts();
    expect(rig.there.hub.sessions.get(remoteMediaSessionId)?.describe()).toMatchObject({ status: 'PLAYING' });
    relay.link.close('enough');
    expect(await relay.link.ended).toEqual({ code: 'closed', message: 'enough' });
    await waitFor(() => expect(access.open).toBe(0));
    expect(access.problems).toEqual([]);
  });

  test('are pushed as they are, under the name that is asked for', async () => {
    const { rig, access, url } = await start();
    const source = sourceAt(rig.hub.streams, 'mine', video);
    const relay = rig.push(url, source.stream, { remoteStreamName: 'theirs' });
    await waitFor(() => expect(rig.there.hub.streams.get('theirs')?.live).toBe(true));
    const came = watched(rig.there.hub.streams.get('theirs') as Stream);
    await waitFor(() => {
      expectSame(came, source, { kind: 'video', newest: 40 });
      expectSame(came, source, { kind: 'audio', newest: 60 });
    });
    expect(relay.told).toEqual(['connected', 'media']);
    relay.link.close('enough');
    await relay.link.ended;
    await waitFor(() => expect(rig.there.hub.streams.get('theirs')).toBeUndefined());
    await waitFor(() => expect(access.open).toBe(0));
  });
});

describe('a server with the protocol of the Web SDK', () => {
  async function endOf(relay: { readonly link: { readonly ended: Promise<RelayEnd> } }): Promise<RelayEnd> {
    return relay.link.ended;
  }

  test('is told the application and the token of the address', async () => {
    const { rig, access, url } = await start();
    sourceAt(rig.there.hub.streams, 'there');
    rig.pull(`${url}/?appKey=other&token=secret`, rig.target('here'), { remoteStreamName: 'there' });
    await waitFor(() => expect(access.whats).toContain('play'));
    expect(access.clients).toMatchObject([{ appKey: 'other', custom: { token: 'secret' } }]);
    expect(access.calls.find(({ what }) => what === 'play')?.fields).toMatchObject({ custom: { token: 'secret' } });
  });

  test('has no such stream: it is not found', async () => {
    const { rig, url } = await start();
    const relay = rig.pull(url, rig.target('here'), { remoteStreamName: 'nobody' });
    expect(await endOf(relay)).toEqual({ code: 'not_found', message: 'the server says FAILED: Stream not found' });
    expect(relay.told).toEqual([]);
  });

  test('has a stream of that name already: it may be tried again', async () => {
    const { rig, url } = await start();
    sourceAt(rig.there.hub.streams, 'taken');
    const source = sourceAt(rig.hub.streams, 'taken');
    expect(await endOf(rig.push(url, source.stream))).toMatchObject({ code: 'unreachable' });
  });

  test('refuses the session, or the stream: it is refused', async () => {
    const { rig, access, url } = await start();
    sourceAt(rig.there.hub.streams, 'there');
    access.answer = (what) => (what === 'play' ? { deny: 'not for you' } : undefined);
    const stream = rig.target('here');
    expect(await endOf(rig.pull(url, stream, { remoteStreamName: 'there' }))).toMatchObject({ code: 'refused' });
    access.answer = (what) => (what === 'connect' ? { deny: 'no' } : undefined);
    expect(await endOf(rig.pull(url, stream, { remoteStreamName: 'there' }))).toMatchObject({ code: 'refused' });
  });

  test('ends the stream: so does the relay, and the code says it was in good order', async () => {
    const { rig, url } = await start();
    const source = sourceAt(rig.there.hub.streams, 'there');
    const relay = rig.pull(url, rig.target('here'), { remoteStreamName: 'there' });
    await waitFor(() => expect(relay.told).toContain('media'));
    source.close();
    expect(await endOf(relay)).toMatchObject({ code: 'ended' });
  });

  test('is closed: the relay ends at once and can be tried again', async () => {
    const { rig, server, url } = await start();
    const source = sourceAt(rig.hub.streams, 'mine');
    const relay = rig.push(url, source.stream);
    await waitFor(() => expect(relay.told).toContain('media'));
    await server.close();
    expect(['unreachable', 'ended']).toContain((await endOf(relay)).code);
  });

  test('is reached by TLS when its certificate is good, or need not be', async () => {
    const { rig, server } = await start();
    sourceAt(rig.there.hub.streams, 'there');
    const url = `wss://127.0.0.1:${server.securePort}/`;
    const strict = rig.pull(url, rig.target('strict'), { remoteStreamName: 'there' });
    expect(await endOf(strict)).toMatchObject({ code: 'unreachable', message: expect.stringContaining('certificate') });
    const { rig: lax, server: other } = await start({ tlsVerify: false });
    sourceAt(lax.there.hub.streams, 'there');
    const relay = lax.pull(`wss://localhost:${other.securePort}`, lax.target('lax'), { remoteStreamName: 'there' });
    await waitFor(() => expect(relay.told).toEqual(['connected', 'media']));
  });
});

test('WHIP and WHEP by HTTPS are used when the certificate is good, or need not be', async () => {
  for (const tlsVerify of [true, false]) {
    const { rig, identity } = await start({ tlsVerify });
    const web = createServer(identity, (request, response) => rig.serve(request, response)).listen(0, '127.0.0.1');
    await once(web, 'listening');
    cleanUp.push(() => void web.close());
    const source = sourceAt(rig.there.hub.streams, 'there');
    const host = `127.0.0.1:${(web.address() as AddressInfo).port}`;
    const pull = rig.pull(`wheps://${host}/whep/there`, rig.target('here'));
    const push = rig.push(`whips://${host}/whip/back`, source.stream);
    for (const relay of [pull, push]) {
      if (tlsVerify)
        expect(await relay.link.ended).toMatchObject({
          code: 'unreachable',
          message: expect.stringContaining('relay_tls_verify'),
        });
      else await waitFor(() => expect(relay.told).toEqual(['connected', 'media']));
    }
  }
});
