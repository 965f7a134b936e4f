import { parseRtp } from '@sluice/media';
import { expect, test } from 'vitest';
import { LOCAL_SSRC, ScriptedPublisher, type Sent, VIDEO, VIDEO_SSRC } from './testing/scripted-publisher.ts';

const MTU = 1200;

function withFeedback(feedback: Partial<(typeof VIDEO)['feedback']>) {
  return [{ ...VIDEO, feedback: { ...VIDEO.feedback, ...feedback } }];
}

test('receiver reports go out every second with a name, loss, jitter and the newest sender report', () => {
  const delay = ({ kind, index }: Sent): number | undefined => (kind === 'audio' && index % 4 === 1 ? undefined : 10);
  const publisher = new ScriptedPublisher({ delay, senderReports: true }).run(5050);

  const reports = publisher.got('rr');
  expect(reports).toHaveLength(5);
  expect(publisher.got('sdes')[0]?.chunks[0]).toMatchObject({ ssrc: LOCAL_SSRC, cname: 'sluice' });
  const [video, audio] = reports.at(-1)?.reports ?? [];
  expect(video).toMatchObject({ ssrc: VIDEO_SSRC, fractionLost: 0, cumulativeLost: 0 });
  expect(audio?.fractionLost).toBeGreaterThan(60);
  expect(audio?.fractionLost).toBeLessThan(68);
  expect(audio?.cumulativeLost).toBeGreaterThan(50);
  expect(audio?.jitter).toBe(0);
  expect(video?.lastSenderReport).toBeGreaterThan(0);
  // Reports of the publisher come at 200 ms of each second, ours at 100 ms.
  expect((video?.delaySinceLastSenderReport ?? 0) / 65_536).toBeCloseTo(0.9, 1);
});

test('nothing is reported before the first packet, and the first report follows it soon', () => {
  const publisher = new ScriptedPublisher();
  publisher.captures.video = false;
  publisher.captures.audio = false;
  publisher.run(2050);
  expect(publisher.rtcp).toHaveLength(0);
  publisher.captures.audio = true;
  publisher.run(200);
  expect(publisher.got('rr')).toHaveLength(1);
});

test('the round trip is known from the answers to extended reports', () => {
  const publisher = new ScriptedPublisher().run(2000);
  expect(publisher.media.stats().rttMs).toBeCloseTo(20, 0);
});

test('jitter is what RFC 3550 makes of uneven arrivals', () => {
  const delay = ({ kind, index }: Sent): number => (kind === 'audio' ? 10 + (index % 2) * 16 : 10);
  const publisher = new ScriptedPublisher({ delay }).run(5000);
  expect(publisher.media.stats().tracks[1]?.jitterMs).toBeCloseTo(16, 0);
  expect(publisher.media.stats().tracks[0]?.jitterMs).toBeLessThan(1);
});

test('transport-wide feedback tells of every packet that came, ten times a second', () => {
  const delay = ({ index }: Sent): number | undefined => (index % 10 === 3 ? undefined : 10 + (index % 5));
  const publisher = new ScriptedPublisher({ delay, retransmits: false }).run(5000);

  const feedbacks = publisher.got('twcc');
  expect(feedbacks.length).toBeGreaterThanOrEqual(48);
  expect(feedbacks.length).toBeLessThanOrEqual(60);
  expect(feedbacks.map(({ feedbackCount }) => feedbackCount)).toEqual(feedbacks.map((_, index) => index & 0xff));
  const told = new Set(feedbacks.flatMap(({ arrivals }) => arrivals.map(({ sequence }) => sequence)));
  const { tracks } = publisher.media.stats();
  const came = (tracks[0]?.packets ?? 0) + (tracks[1]?.packets ?? 0);
  expect(told.size).toBeGreaterThan(came - 25);
  expect(told.size).toBeLessThanOrEqual(came);
  for (const { bytes } of publisher.rtcp) expect(bytes).toBeLessThan(MTU);
});

test('packets of unknown sources are told of too, because congestion control is about all that is sent', () => {
  const publisher = new ScriptedPublisher({ tracks: [VIDEO] });
  publisher.captures.video = false;
  const header = [0x90, 99, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9];
  const element = [0xbe, 0xde, 0, 1, 0x31, 0x12, 0x34, 0];
  publisher.media.onRtp(parseRtp(Uint8Array.from([...header, ...element, 1, 2])), publisher.nowMs);
  publisher.run(200);
  expect(publisher.got('twcc').flatMap(({ arrivals }) => arrivals.map(({ sequence }) => sequence))).toEqual([0x1234]);
});

test('no transport-wide feedback is sent when it was not negotiated, or switched off', () => {
  const tracks = withFeedback({ transportCc: false });
  expect(new ScriptedPublisher({ tracks }).run(1000).got('twcc')).toHaveLength(0);
  expect(new ScriptedPublisher({ options: { transportCc: false } }).run(1000).got('twcc')).toHaveLength(0);
});

test('REMB asks for more than comes while all arrives, and stays within the limits', () => {
  const tracks = withFeedback({ transportCc: false });
  const publisher = new ScriptedPublisher({ tracks, frameBytes: 10_000 }).run(6000);
  const asked = publisher.got('remb').map(({ bitrateBps }) => bitrateBps);
  // 30 pictures of 10 kB a second.
  expect(asked.at(-1)).toBeGreaterThan(2_400_000 * 1.4);
  expect(asked.at(-1)).toBeLessThan(2_400_000 * 1.8);
  expect(publisher.got('remb')[0]?.ssrcs).toEqual([VIDEO_SSRC]);

  const media = { maxBitrateBps: 500_000 };
  const capped = new ScriptedPublisher({ tracks, media, frameBytes: 10_000 }).run(6000);
  expect(capped.got('remb').at(-1)?.bitrateBps).toBeCloseTo(500_000, -3);
});

test('REMB falls below what comes when much is lost', () => {
  const tracks = withFeedback({ transportCc: false, nack: false });
  let lossy = false;
  const delay = ({ index }: Sent): number | undefined => (lossy && index % 4 === 0 ? undefined : 10);
  const publisher = new ScriptedPublisher({ tracks, delay, frameBytes: 10_000 }).run(4000);
  const before = publisher.got('remb').at(-1)?.bitrateBps ?? 0;
  lossy = true;
  publisher.run(4000);
  expect(publisher.got('remb').at(-1)?.bitrateBps).toBeLessThan(before / 2);
  expect(publisher.got('remb').at(-1)?.bitrateBps).toBeGreaterThan(1_000_000);
});

test('with transport-wide feedback REMB is only the limit that the client asked for', () => {
  expect(new ScriptedPublisher().run(3000).got('remb')).toHaveLength(0);
  const publisher = new ScriptedPublisher({ media: { maxBitrateBps: 800_000 } }).run(3000);
  expect(new Set(publisher.got('remb').map(({ bitrateBps }) => Math.round(bitrateBps / 1000)))).toEqual(new Set([800]));
});

test('with transport-wide feedback a publisher that sends more than the settings allow is told their limit', () => {
  const options = { maxBitrateBps: 700_000 };
  expect(new ScriptedPublisher({ options, frameBytes: 1000 }).run(3000).got('remb')).toHaveLength(0);
  const asked = new ScriptedPublisher({ options }).run(5000).got('remb');
  expect(new Set(asked.map(({ bitrateBps }) => Math.round(bitrateBps / 1000)))).toEqual(new Set([700]));
});

test('what the client asks for beats the limit of the settings', () => {
  const media = { maxBitrateBps: 800_000 };
  const asked = new ScriptedPublisher({ options: { maxBitrateBps: 300_000 }, media }).run(3000).got('remb');
  expect(new Set(asked.map(({ bitrateBps }) => Math.round(bitrateBps / 1000)))).toEqual(new Set([800]));
});

test('without RTCP of reduced size each feedback has a report before it', () => {
  const publisher = new ScriptedPublisher({ media: { reducedSizeRtcp: false } }).run(1000);
  publisher.media.requestKeyFrame();
  for (const { packets } of publisher.rtcp) expect(packets.slice(0, 2).map(({ kind }) => kind)).toEqual(['rr', 'sdes']);
  expect(publisher.got('pli')).toHaveLength(1);
});
