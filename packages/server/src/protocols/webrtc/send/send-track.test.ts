import { absoluteSendTime, parseRtcp, parseRtp, type RtpPacket, type Track } from '@sluice/media';
import { describe, expect, test, vi } from 'vitest';
import { RtpLane, type RtpLanePacket, VIDEO_LANE } from '../../../core/index.ts';
import { StreamClock } from '../../../rtp/index.ts';
import { SendTrack, type SendTrackOptions } from './send-track.ts';
import { SenderReports } from './sender-reports.ts';

const TRACK: Track = { id: 1, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] };
const FORMAT = { track: TRACK };
const FRAME_TICKS = 3000;
/** All that is kept is wanted; the stream stands at its 100th frame. */
const FROM_THE_PAST = { maxPastUs: Number.POSITIVE_INFINITY, liveUs: () => 99 * 33_333 };
const SSRC = 0x1111;
const RTX_SSRC = 0x2222;

function packet(sequence: number, more: Partial<RtpLanePacket> = {}): RtpLanePacket {
  return {
    format: FORMAT,
    sequence,
    timestamp: sequence * FRAME_TICKS,
    ptsUs: sequence * 33_333,
    marker: true,
    startPoint: false,
    payload: Uint8Array.of(sequence >> 8, sequence & 0xff),
    ...more,
  };
}

class Peer {
  readonly sent: RtpPacket[] = [];
  readonly track: SendTrack;

  constructor(options: Partial<SendTrackOptions> = {}) {
    this.track = new SendTrack(
      {
        take: (bytes) => Buffer.alloc(bytes),
        sendRtp: (buffer, length) => this.sent.push(parseRtp(Buffer.from(buffer.subarray(0, length)))),
      },
      {
        ssrc: SSRC,
        rtxSsrc: RTX_SSRC,
        clock: new StreamClock(),
        formatFor: () => ({ payloadType: 96, rtxPayloadType: 97 }),
        ...options,
      },
    );
  }

  /** Numbers of the lane's packets that were sent, in order. */
  get content(): number[] {
    return this.sent.map(({ payload }) => ((payload[0] ?? 0) << 8) | (payload[1] ?? 0));
  }
}

function laneWith(first: number, end: number): RtpLane {
  const lane = new RtpLane(VIDEO_LANE);
  for (let sequence = first; sequence < end; sequence++)
    lane.publish(packet(sequence, { startPoint: sequence === first }));
  return lane;
}

describe('a track on its way to a peer', () => {
  test('begins at the next start point when none is kept, and numbers what follows without gaps', () => {
    const lane = new RtpLane(VIDEO_LANE);
    const peer = new Peer();
    peer.track.follow(lane);
    for (let sequence = 500; sequence < 510; sequence++)
      lane.publish(packet(sequence, { startPoint: sequence === 503 }));
    expect(peer.content).toEqual([503, 504, 505, 506, 507, 508, 509]);
    const [first] = peer.sent;
    expect(peer.sent.map(({ sequence }) => (sequence - (first?.sequence ?? 0)) & 0xffff)).toEqual([
      0, 1, 2, 3, 4, 5, 6,
    ]);
    expect(peer.sent.every(({ ssrc, payloadType }) => ssrc === SSRC && payloadType === 96)).toBe(true);
  });

  test('brings who joins up to date: the past comes in portions, its times pressed together, then what is live', () => {
    const lane = laneWith(0, 100);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    expect(peer.content).toHaveLength(64);
    lane.publish(packet(100));
    expect(peer.content).toHaveLength(64);
    peer.track.tick();
    lane.publish(packet(101));
    expect(peer.content).toEqual(Array.from({ length: 102 }, (_, sequence) => sequence));
    const times = peer.sent.map(({ timestamp }) => timestamp);
    const span = ((times[99] ?? 0) - (times[0] ?? 0)) >>> 0;
    expect(span).toBeLessThan((99 * FRAME_TICKS) / 30);
    expect(((times[100] ?? 0) - (times[99] ?? 0)) >>> 0).toBe(FRAME_TICKS);
    for (let i = 1; i < times.length; i++) expect(((times[i] ?? 0) - (times[i - 1] ?? 0)) | 0).toBeGreaterThan(0);
  });

  test('goes over to another encoding with numbers of frames that go on, also in what is sent again', () => {
    const vp8 = (picture: number, tl0: number) =>
      Uint8Array.of(0x90, 0xe0, 0x80 | (picture >> 8), picture & 0xff, tl0, 0x20, 1);
    const first = new RtpLane(VIDEO_LANE);
    const second = new RtpLane(VIDEO_LANE);
    const peer = new Peer();
    peer.track.follow(first);
    first.publish(packet(10, { startPoint: true, payload: vp8(500, 8) }));
    first.publish(packet(11, { payload: vp8(501, 9) }));
    peer.track.follow(second);
    second.publish(packet(7000, { startPoint: true, ptsUs: 400_000, payload: vp8(20, 200) }));
    second.publish(packet(7001, { ptsUs: 433_333, payload: vp8(21, 201) }));
    peer.track.resend(peer.sent[2]?.sequence ?? -1, performance.now());
    const again = peer.sent.pop();
    expect(peer.sent.map(({ payload }) => (((payload[2] ?? 0) & 0x7f) << 8) | (payload[3] ?? 0))).toEqual([
      500, 501, 502, 503,
    ]);
    expect(peer.sent.map(({ payload }) => payload[4])).toEqual([8, 9, 10, 11]);
    expect([...(again?.payload.subarray(2) ?? [])]).toEqual([...(peer.sent[2]?.payload ?? [])]);
    // What others get of the same packets is not touched.
    expect(second.at(7001)?.payload).toEqual(vp8(21, 201));
  });

  test('is reported on when it is up to date: times of the past say nothing about what follows', () => {
    const lane = laneWith(0, 200);
    const peer = new Peer();
    const reports = new SenderReports('cname', peer.track.options.clock);
    peer.track.follow(lane, { ...FROM_THE_PAST, liveUs: () => 199 * 33_333 });
    expect(reports.due(peer.track, 0)).toBeUndefined();
    for (let i = 0; i < 3; i++) peer.track.tick();
    const report = reports.due(peer.track, 20);
    const last = peer.sent.at(-1)?.timestamp ?? 0;
    const [sr] = parseRtcp(report ?? new Uint8Array());
    expect(Math.abs(sr?.kind === 'sr' ? (sr.rtpTimestamp - last) | 0 : Number.NaN)).toBeLessThan(45_000);
  });

  test('does not begin in the past where the source can be asked for a key frame and the newest is old', () => {
    const lane = laneWith(0, 100);
    const peer = new Peer();
    peer.track.follow(lane, { ...FROM_THE_PAST, maxPastUs: 1_000_000 });
    expect(peer.track.waitsForStart).toBe(true);
    lane.publish(packet(100, { startPoint: true }));
    expect(peer.content).toEqual([100]);
  });

  test('passes on what was lost and has come late, under its own number', () => {
    const lane = laneWith(0, 1);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    for (const sequence of [1, 3, 4, 2, 5]) lane.publish(packet(sequence));
    expect(peer.content).toEqual([0, 1, 3, 4, 2, 5]);
    const first = peer.sent[0]?.sequence ?? 0;
    expect(peer.sent.map(({ sequence }) => (sequence - first) & 0xffff)).toEqual([0, 1, 3, 4, 2, 5]);
  });

  test('sends again on request, as a retransmission with the original number', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    const wanted = peer.sent[4];
    peer.track.resend(wanted?.sequence ?? 0, 1000);
    peer.track.resend(wanted?.sequence ?? 0, 1001);
    expect(peer.sent).toHaveLength(11);
    const again = peer.sent[10];
    expect(again).toMatchObject({ ssrc: RTX_SSRC, payloadType: 97, timestamp: wanted?.timestamp });
    expect(Array.from(again?.payload ?? [])).toEqual([
      (wanted?.sequence ?? 0) >> 8,
      (wanted?.sequence ?? 0) & 0xff,
      ...Array.from(wanted?.payload ?? []),
    ]);
    peer.track.resend(wanted?.sequence ?? 0, 1020);
    expect(peer.sent).toHaveLength(12);
  });

  test('sends the same again only after a round trip', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    for (let nowMs = 1000; nowMs < 2000; nowMs += 50) peer.track.resend(peer.sent[4]?.sequence ?? 0, nowMs, 390);
    expect(peer.track.resent).toBe(3);
  });

  test('sends again byte for byte to a peer without a retransmission stream', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer({ formatFor: () => ({ payloadType: 96 }) });
    peer.track.follow(lane, FROM_THE_PAST);
    peer.track.resend(peer.sent[4]?.sequence ?? 0, 1000);
    expect(peer.sent[10]).toEqual(peer.sent[4]);
  });

  test('sends at most some hundred packets again in a tenth of a second, whatever is asked for', () => {
    const lane = laneWith(0, 1000);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    for (let i = 0; i < 20; i++) peer.track.tick();
    expect(peer.sent).toHaveLength(1000);
    const numbers = peer.sent.map(({ sequence }) => sequence);
    for (let round = 0; round < 50; round++) for (const number of numbers) peer.track.resend(number, 5000 + round);
    expect(peer.track.resent).toBeLessThanOrEqual(256);
    expect(peer.track.resent).toBeGreaterThan(0);
  });

  test('sends no more again over time than half of what it sends', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    let [nowMs, sent] = [1000, 10];
    for (let i = 10; i < 2000; i++, sent++) {
      lane.publish(packet(i));
      const number = peer.sent.findLast(({ ssrc }) => ssrc === SSRC)?.sequence ?? 0;
      for (let back = 0; back < 8; back++, nowMs += 15) peer.track.resend((number - back) & 0xffff, nowMs);
    }
    expect(peer.track.resent).toBeGreaterThan(sent / 2);
    expect(peer.track.resent).toBeLessThanOrEqual(sent / 2 + 256);
  });

  test('ignores requests for what it never sent', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer();
    peer.track.resend(7, 1000);
    peer.track.follow(lane, FROM_THE_PAST);
    const first = peer.sent[0]?.sequence ?? 0;
    for (const number of [first - 1, first + 10, first + 30_000]) peer.track.resend(number & 0xffff, 1000);
    expect(peer.track.resent).toBe(0);
    expect(peer.sent).toHaveLength(10);
  });

  test('goes on with the next publisher: numbers and times continue, beginning at a start point', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    lane.reset();
    for (let i = 0; i < 5; i++)
      lane.publish(packet(lane.end, { timestamp: 4_000_000_000 + i * FRAME_TICKS, startPoint: i === 2 }));
    peer.track.tick();
    expect(peer.content).toEqual([...Array.from({ length: 10 }, (_, i) => i), 12, 13, 14]);
    const sequences = peer.sent.map(({ sequence }) => sequence);
    for (let i = 1; i < sequences.length; i++) expect(((sequences[i] ?? 0) - (sequences[i - 1] ?? 0)) & 0xffff).toBe(1);
    const step = ((peer.sent[10]?.timestamp ?? 0) - (peer.sent[9]?.timestamp ?? 0)) | 0;
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(90_000);
  });

  test('tells in its reports one straight line of time, whatever pause there was between two publishers', () => {
    vi.useFakeTimers();
    const lane = new RtpLane(VIDEO_LANE);
    const peer = new Peer();
    const reports = new SenderReports('cname', peer.track.options.clock);
    peer.track.follow(lane);
    const points: { unixMs: number; timestamp: number }[] = [];
    const play = (fromUs: number, firstTimestamp: number): void => {
      for (let i = 0; i < 300; i++) {
        vi.advanceTimersByTime(20);
        const timestamp = firstTimestamp + i * 1800;
        lane.publish(packet(lane.end, { timestamp, ptsUs: fromUs + i * 20_000, startPoint: i === 0 }));
        peer.track.tick();
        const [report] = parseRtcp(reports.due(peer.track, performance.now()) ?? new Uint8Array());
        if (report?.kind === 'sr') points.push({ unixMs: Date.now(), timestamp: report.rtpTimestamp });
      }
    };
    play(1_000_000, 500);
    vi.advanceTimersByTime(7000);
    lane.reset();
    // The stream's time goes on as if there had been no pause.
    play(7_020_000, 4_000_000_000);
    const [first] = points;
    expect(points.length).toBeGreaterThan(10);
    for (const { unixMs, timestamp } of points) {
      const ticks = (timestamp - (first?.timestamp ?? 0)) | 0;
      expect(Math.abs(ticks / 90 - (unixMs - (first?.unixMs ?? 0)))).toBeLessThan(1);
    }
    vi.useRealTimers();
  });

  test('leaves out packets that the peer has no payload type for', () => {
    const lane = laneWith(0, 10);
    const peer = new Peer({ formatFor: () => undefined });
    peer.track.follow(lane, FROM_THE_PAST);
    expect(peer.sent).toHaveLength(0);
    expect(peer.track.started).toBe(false);
  });

  test('tells the orientation of the picture where that was negotiated', () => {
    const lane = new RtpLane(VIDEO_LANE);
    const peer = new Peer({ orientationId: 13 });
    peer.track.follow(lane);
    lane.publish(packet(0, { startPoint: true, orientation: 1 }));
    lane.publish(packet(1));
    expect(peer.sent[0]?.extensions.data.subarray(0, 2)).toEqual(Buffer.of((13 << 4) | 0, 1));
    expect(peer.sent[1]?.extensions.data).toHaveLength(0);
  });

  test('tells the time of sending where that was negotiated, but not where the same bytes may be sent twice', () => {
    const lane = laneWith(0, 2);
    const peer = new Peer({ sendTimeId: 2, orientationId: 13 });
    const nowMs = performance.now();
    peer.track.follow(lane, FROM_THE_PAST);
    peer.track.resend(peer.sent[1]?.sequence ?? 0, 1000);
    for (const sent of peer.sent) {
      const ticks = absoluteSendTime(sent, 2) ?? Number.NaN;
      expect(Math.abs((ticks / 2 ** 18) * 1000 - (nowMs % 64_000))).toBeLessThan(200);
    }
    expect(peer.sent).toHaveLength(3);
    const plain = new Peer({ sendTimeId: 2, formatFor: () => ({ payloadType: 96 }) });
    plain.track.follow(lane, FROM_THE_PAST);
    expect(plain.sent.map((sent) => absoluteSendTime(sent, 2))).toEqual([undefined, undefined]);
  });

  test('begins sound with what is live, though a burst of the past comes before it', () => {
    const track: Track = { id: 2, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [] };
    const lane = new RtpLane(VIDEO_LANE);
    const peer = new Peer();
    peer.track.follow(lane, { maxPastUs: Number.POSITIVE_INFINITY, liveUs: () => 2_000_000 });
    for (let i = 0; i <= 105; i++)
      lane.publish(packet(i, { format: { track }, startPoint: true, timestamp: i * 960, ptsUs: i * 20_000 }));
    expect(peer.content[0]).toBe(93);
    expect(peer.content.at(-1)).toBe(105);
  });

  test('presses together the times of pictures that a conversion makes of the past', () => {
    const lane = new RtpLane(VIDEO_LANE);
    const peer = new Peer();
    peer.track.follow(lane, FROM_THE_PAST);
    for (let i = 0; i <= 101; i++) lane.publish(packet(i, { startPoint: i === 0 }));
    const times = peer.sent.map(({ timestamp }) => timestamp);
    expect(((times[99] ?? 0) - (times[0] ?? 0)) >>> 0).toBeLessThan((99 * FRAME_TICKS) / 30);
    expect(((times[101] ?? 0) - (times[100] ?? 0)) >>> 0).toBe(FRAME_TICKS);
  });
});
