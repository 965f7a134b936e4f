import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SessionFacts } from '../../core/index.ts';
import { RelabelConverter } from '../../core/testing/relabel-converter.ts';
import { avcFrame, RtmpRig } from './testing/rig.ts';
import { MESSAGE } from './wire/chunk-writer.ts';

const VIDEO: Track = { id: 0, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const OPUS: Track = { id: 1, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };

let rig: RtmpRig;

afterEach(() => rig.close());

function factsOf(mediaType: 'publish' | 'play'): SessionFacts {
  for (const session of rig.hub.sessions.all()) {
    const facts = session.explain?.();
    if (session.describe().mediaType === mediaType && facts !== undefined) return facts;
  }
  throw new Error(`no ${mediaType}`);
}

function packet(track: Track, ms: number, key = true): MediaPacket {
  const unit = new Uint8Array(20).fill(0x65);
  return { track, units: [unit], ptsUs: ms * 1000, dtsUs: ms * 1000, key, byteLength: 20 };
}

describe('what is told of an RTMP session', () => {
  it('is, of a publisher, what has come and when the last key frame did', async () => {
    rig = await RtmpRig.start();
    const publisher = await rig.publisher('cam');
    publisher.send(MESSAGE.video, avcFrame(true), 0);
    await vi.waitFor(() => expect(factsOf('publish').media[0]).toMatchObject({ kind: 'video', delivery: 'received' }));
    expect(factsOf('publish').media[0]?.lastKeyFrameAgeMs).toBeLessThan(5000);
    expect(factsOf('publish').tcp).toMatchObject({ queuedBytes: 0, secure: false, chunkBytes: 128 });
    expect(factsOf('publish').media[1]).toMatchObject({ kind: 'audio', delivery: 'pending', codec: 'aac' });
  });

  it('is, of a player, what it is sent as it is and what by which conversion', async () => {
    rig = await RtmpRig.start({}, 0, new RelabelConverter());
    const stream = rig.hub.streams.publish('cam', { sessionId: 'test', close: () => {} });
    for (let ms = 0; ms < 200; ms += 20) {
      stream.publish(packet(VIDEO, ms, ms === 0));
      stream.publish(packet(OPUS, ms));
    }
    await (await rig.client()).play('cam');
    await vi.waitFor(() => expect(factsOf('play').media[0]).toMatchObject({ waitsForKeyFrame: false }));
    const { tcp, media } = factsOf('play');
    expect(tcp).toMatchObject({ secure: false, blockedMs: 0, behindMs: 0, paused: false });
    expect(media).toMatchObject([
      { kind: 'video', delivery: 'as_is', codec: 'h264' },
      { kind: 'audio', delivery: 'converted', codec: 'aac', conversion: { from: 'opus', to: 'aac' } },
    ]);
  });

  it('is, of a player before the first key frame, that it waits', async () => {
    rig = await RtmpRig.start();
    const stream = rig.hub.streams.publish('cam', { sessionId: 'test', close: () => {} });
    stream.publish(packet(VIDEO, 0, false));
    await (await rig.client()).play('cam');
    await vi.waitFor(() => expect(factsOf('play').media[0]).toMatchObject({ waitsForKeyFrame: true }));
    stream.publish(packet(VIDEO, 40));
    await vi.waitFor(() => expect(factsOf('play').media[0]).toMatchObject({ waitsForKeyFrame: false }));
  });

  it('is, of a player that its codec can not be brought to, what it does not get', async () => {
    const converter = new RelabelConverter();
    converter.unknown.add('opus');
    rig = await RtmpRig.start({}, 0, converter);
    const stream = rig.hub.streams.publish('cam', { sessionId: 'test', close: () => {} });
    stream.publish(packet(VIDEO, 0));
    stream.publish(packet(OPUS, 0));
    await (await rig.client()).play('cam');
    await vi.waitFor(() => expect(factsOf('play').media[1]).toMatchObject({ delivery: 'left_out' }));
    expect(factsOf('play').media[1]?.reason).toMatch(/Opus can not be converted/);
  });

  it('is, of a player that pauses, that it does', async () => {
    rig = await RtmpRig.start();
    const stream = rig.hub.streams.publish('cam', { sessionId: 'test', close: () => {} });
    stream.publish(packet(VIDEO, 0));
    const player = await rig.client();
    await player.play('cam');
    player.command('pause', 0, null, true, 0);
    await vi.waitFor(() => expect(factsOf('play').tcp?.paused).toBe(true));
    stream.publish(packet(VIDEO, 4000));
    expect(factsOf('play').tcp?.behindMs).toBe(0);
    stream.publish(packet(VIDEO, 8000));
    expect(factsOf('play').tcp?.behindMs).toBe(4000);
  });
});
