import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { encodeAmf0, writeAacFrameTag } from '@sluice/media';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_IN_BUFFER_OPTIONS } from './in-buffer.ts';
import { DEFAULT_RTMP_OPTIONS, type RtmpOptions } from './options.ts';
import { commandOf, type TestClient } from './testing/client.ts';
import { ASC, AVC_CONFIG, avcFrame, RtmpRig } from './testing/rig.ts';
import { MESSAGE } from './wire/chunk-writer.ts';

let rig: RtmpRig;

async function start(options: Partial<RtmpOptions> = {}): Promise<RtmpRig> {
  rig = await RtmpRig.start(options);
  return rig;
}

afterEach(() => rig.close());

function customOf(name: string): unknown {
  return [...rig.hub.sessions.all()].map((s) => s.describe()).find((d) => d.streamName === name)?.custom;
}

/** A port that was free a moment ago on every address. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Sends a second of picture and sound. */
function feed(source: TestClient): void {
  for (let ms = 0; ms < 1000; ms += 40) {
    source.send(MESSAGE.video, avcFrame(ms === 0), ms);
    source.send(MESSAGE.audio, writeAacFrameTag(new Uint8Array(60).fill(0x21)), ms);
  }
}

describe('parameters of the RTMP URL', () => {
  it('keeps those of the connection apart from those of the stream', async () => {
    await start();
    const source = await rig.client('live?token=abc&x=1');
    await source.publish('cam?x=2&y=3');
    expect(customOf('cam')).toEqual({ x: '2', y: '3' });
    expect([...rig.hub.connections.all()][0]?.describe().custom).toEqual({ token: 'abc', x: '1' });
  });

  it('merges them into those of the stream when so set', async () => {
    await start({ mergeConnectionParameters: true });
    const source = await rig.client('live?token=abc&x=1');
    await source.publish('cam?x=2&y=3');
    expect(customOf('cam')).toEqual({ token: 'abc', x: '2', y: '3' });
  });

  it('replaces sound by silence of the same length for players that ask for it, and for no others', async () => {
    await start();
    const source = await rig.publisher('cam');
    const quiet = await rig.client('live?suppress_sound=true');
    const normal = await rig.client();
    await Promise.all([quiet.play('cam'), normal.play('cam')]);
    feed(source);
    const isSound = (m: { type: number; payload: Uint8Array }): boolean =>
      m.type === MESSAGE.audio && m.payload[1] === 1;
    const silent = await quiet.until(isSound);
    const loud = await normal.until(isSound);
    expect(loud.payload).toHaveLength(62);
    expect(silent.payload.length).toBeLessThan(20);
    expect(silent.timestamp).toBe(loud.timestamp);
  });
});

describe('RTMP playback settings', () => {
  it('refuses players but not publishers when playback is off', async () => {
    await start({ playbackEnabled: false });
    await rig.publisher('cam');
    const player = await rig.client();
    expect(await player.play('cam')).toMatchObject({ code: 'NetStream.Play.Failed' });
    expect(rig.hub.streams.get('cam')?.live).toBe(true);
  });

  it('holds sound back until a picture came when video is to be first', async () => {
    await start({ sendVideoFirst: true });
    const source = await rig.client();
    await source.publish('cam');
    source.send(MESSAGE.audio, Uint8Array.of(0xaf, 0, ...ASC));
    const player = await rig.client();
    await player.play('cam');
    for (let ms = 0; ms < 400; ms += 20) source.send(MESSAGE.audio, writeAacFrameTag(new Uint8Array(60)), ms);
    source.send(MESSAGE.video, AVC_CONFIG, 400);
    source.send(MESSAGE.video, avcFrame(true), 400);
    source.send(MESSAGE.audio, writeAacFrameTag(new Uint8Array(60)), 420);
    const sound = await player.until((m) => m.type === MESSAGE.audio && m.payload[1] === 1);
    expect(sound.timestamp).toBe(420);
  });
});

describe('what publishers may send', () => {
  it('leaves a kind out that has no codecs, whatever its codec, and counts it', async () => {
    await start({ publishMedia: { ...DEFAULT_RTMP_OPTIONS.publishMedia, audio: new Set() } });
    const source = await rig.publisher('cam');
    source.send(MESSAGE.audio, Uint8Array.of(0x2f, 1, 2, 3), 0);
    feed(source);
    await vi.waitFor(() => expect(rig.hub.streams.get('cam')?.videoRate.packets).toBe(25));
    expect(rig.hub.streams.get('cam')?.state.audio).toBeUndefined();
    const description = [...rig.hub.sessions.all()][0]?.describe();
    expect(description?.drops.not_carried).toBe(27);
  });

  it('refuses a codec that is not in the list, by name', async () => {
    await start({ publishMedia: { ...DEFAULT_RTMP_OPTIONS.publishMedia, audio: new Set(['opus']) } });
    const source = await rig.publisher('cam');
    const status = await source.until((m) => Buffer.from(m.payload).includes('NetStream.Publish.Failed'));
    expect(Buffer.from(status.payload).toString()).toMatch(/AAC/);
    await source.closed;
  });
});

describe('supervision of RTMP peers', () => {
  const quiet = { ...DEFAULT_RTMP_OPTIONS.supervision, keepAlive: false };

  it.each([
    ['nothing received', { readTimeoutMs: 500 }],
    ['nothing sent', { writeTimeoutMs: 500 }],
    ['nothing received or sent', { idleTimeoutMs: 500 }],
  ])(
    'closes a connection after its timeout: %s',
    async (text, timeout) => {
      await start({ supervision: { ...quiet, ...timeout } });
      const peer = await rig.client();
      await peer.closed;
      expect(JSON.stringify(rig.hub.log.lines)).toContain(text);
      expect(rig.hub.counters.of('rtmp_silent_peers')).toBe(1);
    },
    20_000,
  );

  it('leaves a silent connection alone without keep-alive and timeouts', async () => {
    await start({ supervision: quiet, activity: { ...DEFAULT_RTMP_OPTIONS.activity, timeoutMs: 300 } });
    const peer = await rig.client();
    const silent = await rig.publisher('cam');
    // The publisher that sends nothing is dropped by another check, which shows that checks have run.
    await silent.closed;
    expect(peer.socket.destroyed).toBe(false);
  }, 20_000);

  it('drops a publisher whose sound or picture stopped, and says which, but not one that is excluded', async () => {
    await start({ activity: { timeoutMs: 1200, audioExclude: /-screen$/, videoExclude: undefined } });
    const normal = await rig.publisher('cam');
    const screen = await rig.publisher('cam-screen');
    for (const source of [normal, screen]) feed(source);
    let ms = 1000;
    const pictures = setInterval(() => {
      ms += 100;
      for (const source of [normal, screen]) source.send(MESSAGE.video, avcFrame(false), ms);
    }, 100);
    const status = await normal.until((m) => Buffer.from(m.payload).includes('NetStream.Publish.Failed'));
    clearInterval(pictures);
    expect(Buffer.from(status.payload).toString()).toContain('no audio for 1200 ms');
    await normal.closed;
    expect(rig.hub.streams.get('cam-screen')?.live).toBe(true);
  }, 20_000);
});

describe('Enhanced RTMP capabilities', () => {
  it('tells its codecs and capabilities when a peer connects', async () => {
    await start();
    const peer = await rig.client();
    expect(peer.serverProperties['fourCcList']).toEqual(expect.arrayContaining(['hvc1', 'av01', 'vp09', 'Opus']));
    expect(peer.serverProperties['capsEx']).toBeGreaterThan(0);
  });

  it('asks those that can to reconnect before it stops, and waits for them to leave', async () => {
    await start({ reconnectGraceMs: 5000, reconnectUrl: 'rtmp://elsewhere/live' });
    const able = await rig.client('live', { capsEx: 1 });
    const unable = await rig.client();
    const closing = rig.server.close();
    const request = await able.until((m) => Buffer.from(m.payload).includes('ReconnectRequest'));
    expect(commandOf(request)?.[3]).toMatchObject({
      code: 'NetConnection.Connect.ReconnectRequest',
      tcUrl: 'rtmp://elsewhere/live',
    });
    expect(unable.messages.some((m) => Buffer.from(m.payload).includes('ReconnectRequest'))).toBe(false);
    await able.close();
    await closing;
  });
});

describe('in-buffer of RTMP publishers', () => {
  it('holds packets and gives out all of them, also when the publisher leaves', async () => {
    await start({ inBuffer: { ...DEFAULT_IN_BUFFER_OPTIONS, startSizeMs: 1500 } });
    const source = await rig.publisher('cam');
    feed(source);
    const stream = rig.hub.streams.get('cam');
    await vi.waitFor(() => expect([...rig.hub.sessions.all()][0]?.describe().queuedBytes).toBeGreaterThan(10_000));
    expect(stream?.videoRate.packets).toBe(0);
    await source.close();
    await vi.waitFor(() => expect(stream?.videoRate.packets).toBe(25));
  });
});

describe('RTMPS', () => {
  it('serves RTMP inside TLS beside the plain port, and outlives peers that fail the handshake', async () => {
    const pems = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', algorithm: 'sha256' });
    const listen = [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0, secure: true },
    ];
    await start({ listen, tls: { cert: pems.cert, key: pems.private } });
    expect(rig.server.securePort).toBeGreaterThan(0);
    const socket = connectTls({ port: rig.server.securePort, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const answer = new Promise<Buffer>((resolve) => socket.once('data', resolve));
    socket.write(Buffer.concat([Buffer.of(3), Buffer.alloc(1536)]));
    expect((await answer)[0]).toBe(3);
    socket.destroy();
    const plain = connect({ port: rig.server.securePort, host: '127.0.0.1' });
    plain.on('error', () => {});
    plain.write('not TLS at all');
    await new Promise((resolve) => plain.once('close', resolve));
    expect(rig.hub.counters.of('rtmp_refused')).toBe(1);
  });
});

describe('metadata', () => {
  it('carries the orientation of the publisher to players as it came', async () => {
    await start();
    const source = await rig.publisher('cam');
    source.send(MESSAGE.data, encodeAmf0('@setDataFrame', 'onMetaData', { orientation: 1 }));
    source.send(MESSAGE.video, avcFrame(true), 0);
    await vi.waitFor(() => expect(rig.hub.streams.get('cam')?.log.end).toBe(1));
    const player = await rig.client();
    await player.play('cam');
    const data = await player.until((m) => Buffer.from(m.payload).includes('onMetaData'));
    expect(Buffer.from(data.payload).includes(Buffer.from(encodeAmf0(1)))).toBe(true);
  });
});

describe('several listeners', () => {
  it('accepts on each address of the loopback interface, IPv6 where there is one', async () => {
    const loopback = Object.values(networkInterfaces()).flatMap(
      (list) => list?.filter((entry) => entry.internal) ?? [],
    );
    const port = await freePort();
    await start({ listen: loopback.map((entry) => ({ host: entry.address, port })) });
    for (const { address } of loopback) {
      const socket = connect({ port, host: address });
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      socket.destroy();
    }
    await vi.waitFor(() => expect(rig.hub.counters.of('rtmp_connections')).toBe(loopback.length));
    await vi.waitFor(() => expect(rig.hub.connections.size).toBe(0));
  });
});
