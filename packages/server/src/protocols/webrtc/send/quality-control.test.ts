import { type RtpPacket, writeReceiverReport } from '@sluice/media';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type Acceptance,
  MediaServerError,
  type PeerStats,
  type Renditions,
  type Stream,
  type VideoForm,
  withPicture,
} from '../../../core/index.ts';
import { RelabelConverter } from '../../../core/testing/relabel-converter.ts';
import { frame } from '../testing/frames.ts';
import { type RigOptions, type RigSession, Sender, WebRtcRig } from '../testing/rig.ts';
import { AUDIO_PAYLOAD_TYPE, H264_PAYLOAD_TYPE, sourcesOf, VIDEO_PAYLOAD_TYPE } from '../testing/rtc-client.ts';
import { DEFAULT_QUALITY_POLICY } from './quality-policy.ts';
import { type BandwidthEstimate, FeedbackBandwidth, type ViewerBandwidth } from './viewer-bandwidth.ts';

const TAKES: Acceptance = {
  key: 'test',
  video: new Set(['h264']),
  audio: new Set(['opus']),
  reorderedVideo: false,
  videoTarget: 'h264',
  audioTarget: 'opus',
};
const FORMS: Readonly<Record<string, VideoForm | undefined>> = {
  original: undefined,
  480: { height: 480 },
  240: { height: 240 },
};
const BANDWIDTHS: Readonly<Record<string, number>> = { original: 2_000_000, 480: 1_000_000, 240: 400_000 };
/** Quick to raise, and never lowered a second time, however slow the machine is. */
const POLICY = { ...DEFAULT_QUALITY_POLICY, stableMs: 200, settleMs: 60_000 };
const WELL: BandwidthEstimate = { bps: undefined, congested: false, reason: undefined };
const NARROW: BandwidthEstimate = { bps: 1_200_000, congested: true, reason: 'a test says so' };

/** An estimate that a test gives. */
class ScriptedBandwidth implements ViewerBandwidth {
  now: BandwidthEstimate = { ...WELL, bps: 1e9 };
  changes = 0;

  estimate(): BandwidthEstimate {
    return this.now;
  }
  onReport(): void {}
  onRemb(): void {}
  onSent(): void {}
  onChanged(): void {
    this.changes++;
  }
}

/** A ladder of those names. */
function ladderOf(names: readonly string[]): Renditions {
  return {
    enabled: (use) => use === 'webrtc',
    admit: () => {},
    thinner: () => [],
    ladder: () => ({
      renditions: names.map((name) => {
        const form = FORMS[name];
        return {
          name,
          acceptance: form === undefined ? TAKES : withPicture(TAKES, form),
          original: form === undefined,
          size: undefined,
          bandwidthBps: BANDWIDTHS[name] ?? 0,
          fps: undefined,
          estimatedCores: 0,
        };
      }),
      estimatedCores: 0,
      freeCores: 1,
      notes: [],
    }),
  };
}

/** No ladder: what those names stand for is made for thin lines. */
function forThinLines(names: readonly string[]): Renditions {
  const { ladder, ...others } = ladderOf(names);
  return {
    ...others,
    enabled: (use) => use === 'thin',
    ladder: () => undefined,
    thinner: (stream) => ladder(stream, 'webrtc')?.renditions ?? [],
  };
}

let rig: WebRtcRig;
let converter: RelabelConverter;
let bandwidth: ScriptedBandwidth;
let stream: Stream;
let pump: NodeJS.Timeout;
let frames: number;

afterEach(async () => {
  clearInterval(pump);
  await rig.close();
});

async function start(options: RigOptions = {}): Promise<void> {
  converter = new RelabelConverter();
  bandwidth = new ScriptedBandwidth();
  rig = await WebRtcRig.start({
    converter,
    renditions: ladderOf(['original', '480', '240']),
    qualityPolicy: POLICY,
    newBandwidth: () => bandwidth,
    ...options,
  });
  stream = rig.hub.streams.publish('it', { sessionId: 's', close: () => {} });
  frames = 0;
  // Several packets to a picture.
  const next = () => {
    frame(stream, frames++, { gop: 10, bytes: 3000 });
    // As the server does: it is known then what the stream takes.
    if (frames % 15 === 0) stream.videoRate.sample(performance.now());
  };
  for (let i = 0; i < 15; i++) next();
  pump = setInterval(next, 20);
}

const of = ({ client }: RigSession, payloadType: number): RtpPacket[] =>
  client.rtp.filter((packet) => packet.payloadType === payloadType);

const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8000, interval: 20 });

const qualityOf = ({ session }: RigSession) =>
  rig.hub.sessions
    .get(session.mediaSessionId)
    ?.explain?.()
    .media.find(({ kind }) => kind === 'video');

async function playing(): Promise<RigSession> {
  const player = await rig.play('it', { video: 'H264' });
  await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).length).toBeGreaterThan(20));
  return player;
}

/** The sequence numbers of packets, unwrapped, in the order of their coming. */
function numbers(packets: readonly RtpPacket[]): number[] {
  const [first] = packets;
  return packets.map(({ sequence }) => (sequence - (first?.sequence ?? 0) + 0x1_0000) & 0xffff);
}

/** Nothing is missing, nothing comes twice, and time never goes back. */
function expectNoBreak(packets: readonly RtpPacket[]): void {
  expect(numbers(packets)).toEqual(packets.map((_, i) => i));
  const [first] = packets;
  const times = packets.map(({ timestamp }) => (timestamp - (first?.timestamp ?? 0)) >>> 0);
  for (const [i, time] of times.entries()) expect(time).toBeGreaterThanOrEqual(times[i - 1] ?? 0);
}

/** True for a packet that begins a key frame: its parameter sets come first (RFC 6184 §5.7.1). */
const beginsKeyFrame = ({ payload }: RtpPacket): boolean => ((payload[0] ?? 0) & 0x1f) === 24;
/** The SPS of what is made by the converter. */
const isMade = ({ payload }: RtpPacket): boolean =>
  Buffer.from(payload).includes(Buffer.from('6742c01ed900a02ff970', 'hex'));

describe('a viewer of one quality whose way becomes too narrow', () => {
  const measured: BandwidthEstimate = { ...NARROW, bps: 300_000, measured: true, queueMs: 0 };

  test('gets what is made for thin lines from a key frame of it on, and the stream again when the way is good', async () => {
    await start({ renditions: forThinLines(['480', '240']) });
    const player = await playing();
    expect(qualityOf(player)?.quality).toBe(undefined);
    bandwidth.now = measured;
    await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).filter(isMade).length).toBeGreaterThan(1));
    expect(qualityOf(player)).toMatchObject({ quality: '240', qualityReason: 'a test says so', delivery: 'converted' });
    expect(converter.opened.map(({ wanted }) => wanted.picture)).toEqual([{ height: 240 }]);
    expectNoBreak(of(player, AUDIO_PAYLOAD_TYPE));
    bandwidth.now = { ...measured, bps: 9e6, congested: false, reason: undefined };
    await waitFor(() => expect(qualityOf(player)?.quality).toBe(undefined));
    expect(rig.hub.counters.of('webrtc_qualities_lowered')).toBe(1);
    expect(rig.hub.counters.of('webrtc_qualities_raised')).toBe(1);
  });

  test('and who asks for a form of it gets no other', async () => {
    await start({ renditions: forThinLines(['480', '240']) });
    const player = await rig.play('it', { video: 'H264' }, { picture: { height: 360 } });
    await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).filter(isMade).length).toBeGreaterThan(1));
    bandwidth.now = measured;
    await waitFor(() => expect(qualityOf(player)?.framesLeftOut).toBeGreaterThan(100));
    expect(converter.opened.map(({ wanted }) => wanted.picture?.height)).toEqual([360]);
  });
});

describe('a viewer whose way becomes too narrow', () => {
  test('gets a lower quality from a key frame of it on, without a break, and the sound goes on', async () => {
    await start();
    const player = await playing();
    expect(qualityOf(player)).toMatchObject({ quality: 'original', delivery: 'as_is' });
    expect(converter.opened).toEqual([]);
    bandwidth.now = NARROW;
    await waitFor(() => expect(player.events.sizes.at(-1)).toBe('640x360'));
    await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).filter(isMade).length).toBeGreaterThan(1));
    const video = of(player, VIDEO_PAYLOAD_TYPE);
    expectNoBreak(video);
    expectNoBreak(of(player, AUDIO_PAYLOAD_TYPE));
    const first = video.findIndex(isMade);
    expect(video[first] && beginsKeyFrame(video[first])).toBe(true);
    // The picture before it was whole.
    expect(video[first - 1]?.marker).toBe(true);
    expect(video.slice(first).filter(beginsKeyFrame).every(isMade)).toBe(true);
    expect(qualityOf(player)).toMatchObject({
      quality: '480',
      qualityReason: 'a test says so',
      bandwidthBps: 1_200_000,
      delivery: 'converted',
    });
    expect(converter.opened.map(({ wanted }) => wanted.picture)).toEqual([{ height: 480 }]);
    expect(bandwidth.changes).toBe(1);
    expect(rig.hub.counters.of('webrtc_qualities_lowered')).toBe(1);
  });

  test('goes on with the old picture until the new one has a key frame', async () => {
    await start();
    converter.held = true;
    const player = await playing();
    bandwidth.now = NARROW;
    await waitFor(() => expect(converter.opened).toHaveLength(1));
    const before = of(player, VIDEO_PAYLOAD_TYPE).length;
    await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).length).toBeGreaterThan(before + 20));
    expect(of(player, VIDEO_PAYLOAD_TYPE).some(isMade)).toBe(false);
    expect(qualityOf(player)).toMatchObject({ quality: 'original' });
    expect(qualityOf(player)?.qualityReason).toContain('480 is on the way');
    converter.opened[0]?.release();
    await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).some(isMade)).toBe(true));
    expectNoBreak(of(player, VIDEO_PAYLOAD_TYPE));
  });

  test('comes back to the best when all is well again', async () => {
    await start();
    const player = await playing();
    bandwidth.now = { ...NARROW, bps: 500_000 };
    await waitFor(() => expect(qualityOf(player)?.quality).toBe('240'));
    bandwidth.now = WELL;
    await waitFor(() => expect(qualityOf(player)?.quality).toBe('original'));
    await waitFor(() => expect(player.events.sizes.at(-1)).toBe('320x240'));
    expectNoBreak(of(player, VIDEO_PAYLOAD_TYPE));
    expect(rig.hub.counters.of('webrtc_qualities_raised')).toBe(2);
    // Nobody reads what was made any more.
    expect(rig.server.sizes.packagers).toBe(2);
  });

  test('shares what is made with others, and leaves nothing behind', async () => {
    await start();
    const players = await Promise.all([playing(), playing()]);
    bandwidth.now = NARROW;
    await waitFor(() => expect(players.map((player) => qualityOf(player)?.quality)).toEqual(['480', '480']));
    expect(converter.opened).toHaveLength(1);
    for (const { session } of players) session.close();
    expect(rig.server.sizes).toMatchObject({ packagers: 0, watched: 0 });
    rig.hub.adaptations.close();
    expect([stream.readerCount, stream.viewers]).toEqual([0, 0]);
    expect(converter.running).toEqual([]);
  });

  test('stays where it is when the other quality can not be made', async () => {
    await start();
    const player = await playing();
    converter.refusal = 'no core is free';
    bandwidth.now = NARROW;
    await waitFor(() => expect(converter.opened.length).toBeGreaterThanOrEqual(2));
    const before = of(player, VIDEO_PAYLOAD_TYPE).length;
    await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).length).toBeGreaterThan(before + 20));
    expectNoBreak(of(player, VIDEO_PAYLOAD_TYPE));
    expect(qualityOf(player)).toMatchObject({ quality: 'original' });
    expect(rig.hub.log.lines.filter(({ message }) => message === 'quality can not be had')).toHaveLength(2);
  });

  test('gets another quality when the one that it has fails', async () => {
    await start();
    const player = await playing();
    bandwidth.now = NARROW;
    await waitFor(() => expect(qualityOf(player)?.quality).toBe('480'));
    bandwidth.now = { ...WELL, bps: 1e9 };
    converter.opened[0]?.fail('its worker keeps dying');
    await waitFor(() => expect(qualityOf(player)).toMatchObject({ quality: 'original', delivery: 'as_is' }));
    expectNoBreak(of(player, VIDEO_PAYLOAD_TYPE));
  });
});

describe('who is moved between qualities', () => {
  test('is who plays another codec too, when H.264 was agreed on besides', async () => {
    await start();
    const publisher = await rig.publish('vp8');
    await waitFor(() => expect(publisher.client.connected).toBe(true));
    const sender = new Sender(publisher.client);
    let sent = 0;
    const next = setInterval(() => sender.frame(sent++ % 10 === 0), 20);
    try {
      await waitFor(() => expect(publisher.events.active).toBe(true));
      const player = await rig.play('vp8', { alsoH264: true });
      expect(player.session.answer).toContain(`SAVPF ${VIDEO_PAYLOAD_TYPE}`);
      await waitFor(() => expect(of(player, VIDEO_PAYLOAD_TYPE).length).toBeGreaterThan(5));
      bandwidth.now = NARROW;
      await waitFor(() => expect(of(player, H264_PAYLOAD_TYPE).length).toBeGreaterThan(5));
      const pictures = player.client.rtp.filter(({ payloadType }) => payloadType !== AUDIO_PAYLOAD_TYPE);
      expectNoBreak(pictures);
      expect(pictures.findLastIndex(({ payloadType }) => payloadType === VIDEO_PAYLOAD_TYPE)).toBe(
        pictures.findIndex(({ payloadType }) => payloadType === H264_PAYLOAD_TYPE) - 1,
      );
      expect(isMade(of(player, H264_PAYLOAD_TYPE)[0] ?? expect.fail('nothing came'))).toBe(true);
    } finally {
      clearInterval(next);
    }
  });

  test('is who reports losses: two reports of them are enough', async () => {
    await start({ newBandwidth: () => new FeedbackBandwidth({ beginMs: 0, sustainMs: 100 }) });
    const player = await playing();
    const ssrc = sourcesOf(player.session.answer)['video'] ?? 0;
    const report = (fractionLost: number) =>
      player.client.sendRtcp(
        writeReceiverReport({
          ssrc: 1,
          reports: [
            {
              ssrc,
              fractionLost,
              cumulativeLost: 9,
              highestSequence: 1,
              jitter: 0,
              lastSenderReport: 0,
              delaySinceLastSenderReport: 0,
            },
          ],
        }),
      );
    const reports = setInterval(() => report(77), 60);
    try {
      await waitFor(() => expect(qualityOf(player)?.quality).not.toBe('original'));
      expect(qualityOf(player)?.qualityReason).toContain('30 % of the packets are lost');
    } finally {
      clearInterval(reports);
    }
  });

  test('is nobody where it is switched off, or where the player asks for a picture of its own', async () => {
    await start({ renditions: { ...ladderOf(['original', '240']), enabled: () => false } });
    const player = await playing();
    expect(qualityOf(player)?.quality).toBeUndefined();
    await rig.close();
    await start();
    const asking = await rig.play('it', { video: 'H264' }, { picture: { height: 100 } });
    expect(qualityOf(asking)?.quality).toBeUndefined();
  });

  test('begins with the best quality that there is, which may be made', async () => {
    await start({ renditions: ladderOf(['480', '240']) });
    const player = await playing();
    expect(qualityOf(player)).toMatchObject({ quality: '480', delivery: 'converted' });
    expect(of(player, VIDEO_PAYLOAD_TYPE).filter(beginsKeyFrame).every(isMade)).toBe(true);
  });

  test('is played to as it is when the machine can make no quality at all', async () => {
    await start({
      renditions: {
        ...ladderOf([]),
        ladder: () => {
          throw new MediaServerError('TRANSCODING_LIMIT', 'no core is free');
        },
      },
    });
    const player = await playing();
    expect(qualityOf(player)).toMatchObject({ delivery: 'as_is', quality: undefined });
    const stats: PeerStats = player.session.stats();
    expect(stats.packets).toBeGreaterThan(0);
  });
});
