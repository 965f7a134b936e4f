import { randomUUID } from 'node:crypto';
import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Adaptations, type Converter, type PeerRequest, type Stream, StreamRegistry } from '../../core/index.ts';
import { TestCounters, TestLog } from '../../core/testing/hub.ts';
import { negotiatePlay, negotiatePublish, playedMedia } from './negotiation.ts';
import { resolveWebRtcOptions } from './options.ts';
import { newSources } from './send/local-sources.ts';
import { RtcClient, type RtcClientOptions } from './testing/rtc-client.ts';
import { ecdsaIdentity, type OwnIdentity } from './wire/dtls/testing/identities.ts';

const AVC: Track = {
  id: 1,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [Uint8Array.of(0x67, 0x4d, 0x40, 0x1f), Uint8Array.of(0x68, 1)],
};
const AAC: Track = { id: 2, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [Uint8Array.of(0x11, 0x90)] };
const OPUS: Track = { id: 2, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };

/** Says that all can be converted; what it makes is not asked for here. */
const CONVERTER: Converter = {
  canConvert: () => true,
  open: () => ({ push: () => {}, requestKeyFrame: () => {}, close: () => {} }),
};

let identity: OwnIdentity;
let registry: StreamRegistry;
let stream: Stream;
let clients: RtcClient[];

beforeEach(async () => {
  identity = await ecdsaIdentity();
  clients = [];
  registry = new StreamRegistry({ reconnectWaitMs: 0, maxStreams: 10 });
  stream = registry.publish('it', { sessionId: 's', close: () => {} });
});

afterEach(async () => {
  registry.close();
  await Promise.all(clients.map((client) => client.close()));
});

function negotiateFor(client: Partial<RtcClientOptions>, converter: Converter | undefined, changesQuality = false) {
  const player = new RtcClient({ identity, direction: 'recvonly', video: 'H264', ...client });
  clients.push(player);
  const request: PeerRequest = {
    ...{ streamName: 'it', mediaSessionId: randomUUID(), sessionId: '', appKey: '', mediaProvider: 'WebRTC' },
    ...{ remoteAddress: '', offer: player.offer, videoOrientation: false, custom: {} },
    events: { onActive: () => {}, onEnded: () => {} },
  };
  const adaptations = new Adaptations({ converter, log: new TestLog(), counters: new TestCounters() });
  const options = resolveWebRtcOptions({ certificate: identity.certificate });
  return negotiatePlay(request, { stream, adaptations, changesQuality }, options);
}

test.each([
  [{}, 'x-google-min-bitrate=300;x-google-max-bitrate=7000'],
  [{ maxBitrateBps: 900_000 }, 'x-google-min-bitrate=300;x-google-max-bitrate=900'],
  [{ minBitrateBps: 500_000, maxBitrateBps: 9_000_000 }, 'x-google-min-bitrate=500;x-google-max-bitrate=9000'],
])('a publisher that asks for %o is answered with that rather than with the settings', (wishes, expected) => {
  const client = new RtcClient({ identity, direction: 'sendonly', video: 'VP8' });
  clients.push(client);
  const request: PeerRequest = {
    ...{ streamName: 'it', mediaSessionId: randomUUID(), sessionId: '', appKey: '', mediaProvider: 'WebRTC' },
    ...{ remoteAddress: '', offer: client.offer, videoOrientation: false, custom: {}, ...wishes },
    events: { onActive: () => {}, onEnded: () => {} },
  };
  const limits = { sdpMinBitrateBps: 300_000, sdpMaxBitrateBps: 7_000_000 };
  const { video } = negotiatePublish(request, resolveWebRtcOptions({ certificate: identity.certificate, ...limits }));
  expect(video?.formatParameters).toBe(expected);
});

function frame(ptsUs: number, dtsUs: number): MediaPacket {
  return { track: AVC, units: [Uint8Array.of(0x65, 1)], ptsUs, dtsUs, key: dtsUs === 0, byteLength: 2 };
}

describe('what a player gets of a stream', () => {
  test('H.264 and Opus as they are', () => {
    stream.setTrack(AVC);
    stream.setTrack(OPUS);
    const { negotiated, acceptance } = negotiateFor({}, undefined);
    expect([negotiated.video?.codec, negotiated.audio?.codec]).toEqual(['h264', 'opus']);
    expect([acceptance.videoTarget, acceptance.audioTarget, acceptance.reorderedVideo]).toEqual([
      'h264',
      'opus',
      false,
    ]);
  });

  test('AAC becomes Opus', () => {
    stream.setTrack(AVC);
    stream.setTrack(AAC);
    const { negotiated, acceptance } = negotiateFor({}, CONVERTER);
    expect(negotiated.audio).toMatchObject({ codec: 'opus', match: 'converted' });
    expect([...acceptance.audio]).toEqual(['opus']);
  });

  test('without conversions AAC is refused, and the error says why', () => {
    stream.setTrack(AVC);
    stream.setTrack(AAC);
    expect(() => negotiateFor({}, undefined)).toThrow(expect.objectContaining({ code: 'TRANSCODING_DISABLED' }));
  });

  test('pictures out of order are encoded anew, or refused', () => {
    stream.setTrack(OPUS);
    for (const [pts, dts] of [
      [0, 0],
      [80, 40],
      [40, 80],
    ] as const)
      stream.publish(frame(pts * 1000, dts * 1000));
    expect(negotiateFor({}, CONVERTER).negotiated.video).toMatchObject({ codec: 'h264', match: 'converted' });
    expect(() => negotiateFor({}, undefined)).toThrow(expect.objectContaining({ code: 'TRANSCODING_DISABLED' }));
  });

  test('a codec that neither side has in common is no matter of a setting', () => {
    stream.setTrack(AVC);
    expect(() => negotiateFor({ video: 'VP8', audio: false }, CONVERTER)).toThrow(
      expect.objectContaining({ code: 'NO_COMMON_CODECS' }),
    );
  });

  test('a medium that may come yet is agreed upon; without conversions only what is there', () => {
    stream.setTrack(AVC);
    expect(negotiateFor({}, CONVERTER).negotiated.audio?.codec).toBe('opus');
    expect(negotiateFor({}, undefined).negotiated.audio).toBeUndefined();
  });

  test('what its publisher agreed on, while nothing of that has come', () => {
    const agreedTracks = [
      { kind: 'video', codec: 'vp8' },
      { kind: 'audio', codec: 'opus' },
    ] as const;
    stream = registry.publish('soon', { sessionId: 's', close: () => {}, agreedTracks });
    stream.setTrack(OPUS);
    for (const converter of [undefined, CONVERTER]) {
      const { negotiated, acceptance } = negotiateFor({ video: 'VP8', alsoH264: true }, converter);
      expect(negotiated.video).toMatchObject({ codec: 'vp8', match: 'same' });
      expect([...acceptance.video]).toEqual(['vp8']);
    }
    expect(negotiateFor({}, CONVERTER).negotiated.video).toMatchObject({ codec: 'h264', match: 'converted' });
  });

  test('another codec with H.264 besides, where the picture may be changed to that', () => {
    stream.setTrack({ ...AVC, codec: 'vp8', parameters: [] });
    stream.setTrack(OPUS);
    const both = { video: 'VP8', alsoH264: true } as const;
    const { negotiated, acceptance } = negotiateFor(both, CONVERTER, true);
    expect(negotiated.video).toMatchObject({ codec: 'vp8', match: 'same', also: { codec: 'h264' } });
    expect([...acceptance.video]).toEqual(['vp8', 'h264']);
    expect(playedMedia(negotiated, newSources({ video: true, audio: true }))[0]?.codecs).toMatchObject([
      { codec: 'vp8' },
      { codec: 'h264', packetizationMode: 1 },
    ]);
    expect(negotiateFor(both, CONVERTER).negotiated.video?.also).toBeUndefined();
    expect(negotiateFor({ video: 'VP8' }, CONVERTER, true).negotiated.video?.also).toBeUndefined();
  });
});
