import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../packet.ts';
import { mutate, prng } from '../../testing/mutate.ts';
import {
  compactNtp,
  joinRtcp,
  ntpOfUnixMs,
  parseRtcp,
  type ReportBlock,
  type TwccArrivalTime,
  twccFeedback,
  unixMsOfNtp,
  writeBye,
  writeExtendedReport,
  writeFir,
  writeNack,
  writePli,
  writeReceiverReport,
  writeRemb,
  writeSdes,
  writeSenderReport,
  writeTwcc,
} from './index.ts';

const REPORT: ReportBlock = {
  ssrc: 0xf0000001,
  fractionLost: 200,
  cumulativeLost: -3,
  highestSequence: 0x1ffff,
  jitter: 77,
  lastSenderReport: 0xfedcba98,
  delaySinceLastSenderReport: 65536,
};
const SENDER_REPORT = {
  ssrc: 0xa0000001,
  ntpSeconds: 0xe0000000,
  ntpFraction: 0x80000000,
  rtpTimestamp: 0xffffffff,
  packetCount: 10,
  octetCount: 2000,
  reports: [REPORT],
};
const HEADER = { senderSsrc: 0x81234567, mediaSsrc: 0xfedcba98 };

function only(bytes: Uint8Array) {
  const packets = parseRtcp(bytes);
  expect(packets).toHaveLength(1);
  return packets[0];
}

describe('RTCP packets are read as they were written', () => {
  test('sender reports', () => {
    expect(only(writeSenderReport(SENDER_REPORT))).toEqual({ kind: 'sr', ...SENDER_REPORT });
  });

  test('receiver reports, of which 31 blocks at most', () => {
    const reports = [REPORT, { ...REPORT, cumulativeLost: 0x7fffff }];
    expect(only(writeReceiverReport({ ssrc: 5, reports }))).toEqual({ kind: 'rr', ssrc: 5, reports });
    const many = only(writeReceiverReport({ ssrc: 5, reports: new Array<ReportBlock>(40).fill(REPORT) }));
    expect(many).toMatchObject({ reports: { length: 31 } });
  });

  test('losses that 24 bits cannot hold as the most they can', () => {
    const reports = [{ ...REPORT, cumulativeLost: 2 ** 30 }];
    expect(only(writeReceiverReport({ ssrc: 5, reports }))).toMatchObject({ reports: [{ cumulativeLost: 0x7fffff }] });
  });

  test.each(['', 'a', 'abc', 'abcd', 'ünïcode@example'])('the canonical name "%s"', (cname) => {
    const bytes = writeSdes(9, cname);
    expect(bytes.length % 4).toBe(0);
    expect(only(bytes)).toEqual({
      kind: 'sdes',
      chunks: [{ ssrc: 9, cname, items: [{ type: 1, text: cname }] }],
    });
  });

  test('goodbyes with and without a reason', () => {
    expect(only(writeBye([1, 0xffffffff]))).toEqual({ kind: 'bye', ssrcs: [1, 0xffffffff], reason: undefined });
    expect(only(writeBye([1], 'left'))).toEqual({ kind: 'bye', ssrcs: [1], reason: 'left' });
  });

  test('NACK lists, across the wrap and longer than one bitmask', () => {
    const lost = [0xfff0, 0xfff1, 0xffff, 0, 1, 16, 17, 40];
    const bytes = writeNack(HEADER, lost);
    expect(only(bytes)).toEqual({ kind: 'nack', ...HEADER, lost });
    expect(bytes.length).toBe(12 + 4 * 3);
  });

  test('picture loss indications and full intra requests', () => {
    const requests = [{ ssrc: 0xdeadbeef, sequence: 255 }];
    expect(only(writePli(HEADER))).toEqual({ kind: 'pli', ...HEADER });
    expect(only(writeFir(7, requests))).toEqual({ kind: 'fir', senderSsrc: 7, requests });
  });

  test('REMB to 18 bits of precision', () => {
    expect(only(writeRemb({ senderSsrc: 1, bitrateBps: 250_000, ssrcs: [2, 3] }))).toEqual({
      kind: 'remb',
      senderSsrc: 1,
      bitrateBps: 250_000,
      ssrcs: [2, 3],
    });
    const large = only(writeRemb({ senderSsrc: 1, bitrateBps: 4_000_001, ssrcs: [] }));
    expect(large).toMatchObject({ bitrateBps: 4_000_000 });
  });

  test('extended reports', () => {
    const receiverReference = { ntpSeconds: 0xe0000001, ntpFraction: 5 };
    const dlrr = [{ ssrc: 1, lastReceiverReference: 0xffffffff, delaySinceLastReference: 3 }];
    for (const report of [
      { ssrc: 4, receiverReference, dlrr },
      { ssrc: 4, receiverReference, dlrr: [] },
      { ssrc: 4, receiverReference: undefined, dlrr },
    ]) {
      expect(only(writeExtendedReport(report))).toEqual({ kind: 'xr', ...report });
    }
  });

  test('compounds, with their order kept and unknown packets in them', () => {
    const unknown = Uint8Array.of(0x83, 209, 0, 1, 1, 2, 3, 4);
    const app = Uint8Array.of(0x81, 204, 0, 3, 0, 0, 0, 1, 0x41, 0x42, 0x43, 0x44, 9, 9, 9, 9);
    const packets = parseRtcp(joinRtcp([writeSenderReport(SENDER_REPORT), unknown, app, writeSdes(1, 'x')]));
    expect(packets.map(({ kind }) => kind)).toEqual(['sr', 'unknown', 'app', 'sdes']);
    expect(packets[1]).toMatchObject({ payloadType: 209, count: 3, data: Uint8Array.of(1, 2, 3, 4) });
    expect(packets[2]).toMatchObject({ ssrc: 1, subtype: 1, name: 'ABCD' });
  });
});

describe('parseRtcp', () => {
  test('takes padding off the last packet', () => {
    const padded = Uint8Array.of(0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4);
    expect(only(padded)).toEqual({ kind: 'bye', ssrcs: [1], reason: undefined });
  });

  test.each([
    ['half a header', [0x80, 200]],
    ['another version', [0x00, 203, 0, 0]],
    ['a length past the end', [0x80, 203, 0, 1]],
    ['more report blocks than bytes', [0x81, 201, 0, 1, 0, 0, 0, 1]],
    ['too much padding', [0xa0, 203, 0, 1, 0, 0, 0, 9]],
    ['a source description without its source', [0x81, 202, 0, 0]],
    ['an item past the end', [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, 65, 65]],
    ['an extended report block past the end', [0x80, 207, 0, 2, 0, 0, 0, 1, 4, 0, 0, 2]],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseRtcp(Uint8Array.from(bytes))).toThrow(ProtocolError);
  });

  test('refuses more packets than a client sends', () => {
    const empty = Uint8Array.of(0x80, 203, 0, 0);
    expect(parseRtcp(joinRtcp(new Array<Uint8Array>(64).fill(empty)))).toHaveLength(64);
    expect(() => parseRtcp(joinRtcp(new Array<Uint8Array>(65).fill(empty)))).toThrow('more than 64');
  });
});

describe('transport-wide feedback', () => {
  function roundTrip(arrivals: TwccArrivalTime[], baseSequence?: number) {
    return twccFeedback(arrivals, { ...HEADER, feedbackCount: 254, baseSequence }).map((feedback) => {
      const parsed = only(writeTwcc(feedback));
      expect(parsed).toEqual({ kind: 'twcc', ...feedback });
      return feedback;
    });
  }

  /** Arrival times on the receiver's clock again, for comparison. */
  function arrivalsOf(feedbacks: ReturnType<typeof roundTrip>): TwccArrivalTime[] {
    return feedbacks.flatMap(({ arrivals, referenceTimeMs }) =>
      arrivals.map(({ sequence, arrivalUs }) => ({ sequence, arrivalUs: referenceTimeMs * 1000 + arrivalUs })),
    );
  }

  test('says which packets came and when, across the wrap', () => {
    const arrivals = [65533, 65535, 65536, 65550].map((sequence, index) => ({ sequence, arrivalUs: index * 5000 }));

    const feedbacks = roundTrip(arrivals, 65530);

    expect(feedbacks).toHaveLength(1);
    expect(feedbacks[0]).toMatchObject({ baseSequence: 65530, packetCount: 21, feedbackCount: 254 });
    expect(arrivalsOf(feedbacks)).toEqual(arrivals.map((a) => ({ ...a, sequence: a.sequence % 65536 })));
  });

  test('says a long run in two bytes', () => {
    const [feedback] = twccFeedback(
      Array.from({ length: 300 }, (_, index) => ({ sequence: index, arrivalUs: 1_000_000 + index * 250 })),
      { ...HEADER, feedbackCount: 0 },
    );
    const bytes = writeTwcc(feedback ?? expect.fail());
    expect(bytes.length).toBe(4 + 8 + 8 + 2 + 300 + 2);
    expect([...bytes.subarray(20, 22)]).toEqual([0x21, 0x2c]);
  });

  test('says packets that were overtaken, with negative times', () => {
    const arrivals = [
      { sequence: 1, arrivalUs: 100_000 },
      { sequence: 2, arrivalUs: 20_000 },
      { sequence: 3, arrivalUs: 101_000 },
    ];
    expect(arrivalsOf(roundTrip(arrivals))).toEqual(arrivals);
  });

  test('begins another packet where two arrived more than 8 s apart', () => {
    const arrivals = [
      { sequence: 1, arrivalUs: 0 },
      { sequence: 2, arrivalUs: 20_000_000 },
    ];
    const feedbacks = roundTrip(arrivals);
    expect(feedbacks.map(({ feedbackCount }) => feedbackCount)).toEqual([254, 255]);
    expect(arrivalsOf(feedbacks)).toEqual(arrivals);
  });

  test('is the same after writing and reading for any pattern of loss and delay', () => {
    const random = prng(4);
    for (let round = 0; round < 500; round += 1) {
      const arrivals: TwccArrivalTime[] = [];
      const density = random();
      let arrivalUs = Math.floor(random() * 1e6) * 250;
      for (let sequence = 60_000; sequence < 60_000 + Math.floor(random() * 1500); sequence += 1) {
        if (random() > density) continue;
        arrivalUs += (random() < 0.9 ? Math.floor(random() * 20) : Math.floor(random() * 2000) - 500) * 250;
        arrivals.push({ sequence, arrivalUs });
      }
      const got = arrivalsOf(roundTrip(arrivals));
      expect(got).toEqual(arrivals.map((a) => ({ ...a, sequence: a.sequence % 65536 })));
    }
  });

  test('reads status vectors of one and of two bits', () => {
    const head = [0x8f, 205, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0, 21, 0xff, 0xff, 0xff, 3];
    // 14 symbols of one bit, of which the first and the last came; 7 of two bits: lost, small, large, lost, ...
    const bytes = Uint8Array.from([...head, 0xa0, 0x01, 0xc6, 0x00, 4, 8, 12, 0xff, 0xfc, 0, 0, 0]);
    expect(only(bytes)).toMatchObject({
      kind: 'twcc',
      baseSequence: 10,
      packetCount: 21,
      referenceTimeMs: -64,
      feedbackCount: 3,
      arrivals: [
        { sequence: 10, arrivalUs: 1000 },
        { sequence: 23, arrivalUs: 3000 },
        { sequence: 25, arrivalUs: 6000 },
        { sequence: 26, arrivalUs: 6000 - 4 * 250 },
      ],
    });
  });

  test('is refused when it claims more arrivals than it has bytes', () => {
    const bytes = Uint8Array.of(
      0x8f,
      205,
      0,
      5,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      2,
      0,
      0,
      0xff,
      0xff,
      0,
      0,
      0,
      0,
      0x3f,
      0xff,
      0,
      0,
    );
    expect(() => parseRtcp(bytes)).toThrow(ProtocolError);
  });

  test('costs nothing for a long run of lost packets', () => {
    const bytes = Uint8Array.of(
      0x8f,
      205,
      0,
      5,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      2,
      0,
      0,
      0x1f,
      0xff,
      0,
      0,
      0,
      0,
      0x1f,
      0xff,
      0,
      0,
    );
    expect(only(bytes)).toMatchObject({ packetCount: 0x1fff, arrivals: [] });
  });
});

test('NTP times are those of the Unix clock', () => {
  const ntp = ntpOfUnixMs(1_700_000_000_250);
  expect(ntp).toEqual({ ntpSeconds: 3_908_988_800, ntpFraction: 0x40000000 });
  expect(unixMsOfNtp(ntp)).toBe(1_700_000_000_250);
  expect(compactNtp({ ntpSeconds: 0x1234abcd, ntpFraction: 0xef012345 })).toBe(0xabcdef01);
});

test('damaged compounds are parsed or refused with a ProtocolError', () => {
  const arrivals = [1, 2, 3, 9, 40, 41].map((sequence) => ({ sequence, arrivalUs: sequence * 90_000 }));
  const [feedback] = twccFeedback(arrivals, { ...HEADER, feedbackCount: 1 });
  const seed = joinRtcp([
    writeSenderReport(SENDER_REPORT),
    writeSdes(1, 'someone'),
    writeTwcc(feedback ?? expect.fail()),
    writeNack(HEADER, [1, 5, 300]),
    writeFir(1, [{ ssrc: 2, sequence: 3 }]),
    writeRemb({ senderSsrc: 1, bitrateBps: 1e6, ssrcs: [4] }),
    writeExtendedReport({
      ssrc: 1,
      receiverReference: { ntpSeconds: 1, ntpFraction: 2 },
      dlrr: [{ ssrc: 1, lastReceiverReference: 2, delaySinceLastReference: 3 }],
    }),
    writeBye([1], 'bye'),
  ]);
  const random = prng(2);
  let refused = 0;
  for (let round = 0; round < 10_000; round += 1) {
    try {
      expect(parseRtcp(mutate(seed, random)).length).toBeLessThanOrEqual(64);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(300);
});
