import type { RtpPacket } from '@sluice/media';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type PeerRequest, playerAcceptance, type Renditions, withPicture } from '../../../core/index.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { type RigOptions, type RigSession, WebRtcRig } from '../testing/rig.ts';
import { H264_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE } from '../testing/rtc-client.ts';
import { readTestPacket, type TestPacket, TestSimulcast } from '../testing/test-layers.ts';
import { DEFAULT_QUALITY_POLICY } from './quality-policy.ts';
import type { BandwidthEstimate, ViewerBandwidth } from './viewer-bandwidth.ts';

/** An estimate that a test gives, and what it is asked to probe for. */
class ScriptedBandwidth implements ViewerBandwidth {
  now: BandwidthEstimate = measured(10_000_000);
  readonly probed: number[] = [];

  estimate(): BandwidthEstimate {
    return this.now;
  }
  onReport(): void {}
  onRemb(): void {}
  onSent(): void {}
  onChanged(): void {}
  probe(targetBps: number): boolean {
    this.probed.push(targetBps);
    return true;
  }
}

function measured(bps: number, reason?: string): BandwidthEstimate {
  return { bps, congested: reason !== undefined, reason, measured: true, queueMs: 0 };
}

const THIN = 'a test says so';

/** What goes through, and one that is made and takes so much. */
function ladderOf(bandwidthBps: number): Renditions {
  const common = { size: undefined, fps: undefined, estimatedCores: 0 };
  const acceptance = { ...playerAcceptance({ video: new Set(['h264']), audio: new Set(['opus']) }), key: 'test' };
  return {
    enabled: (use) => use === 'webrtc',
    admit: () => {},
    thinner: () => [],
    ladder: () => ({
      renditions: [
        { name: 'original', acceptance, original: true, bandwidthBps: 4_000_000, ...common },
        {
          name: 'large',
          acceptance: withPicture(acceptance, { height: 480 }),
          original: false,
          bandwidthBps: 1e6,
          ...common,
        },
        { name: 'tiny', acceptance: withPicture(acceptance, { height: 90 }), original: false, bandwidthBps, ...common },
      ],
      ...{ estimatedCores: 0, freeCores: 1, notes: [] },
    }),
  };
}

let rig: WebRtcRig;
let source: TestSimulcast;
let bandwidths: ScriptedBandwidth[];

afterEach(async () => {
  source.stop();
  await rig.close();
});

/** With the estimate that all begin with. */
async function start(options: RigOptions = {}, estimate = measured(10_000_000)): Promise<void> {
  bandwidths = [];
  rig = await WebRtcRig.start({
    newBandwidth: () => {
      const bandwidth = new ScriptedBandwidth();
      bandwidth.now = estimate;
      bandwidths.push(bandwidth);
      return bandwidth;
    },
    ...options,
  });
  source = new TestSimulcast(rig.hub.streams.publish('it', { sessionId: 's', close: () => {} }));
  for (let i = 0; i < 10; i++) source.frame();
  source.start();
}

const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8000, interval: 10 });

const videoOf = ({ client }: RigSession): RtpPacket[] =>
  client.rtp.filter(({ payloadType }) => payloadType === VIDEO_PAYLOAD_TYPE);

const packetsOf = (player: RigSession): TestPacket[] => videoOf(player).map(({ payload }) => readTestPacket(payload));

const facts = ({ session }: RigSession) =>
  rig.hub.sessions
    .get(session.mediaSessionId)
    ?.explain?.()
    .media.find(({ kind }) => kind === 'video');

const watchers = (): number[] => source.layers.map((layer) => layer.watchers);

async function playing(asked: Partial<PeerRequest> = {}): Promise<RigSession> {
  const player = await rig.play('it', { audio: false }, asked);
  await waitFor(() => expect(videoOf(player).length).toBeGreaterThan(10));
  return player;
}

const gets = (player: RigSession, layer: number): Promise<void> =>
  waitFor(() => expect(packetsOf(player).at(-1)?.layer).toBe(layer));

/** Numbers have no gap, times never go back, and whatever encoding comes begins with a key frame. */
function expectNoBreak(player: RigSession): void {
  const video = videoOf(player);
  const packets = packetsOf(player);
  const [first] = video;
  expect(video.map(({ sequence }) => (sequence - (first?.sequence ?? 0)) & 0xffff)).toEqual(video.map((_, i) => i));
  for (const [i, packet] of packets.entries()) {
    const before = packets[i - 1];
    const step = ((video[i]?.timestamp ?? 0) - (video[i - 1]?.timestamp ?? 0)) | 0;
    if (before === undefined) expect(packet.startsKeyFrame).toBe(true);
    else {
      expect(step).toBeGreaterThanOrEqual(0);
      // No more than some frames' time passes.
      expect(step).toBeLessThan(45_000);
      expect([0, 1]).toContain((packet.picture - before.picture) & 0x7fff);
      expect([0, 1]).toContain((packet.tl0 - before.tl0) & 0xff);
      if (packet.layer !== before.layer) expect(packet.startsKeyFrame).toBe(true);
    }
  }
}

describe('a viewer of a picture in several encodings', () => {
  test('begins with the best that the way is believed to carry, and goes up as soon as it is known to carry more', async () => {
    await start();
    const player = await playing();
    expect(packetsOf(player)[0]).toMatchObject({ layer: 2, startsKeyFrame: true });
    expect(player.events.sizes[0]).toBe('640x360');
    await gets(player, 3);
    expectNoBreak(player);
    await waitFor(() => expect(player.events.sizes).toEqual(['640x360', '1280x720']));
    expect(facts(player)).toMatchObject({ quality: 'layer h', delivery: 'as_is', codec: 'vp8' });
    expect(watchers()).toEqual([1, 0, 0]);
    expect(rig.hub.counters.of('webrtc_qualities_raised')).toBe(1);
  });

  test('has the way probed for the better encoding while it is not known to carry that', async () => {
    await start({}, measured(1_600_000));
    const player = await playing();
    const [bandwidth] = bandwidths;
    if (bandwidth === undefined) return expect.fail('nothing estimates');
    await waitFor(() => expect(bandwidth.probed.length).toBeGreaterThan(0));
    expect(bandwidth.probed.at(-1)).toBeGreaterThan(4_000_000);
    expect(packetsOf(player).at(-1)?.layer).toBe(2);
    bandwidth.now = measured(6_000_000);
    await gets(player, 3);
  });

  test('goes down at once when the way carries less, to what fits, and comes back', async () => {
    await start();
    const player = await playing();
    const [bandwidth] = bandwidths;
    if (bandwidth === undefined) return expect.fail('nothing estimates');
    await gets(player, 3);
    bandwidth.now = measured(300_000, THIN);
    const { frames } = source;
    await gets(player, 1);
    expect(source.frames - frames).toBeLessThan(25);
    expect(facts(player)).toMatchObject({ quality: 'layer l', qualityReason: THIN });
    expect(watchers()).toEqual([0, 0, 1]);
    bandwidth.now = measured(8_000_000);
    await gets(player, 3);
    expectNoBreak(player);
    expect(facts(player)?.qualityReason).toBeUndefined();
  });

  test('goes on with what it gets until the other encoding has a key frame, and wants both until then', async () => {
    await start();
    const player = await playing();
    await gets(player, 3);
    const { low } = source;
    // It is asked for, and does not come.
    low.active = false;
    low.paused = true;
    const [bandwidth] = bandwidths;
    if (bandwidth !== undefined) bandwidth.now = measured(300_000, THIN);
    await waitFor(() => expect(low.keyFramesAsked).toBeGreaterThan(0));
    expect(watchers()).toEqual([1, 0, 1]);
    const before = videoOf(player).length;
    await waitFor(() => expect(videoOf(player).length).toBeGreaterThan(before + 20));
    expect(facts(player)?.qualityReason).toContain('layer l is on the way');
    low.active = true;
    low.paused = false;
    await gets(player, 1);
    expect(watchers()).toEqual([0, 0, 1]);
    expectNoBreak(player);
  });

  test('gets the next lower one at once when its own stops coming, and that again when it comes again', async () => {
    await start();
    const player = await playing();
    await gets(player, 3);
    source.high.active = false;
    const { frames } = source;
    await gets(player, 2);
    expect(source.frames - frames).toBeLessThan(25);
    source.high.active = true;
    await gets(player, 3);
    expectNoBreak(player);
  });

  test('gets another one when the publisher sends other encodings, and what there is when it sends but one', async () => {
    await start();
    const player = await playing();
    await gets(player, 3);
    source.stream.setLayers([source.middle, source.low]);
    await gets(player, 2);
    expect(watchers()).toEqual([0, 1, 0]);
    await waitFor(() => expect(player.events.sizes.at(-1)).toBe('640x360'));
    source.stream.setLayers([]);
    await waitFor(() => expect(watchers()).toEqual([0, 0, 0]));
    expect(facts(player)?.quality).toBeUndefined();
    await waitFor(() => expect(player.events.sizes.at(-1)).toBe('1280x720'));
    source.stream.setLayers(source.layers);
    await waitFor(() => expect(watchers()).toEqual([0, 1, 0]));
  });

  test('leaves no lease behind, however it ends', async () => {
    await start();
    const players = await Promise.all([playing(), playing(), playing()]);
    for (const player of players) await gets(player, 3);
    expect(watchers()).toEqual([3, 0, 0]);
    source.low.active = false;
    source.low.paused = true;
    for (const bandwidth of bandwidths) bandwidth.now = measured(300_000, THIN);
    await waitFor(() => expect(watchers()).toEqual([3, 0, 3]));
    players[0]?.session.close();
    expect(watchers()).toEqual([2, 0, 2]);
    await players[1]?.client.close();
    rig.hub.sessions.get(players[1]?.session.mediaSessionId ?? '')?.close('the operator');
    expect(watchers()).toEqual([1, 0, 1]);
    source.stream.end('over');
    expect(watchers()).toEqual([0, 0, 0]);
    expect(source.layers.map(({ lane }) => lane.listenerCount)).toEqual([0, 0, 0]);
    expect(rig.server.sizes).toMatchObject({ packagers: 0, watched: 0 });
  });

  test('is moved by losses and REMB where nothing is measured, as between other qualities', async () => {
    await start({ qualityPolicy: { ...DEFAULT_QUALITY_POLICY, stableMs: 200, settleMs: 0 } });
    const player = await playing();
    const [bandwidth] = bandwidths;
    if (bandwidth === undefined) return expect.fail('nothing estimates');
    bandwidth.now = { bps: undefined, congested: false, reason: undefined };
    await gets(player, 3);
    bandwidth.now = { bps: 300_000, congested: true, reason: THIN };
    await gets(player, 1);
    expectNoBreak(player);
  });
});

describe('a viewer for whom even the lowest encoding is too much', () => {
  test('gets a rendition below it, where those are made, and an encoding again as soon as there is room', async () => {
    const converter = new RelabelConverter();
    await start({ converter, renditions: ladderOf(90_000) });
    const player = await rig.play('it', { audio: false, alsoH264: true });
    await gets(player, 3);
    const [bandwidth] = bandwidths;
    if (bandwidth !== undefined) bandwidth.now = measured(110_000, THIN);
    await waitFor(() => expect(facts(player)?.quality).toBe('tiny'));
    await waitFor(() =>
      expect(player.client.rtp.some(({ payloadType }) => payloadType === H264_PAYLOAD_TYPE)).toBe(true),
    );
    expect(watchers()).toEqual([0, 0, 0]);
    if (bandwidth !== undefined) bandwidth.now = measured(400_000);
    await gets(player, 1);
    expect(facts(player)?.quality).toBe('layer l');
  });
});

describe('a viewer who asks for a size', () => {
  test('gets the encoding that fits best, and nothing is made for it', async () => {
    await start();
    const player = await playing({ picture: { width: 600 } });
    await waitFor(() => expect(videoOf(player).length).toBeGreaterThan(100));
    expect(new Set(packetsOf(player).map(({ layer }) => layer))).toEqual(new Set([2]));
    const large = await playing({ picture: { height: 2000 } });
    await gets(large, 3);
    const small = await playing({ picture: { width: 100, height: 100 } });
    expect(packetsOf(small).every(({ layer }) => layer === 1)).toBe(true);
  });

  test('and a bitrate gets an encoding that keeps to it; without one that does, it would have to be made', async () => {
    await start();
    const player = await playing({ picture: { width: 1280, bitrateBps: 1_000_000 } });
    await waitFor(() => expect(videoOf(player).length).toBeGreaterThan(100));
    expect(packetsOf(player).every(({ layer }) => layer === 2)).toBe(true);
    await expect(rig.play('it', { audio: false }, { picture: { bitrateBps: 100_000 } })).rejects.toMatchObject({
      code: 'TRANSCODING_DISABLED',
    });
  });

  test('is given no more than the bitrate that it allows', async () => {
    await start();
    const player = await playing({ maxBitrateBps: 500_000 });
    await waitFor(() => expect(videoOf(player).length).toBeGreaterThan(100));
    expect(packetsOf(player).every(({ layer }) => layer === 1)).toBe(true);
  });
});

describe('a viewer whose way does not carry the best encoding', () => {
  test('is told so when that begins, and when it has changed much', async () => {
    const told: string[] = [];
    await start();
    const events = {
      onActive: () => {},
      onEnded: () => {},
      onNotEnoughBandwidth: (streamBps: number, availableBps: number) => told.push(`${streamBps}/${availableBps}`),
    };
    const player = await playing({ events });
    const [bandwidth] = bandwidths;
    if (bandwidth === undefined) return expect.fail('nothing estimates');
    await gets(player, 3);
    expect(told).toEqual([]);
    bandwidth.now = measured(1_000_000, THIN);
    await gets(player, 2);
    await waitFor(() => expect(told).toEqual(['4000000/1000000']));
    bandwidth.now = measured(1_050_000, THIN);
    await waitFor(() => expect(videoOf(player).length).toBeGreaterThan(20));
    bandwidth.now = measured(1_400_000, THIN);
    await waitFor(() => expect(told).toEqual(['4000000/1000000', '4000000/1400000']));
    bandwidth.now = measured(9_000_000);
    await gets(player, 3);
    expect(told).toHaveLength(2);
  });
});
