import { encodeAmf0, writeAacConfigTag, writeAacFrameTag, writeAvcFrameTag } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../media/src/testing/mutate.ts';
import { Ticker } from '../../io/index.ts';
import { DEFAULT_RTMP_OPTIONS, type RtmpOptions } from './options.ts';
import { RtmpServer } from './server.ts';
import { TestClient } from './testing/client.ts';
import { ASC, AVC_CONFIG as CONFIG, avcFrame as frame, RtmpRig } from './testing/rig.ts';
import { MESSAGE, setChunkSize, userControl, writeMessage } from './wire/chunk-writer.ts';
import { HANDSHAKE_SIZE } from './wire/handshake.ts';

let rig: RtmpRig;
let hub: RtmpRig['hub'];
let server: RtmpServer;

async function start(options: Partial<RtmpOptions> = {}, reconnectWaitMs = 0): Promise<void> {
  await rig?.close();
  rig = await RtmpRig.start(options, reconnectWaitMs);
  ({ hub, server } = rig);
}

function client(app?: string): Promise<TestClient> {
  return rig.client(app);
}

function publisher(name: string): Promise<TestClient> {
  return rig.publisher(name);
}

beforeEach(() => start());

afterEach(() => rig.close());

describe('RTMP server', () => {
  it('gives a player headers, then the cached pictures since the last key frame, then what comes', async () => {
    const source = await publisher('cam');
    source.send(MESSAGE.video, frame(true), 0);
    source.send(MESSAGE.video, frame(false), 40);
    source.send(MESSAGE.video, frame(true), 80);
    source.send(MESSAGE.audio, writeAacFrameTag(new Uint8Array(50)), 90);
    await vi.waitFor(() => expect(hub.streams.get('cam')?.log.end).toBe(4));
    const player = await client();
    expect((await player.play('cam'))['code']).toBe('NetStream.Play.Reset');
    expect((await player.status())['code']).toBe('NetStream.Play.Start');
    const first = await player.until((m) => m.type === MESSAGE.video);
    expect(Buffer.from(first.payload).equals(CONFIG)).toBe(true);
    const key = await player.until((m) => m.type === MESSAGE.video);
    expect([key.timestamp, key.payload[0]]).toEqual([80, 0x17]);
    source.send(MESSAGE.video, frame(false), 120);
    expect((await player.until((m) => m.type === MESSAGE.video)).timestamp).toBe(120);
    expect(hub.streams.get('cam')?.viewers).toBe(1);
  });

  it('answers a second publisher of a name with BadName and lets the first go on', async () => {
    await publisher('cam');
    const second = await client();
    expect((await second.publish('cam'))['code']).toBe('NetStream.Publish.BadName');
    await second.closed;
    expect(hub.streams.get('cam')?.live).toBe(true);
  });

  it('waits for an unknown stream, then says StreamNotFound', async () => {
    const player = await client();
    expect((await player.play('nobody'))['code']).toBe('NetStream.Play.StreamNotFound');
  });

  it('plays a stream that appears while the player waits', async () => {
    await start({ playWaitMs: 5000 });
    const player = await client();
    const answer = player.play('soon');
    await publisher('soon');
    expect((await answer)['code']).toBe('NetStream.Play.Reset');
  });

  it('passes metadata on to players', async () => {
    const source = await publisher('cam');
    source.send(MESSAGE.data, encodeAmf0('@setDataFrame', 'onMetaData', { width: 640, encoder: 'test' }));
    source.send(MESSAGE.video, frame(true), 0);
    await vi.waitFor(() => expect(hub.streams.get('cam')?.log.end).toBe(1));
    const player = await client();
    await player.play('cam');
    const data = await player.until((m) => m.type === MESSAGE.data && Buffer.from(m.payload).includes('onMetaData'));
    expect(Buffer.from(data.payload).includes('encoder')).toBe(true);
  });

  it('goes on for waiting players when the publisher comes back', async () => {
    await start({}, 5000);
    const source = await publisher('cam');
    source.send(MESSAGE.video, frame(true), 1000);
    const player = await client();
    await player.play('cam');
    await player.until((m) => m.type === MESSAGE.video && m.payload[1] === 1);
    await source.close();
    await vi.waitFor(() => expect(hub.streams.get('cam')?.live).toBe(false));
    const again = await publisher('cam');
    again.send(MESSAGE.video, frame(true), 0);
    const next = await player.until((m) => m.type === MESSAGE.video && m.payload[1] === 1);
    expect(next.timestamp).toBeGreaterThan(1000);
  });

  it('tells players when the stream is over', async () => {
    const source = await publisher('cam');
    const player = await client();
    await player.play('cam');
    await player.status();
    source.command('deleteStream', 5, null, 1);
    expect((await player.status())['code']).toBe('NetStream.Play.UnpublishNotify');
    await player.closed;
  });

  it('names the codec that it refuses', async () => {
    const source = await publisher('cam');
    source.send(MESSAGE.audio, Uint8Array.of(0x2f, 1, 2, 3));
    const status = await source.until((m) => Buffer.from(m.payload).includes('NetStream.Publish.Failed'));
    expect(Buffer.from(status.payload).toString()).toMatch(/MP3/);
    await source.closed;
  });

  it('drops a viewer that never reads, with a reason, while others and the publisher go on', async () => {
    await start({ viewerStallTimeoutMs: 1500 });
    const source = await publisher('cam');
    source.send(MESSAGE.video, frame(true), 0);
    const stalled = await client();
    await stalled.play('cam');
    await stalled.status();
    stalled.socket.pause();
    const healthy = await client();
    await healthy.play('cam');
    let time = 0;
    let got = 0;
    const before = process.memoryUsage().rss;
    while (hub.counters.of('rtmp_slow_viewers') === 0) {
      for (let i = 0; i < 10; i++) {
        time += 20;
        source.send(MESSAGE.video, frame(i === 0, 60_000), time);
      }
      await healthy.until((m) => m.timestamp === time);
      got++;
      healthy.messages.length = 0;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(hub.log.lines.some((l) => JSON.stringify(l.fields).includes('viewer has not read'))).toBe(true);
    expect(got).toBeGreaterThan(10);
    // The hub's and the packager's logs are bounded at 32 MiB each; the viewer itself holds next to nothing.
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1024 * 1024);
    expect(hub.streams.get('cam')?.viewers).toBe(1);
  }, 30_000);

  it('switches a player to another stream, and stops at play(false)', async () => {
    for (const name of ['a', 'b']) (await publisher(name)).send(MESSAGE.video, frame(true), 0);
    const player = await client();
    await player.play('a');
    await player.until((m) => m.type === MESSAGE.video && m.payload[1] === 1);
    await player.play('b');
    await vi.waitFor(() => expect([hub.streams.get('a')?.viewers, hub.streams.get('b')?.viewers]).toEqual([0, 1]));
    player.command('play', 9, null, false);
    await vi.waitFor(() => expect(hub.streams.get('b')?.viewers).toBe(0));
  });

  it('gives a player up that leaves while it waits', async () => {
    await start({ playWaitMs: 60_000 });
    const player = await client();
    player.command('play', 3, null, 'late');
    player.command('closeStream', 4, null);
    player.command('getStreamLength', 5, null);
    await player.until((m) => Buffer.from(m.payload).includes('_result'));
    await publisher('late');
    expect(hub.streams.get('late')?.viewers).toBe(0);
  });

  it('pings a silent peer, and drops it when it stays silent', async () => {
    const supervision = { ...DEFAULT_RTMP_OPTIONS.supervision, keepAliveIntervalMs: 100, keepAliveProbes: 2 };
    await start({ supervision });
    const silent = await client();
    await silent.until((m) => m.type === MESSAGE.userControl && m.payload[1] === 6);
    await silent.closed;
    expect(hub.log.lines.some((l) => JSON.stringify(l.fields).includes('silent'))).toBe(true);
  }, 20_000);

  it('leaves command frames alone', async () => {
    const source = await publisher('cam');
    source.send(MESSAGE.video, Uint8Array.of(0x57, 0), 0);
    source.send(MESSAGE.video, frame(true), 0);
    await vi.waitFor(() => expect(hub.streams.get('cam')?.log.end).toBe(1));
  });

  it('takes a recovery point that is no IDR as a place to start', async () => {
    const source = await publisher('cam');
    source.send(MESSAGE.video, writeAvcFrameTag([Uint8Array.of(0x41, 1, 2)], true, 0), 0);
    await vi.waitFor(() => expect(hub.streams.get('cam')?.log.lastStartPoint).toBe(0));
  });

  it('logs about one peer from the level on that was set for it', async () => {
    const quiet = await client();
    const [connection] = [...hub.connections.all()];
    connection?.setLogLevel?.('warn');
    await quiet.publish('quiet');
    await publisher('loud');
    const started = hub.log.lines.filter(({ message }) => message === 'publish started');
    expect(started).toHaveLength(1);
    await quiet.publish('again');
    expect(hub.log.lines.some(({ level, message }) => level === 'warn' && message.includes('in use'))).toBe(true);
  });

  it('names the port and the setting when the port is taken', async () => {
    const other = new RtmpServer(
      { ...hub, resolvers: [], ticker: new Ticker() },
      { ...server.options, listen: [{ host: '127.0.0.1', port: server.port }] },
    );
    await expect(other.start()).rejects.toThrow(/rtmp\.port/);
  });
});

describe('RTMP server under bad input', () => {
  async function expectDropped(feed: (peer: TestClient) => void | Promise<void>): Promise<void> {
    const before = hub.counters.of('rtmp_protocol_errors');
    const peer = await TestClient.open(server.port);
    await feed(peer);
    await peer.closed;
    expect(hub.counters.of('rtmp_protocol_errors')).toBe(before + 1);
  }

  it('closes connections that talk something else', async () => {
    await expectDropped((peer) => void peer.socket.write('GET / HTTP/1.1\r\n\r\n'));
  });

  it('closes connections with absurd chunk sizes, message lengths and AMF bombs', async () => {
    const command = { chunkStreamId: 3, type: MESSAGE.command, streamId: 0, timestamp: 0 };
    const bombs = [
      setChunkSize(0),
      setChunkSize(0xffffffff),
      Buffer.from([0x04, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]),
      writeMessage(command, encodeAmf0('publish', 1, null, 'x'), 128),
      writeMessage(command, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff]), 128),
      writeMessage(command, Buffer.concat(Array.from({ length: 100 }, () => Buffer.from([3, 0, 1, 97]))), 128),
    ];
    for (const bomb of bombs) {
      await expectDropped(async (peer) => {
        await peer.shake();
        peer.socket.write(bomb);
      });
    }
  });

  it('obeys nothing that follows, in the same bytes, what ended the session', async () => {
    const peer = await client();
    const header = { chunkStreamId: 3, type: MESSAGE.command, streamId: 1, timestamp: 0 };
    const publish = (name: string) => writeMessage(header, encodeAmf0('publish', 1, null, name, 'live'), 128);
    peer.socket.write(Buffer.concat([publish(''), publish('zombie')]));
    await peer.closed;
    expect([hub.streams.size, hub.sessions.size]).toEqual([0, 0]);
  });

  it('survives metadata that refers to itself, or repeats one string without end', async () => {
    const source = await publisher('cam');
    source.send(MESSAGE.video, frame(true), 0);
    const player = await client();
    await player.play('cam');
    const name = encodeAmf0('onMetaData');
    const cyclic = Buffer.from([3, 0, 1, 0x61, 7, 0, 0, 0, 0, 9]);
    // An AMF3 array of 5,000 references to one string of 1,000 letters.
    const repeated = Buffer.concat([
      Buffer.from([3, 0, 1, 0x61, 0x11, 9, 0xce, 0x11, 1, 6, 0x8f, 0x51]),
      Buffer.alloc(1000, 0x61),
      Buffer.concat(Array.from({ length: 4999 }, () => Buffer.from([6, 0]))),
      Buffer.from([0, 0, 9]),
    ]);
    for (const value of [cyclic, repeated]) source.send(MESSAGE.data, Buffer.concat([name, value]));
    source.send(MESSAGE.video, frame(true), 40);
    await player.until((m) => m.type === MESSAGE.video && m.timestamp === 40);
    expect(hub.counters.of('media_errors')).toBe(1);
  });

  it('drops frames of a million NAL units, and configurations that nobody could write', async () => {
    const source = await publisher('cam');
    source.send(
      MESSAGE.video,
      Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0, 1, 66, 0, 30, 0xfc, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68])]),
      0,
    );
    const config = Buffer.from(CONFIG);
    config[9] = 0xfc;
    source.send(MESSAGE.video, config, 0);
    const many = Buffer.alloc(2_000_000, 1);
    many.set([0x17, 1, 0, 0, 0]);
    source.send(MESSAGE.video, many, 40);
    source.send(MESSAGE.video, CONFIG, 40);
    source.send(MESSAGE.video, frame(true), 80);
    await vi.waitFor(() => expect(hub.streams.get('cam')?.log.end).toBe(1));
    expect(hub.counters.of('media_errors')).toBe(2);
  });

  it('drops a peer that asks without end and never reads the answers', async () => {
    const peer = await client();
    peer.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => userControl(6, 1)));
    const flood = setInterval(() => peer.socket.write(pings), 1);
    await vi.waitFor(() => expect(hub.counters.of('rtmp_slow_viewers')).toBe(1), { timeout: 20_000 });
    clearInterval(flood);
  }, 30_000);

  it('outlives 300 mutated publishers while a player plays on, with flat memory', async () => {
    const source = await publisher('steady');
    source.send(MESSAGE.video, frame(true), 0);
    const player = await client();
    await player.play('steady');
    const random = prng(77);
    const header = (type: number) => ({ chunkStreamId: 4, type, streamId: 1, timestamp: 0 });
    const script = Buffer.concat([
      writeMessage(header(MESSAGE.command), encodeAmf0('connect', 1, { app: 'live' }), 128),
      writeMessage(header(MESSAGE.command), encodeAmf0('publish', 2, null, 'fuzz', 'live'), 128),
      writeMessage(header(MESSAGE.data), encodeAmf0('@setDataFrame', 'onMetaData', { a: 1 }), 128),
      writeMessage(header(MESSAGE.video), CONFIG, 128),
      writeMessage(header(MESSAGE.video), frame(true), 128),
      writeMessage(header(MESSAGE.audio), writeAacConfigTag(ASC), 128),
      writeMessage(header(MESSAGE.audio), writeAacFrameTag(new Uint8Array(40)), 128),
    ]);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 300; i++) {
      const peer = await TestClient.open(server.port);
      const shake = Buffer.concat([Uint8Array.of(3), Buffer.alloc(2 * HANDSHAKE_SIZE)]);
      peer.socket.write(i % 10 === 0 ? mutate(shake, random) : shake);
      peer.socket.write(mutate(script, random));
      peer.socket.end();
      peer.socket.resume();
      await peer.closed;
    }
    source.send(MESSAGE.video, frame(true), 4000);
    await player.until((m) => m.type === MESSAGE.video && m.timestamp === 4000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    await vi.waitFor(() => expect(hub.connections.size).toBe(2));
    const warnings = hub.log.lines.filter((l) => l.level === 'warn').length;
    expect(warnings).toBeLessThan(hub.counters.of('rtmp_protocol_errors') + hub.counters.of('rtmp_refused') + 1);
  }, 60_000);
});
