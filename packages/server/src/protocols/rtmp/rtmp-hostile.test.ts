import { connect } from 'node:net';
import { encodeAmf0, writeAacFrameTag, writeAvcConfig, writeAvcConfigTag } from '@sluice/media';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_IN_BUFFER_OPTIONS } from './in-buffer.ts';
import type { RtmpOptions } from './options.ts';
import { SAMPLE_PPS, SAMPLE_SPS, TestClient } from './testing/client.ts';
import { avcFrame, RtmpRig } from './testing/rig.ts';
import { MESSAGE } from './wire/chunk-writer.ts';

let rig: RtmpRig;

async function start(options: Partial<RtmpOptions> = {}): Promise<void> {
  rig = await RtmpRig.start(options);
}

afterEach(() => rig.close());

describe('memory that one RTMP publisher can take', () => {
  it('is bounded when it sends new metadata with every packet', async () => {
    await start();
    const source = await rig.publisher('cam');
    const stream = rig.hub.streams.get('cam');
    source.chunkSize = 128;
    const filler = 'x'.repeat(100_000);
    for (let i = 0; i < 200; i++) {
      source.send(MESSAGE.data, encodeAmf0('@setDataFrame', 'onMetaData', { i, filler }));
      source.send(MESSAGE.audio, writeAacFrameTag(Uint8Array.of(0x21)), 0);
    }
    await vi.waitFor(() => expect(stream?.audioRate.packets).toBe(200), 10_000);
    // 100 KB of text takes four times as much as an object: 32 MiB hold about eighty of them.
    expect((stream?.log.end ?? 0) - (stream?.log.start ?? 0)).toBeLessThan(100);
  });

  it('is bounded when it sends another configuration with every picture', async () => {
    await start();
    const source = await rig.publisher('cam');
    const stream = rig.hub.streams.get('cam');
    for (let i = 0; i < 700; i++) {
      const pps = Buffer.concat([SAMPLE_PPS, Buffer.alloc(60_000, 1 + (i % 250))]);
      source.send(MESSAGE.video, writeAvcConfigTag(writeAvcConfig([SAMPLE_SPS, pps])));
      source.send(MESSAGE.video, avcFrame(true, 10), 0);
    }
    await vi.waitFor(() => expect(stream?.videoRate.packets).toBe(700), 10_000);
    expect((stream?.log.end ?? 0) - (stream?.log.start ?? 0)).toBeLessThan(600);
  });

  it('is bounded in the in-buffer by the count of packets as well', async () => {
    await start({ inBuffer: { ...DEFAULT_IN_BUFFER_OPTIONS, startSizeMs: 10_000, maxSizeMs: 10_000 } });
    const source = await rig.publisher('cam');
    for (let i = 0; i < 25_000; i++) source.send(MESSAGE.audio, writeAacFrameTag(Uint8Array.of(0x21)), 0);
    const drops = (): number => [...rig.hub.sessions.all()][0]?.describe().drops.overflow ?? 0;
    await vi.waitFor(() => expect(drops()).toBeGreaterThanOrEqual(10_000), 10_000);
  }, 30_000);

  it('is small before it has connected', async () => {
    await start();
    const stranger = await TestClient.open(rig.server.port);
    await stranger.shake();
    stranger.socket.write(Buffer.from([0x03, 0, 0, 0, 0x10, 0, 0, 20, 0, 0, 0, 0]));
    await stranger.closed;
    expect(rig.hub.counters.of('rtmp_protocol_errors')).toBe(1);
  });
});

describe('a player that breaks the order of things', () => {
  it('is not played to again once it was closed for not reading', async () => {
    await start({ viewerStallTimeoutMs: 60_000 });
    const source = await rig.publisher('cam');
    source.send(MESSAGE.video, avcFrame(true, 4_000_000), 0);
    const stream = rig.hub.streams.get('cam');
    await vi.waitFor(() => expect(stream?.videoRate.packets).toBe(1));
    const greedy = await rig.client();
    await greedy.play('cam');
    greedy.socket.pause();
    await vi.waitFor(() => expect(stream?.viewers).toBe(1));
    // Answers pile up behind the picture until the peer is given up; a play that follows in the same bytes is void.
    for (let i = 0; i < 150; i++) greedy.command('play', 3, null, 'cam');
    await greedy.close();
    await vi.waitFor(() => expect(stream?.viewers).toBe(0));
    expect([...rig.hub.sessions.all()].map((s) => s.describe().mediaType)).toEqual(['publish']);
  });
});

describe('variants of a stream', () => {
  it('are shared by players whose lists of codecs differ in what the stream does not have', async () => {
    await start();
    const source = await rig.publisher('cam');
    source.send(MESSAGE.video, avcFrame(true), 0);
    const stream = rig.hub.streams.get('cam');
    await vi.waitFor(() => expect(stream?.state.audio).toBeDefined());
    for (const fourCcList of [['hvc1'], ['av01'], ['vp09', 'Opus'], ['*'], []]) {
      const player = await rig.client('live', { fourCcList });
      await player.play('cam');
    }
    await vi.waitFor(() => expect(stream?.viewers).toBe(5));
    expect(stream?.readerCount).toBe(1);
  });
});

describe('a configuration that changes behind the in-buffer', () => {
  it('reaches players once, with the first picture that needs it', async () => {
    await start({ inBuffer: { ...DEFAULT_IN_BUFFER_OPTIONS, startSizeMs: 300 } });
    const source = await rig.publisher('cam');
    const player = await rig.client();
    await player.play('cam');
    for (let ms = 0; ms < 1000; ms += 40) source.send(MESSAGE.video, avcFrame(ms === 0), ms);
    const pps = Buffer.concat([SAMPLE_PPS, Buffer.of(7)]);
    source.send(MESSAGE.video, writeAvcConfigTag(writeAvcConfig([SAMPLE_SPS, pps])), 1000);
    for (let ms = 1000; ms < 2000; ms += 40) source.send(MESSAGE.video, avcFrame(ms === 1000), ms);
    await player.until((m) => m.type === MESSAGE.video && m.payload[1] === 1 && m.timestamp === 1960);
    const configs = player.messages.filter((m) => m.type === MESSAGE.video && m.payload[1] === 0);
    expect(configs.map((m) => m.timestamp)).toEqual([0, 1000]);
  });
});

describe('RTMPS peers that do not finish their handshake', () => {
  it('do not hold the server up when it stops', async () => {
    const pems = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', algorithm: 'sha256' });
    await start({
      listen: [{ host: '127.0.0.1', port: 0, secure: true }],
      tls: { cert: pems.cert, key: pems.private },
    });
    const idle = connect({ port: rig.server.securePort, host: '127.0.0.1' });
    const closed = new Promise((resolve) => idle.once('close', resolve));
    idle.on('error', () => {});
    await vi.waitFor(() => expect(rig.hub.connections.size).toBe(1));
    await rig.server.close();
    await closed;
  });
});
