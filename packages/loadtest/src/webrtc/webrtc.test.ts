import { parseRtcp, writeRtp } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { Figures } from '../figures/figures.ts';
import { clockUnit, unixUs } from '../source/clock.ts';
import { readAnswer } from './answer.ts';
import { Arrivals } from './arrivals.ts';
import { newIceCredentials, writeOffer } from './offer.ts';
import { transportSequenceOf } from './plain-header.ts';
import { RtpPictures } from './rtp-pictures.ts';
import { RtpTally } from './rtp-tally.ts';

const FINGERPRINT = Array(32).fill('AB').join(':');

describe('the account of a source', () => {
  const tally = (): RtpTally => new RtpTally(7, { clockRate: 90_000, giveUpMs: 1000 });

  it('asks for what is missing after a moment, then again, and gives it up in the end', () => {
    const source = tally();
    for (const sequence of [65_533, 65_534, 2]) source.onPacket(sequence, 0, 0);
    expect(source.incomplete).toBe(true);
    expect(source.overdue(5)).toEqual([]);
    expect(source.overdue(20)).toEqual([65_535, 0, 1]);
    expect(source.overdue(60)).toEqual([]);
    expect(source.onPacket(0, 0, 70)).toBe('repaired');
    expect(source.overdue(130)).toEqual([65_535, 1]);
    expect(source.overdue(1100)).toEqual([]);
    expect(source).toMatchObject({ incomplete: false, lost: 2, repaired: 1, received: 4 });
  });

  it('takes retransmissions, and what comes twice only once', () => {
    const source = tally();
    for (const sequence of [10, 11, 14]) source.onPacket(sequence, 0, 0);
    expect(source.onRepair(source.unwrap(12))).toBe('repaired');
    expect(source.onRepair(source.unwrap(12))).toBe('repeated');
    expect(source.onPacket(13, 0, 1)).toBe('repaired');
    expect(source.onPacket(14, 0, 1)).toBe('repeated');
    expect(source.onPacket(3, 0, 1)).toBe('repeated');
    expect(source).toMatchObject({ incomplete: false, lost: 0, repaired: 2, received: 5 });
  });

  it('counts what is missing at the end as lost, but not what has hardly been sent', () => {
    const source = tally();
    source.onPacket(1, 0, 0);
    source.onPacket(4, 0, 0);
    source.onPacket(8, 0, 450);
    source.finish(500);
    expect(source.lost).toBe(2);
  });

  it('reports losses by the interval and in all', () => {
    const source = tally();
    for (const sequence of [0, 1, 2, 3]) source.onPacket(sequence, 0, 0);
    expect(source.report()).toEqual({ fractionLost: 0, cumulativeLost: 0 });
    for (const sequence of [5, 7]) source.onPacket(sequence, 0, 0);
    expect(source.report()).toEqual({ fractionLost: 128, cumulativeLost: 2 });
    source.onPacket(6, 0, 0);
    expect(source.report()).toEqual({ fractionLost: 0, cumulativeLost: 1 });
  });
});

describe('pictures out of packets', () => {
  const sentUs = (): number => unixUs() - 50_000;

  it('are shown when they are whole and nothing before them is missing', () => {
    const figures = new Figures();
    const beganMs = performance.now();
    let begun = 0;
    const pictures = new RtpPictures(figures, 500, () => begun++);
    pictures.onPayload(clockUnit({ sentUs: sentUs(), number: 0 }), false);
    pictures.onEnd();
    pictures.onComplete(0);
    expect(figures.counts.pictures).toBe(0);
    pictures.onPayload(clockUnit({ sentUs: sentUs(), number: 1 }), true);
    pictures.onEnd();
    // A packet is missing: two pictures have to wait for it.
    pictures.onPayload(clockUnit({ sentUs: sentUs(), number: 2 }), false);
    pictures.onEnd();
    expect(begun).toBe(0);
    // Came 20 ms ago, and is read now.
    pictures.onComplete(performance.now() - 20);
    expect([begun, figures.counts.pictures, figures.delayMs.count]).toEqual([1, 2, 2]);
    expect(figures.delayMs.percentile(0.5)).toBeGreaterThan(25);
    expect(figures.delayMs.percentile(0.5)).toBeLessThan(45 + performance.now() - beganMs);
  });

  it('that are given up are not shown', () => {
    const figures = new Figures();
    const pictures = new RtpPictures(figures, 500, () => {});
    pictures.onPayload(new Uint8Array(9), true);
    pictures.onEnd();
    pictures.onComplete(0);
    pictures.onEnd();
    pictures.onGivenUp();
    pictures.onComplete(700);
    pictures.tick(700);
    expect(figures.counts).toMatchObject({ pictures: 1, freezes: 1 });
  });
});

describe('feedback about arrivals', () => {
  it('tells what came and what is missing, across the wrap and in order', () => {
    const arrivals = new Arrivals();
    for (const [sequence, atMs] of [
      [65_534, 1000],
      [65_535, 1001],
      [1, 1003],
      [0, 1004],
      [4, 1010],
      [4, 1011],
    ] as const) {
      arrivals.add(sequence, atMs);
    }
    const [packet] = arrivals.take(1, 2).flatMap((feedback) => parseRtcp(feedback));
    if (packet?.kind !== 'twcc') throw new Error('no feedback');
    expect(packet).toMatchObject({ baseSequence: 65_534, packetCount: 7, senderSsrc: 1, mediaSsrc: 2 });
    expect(packet.arrivals.map(({ sequence }) => sequence)).toEqual([65_534, 65_535, 0, 1, 4]);
    arrivals.add(7, 1020);
    const [next] = arrivals.take(1, 2).flatMap((feedback) => parseRtcp(feedback));
    expect(next).toMatchObject({ baseSequence: 5, feedbackCount: 1 });
    expect(arrivals.take(1, 2)).toEqual([]);
  });

  it('finds transport-wide numbers in plain headers', () => {
    const fields = { payloadType: 96, marker: true, sequence: 1, timestamp: 2, ssrc: 3 };
    const extensions = [
      { id: 1, value: Uint8Array.of(9) },
      { id: 3, value: Uint8Array.of(0xab, 0xcd) },
    ];
    const packet = Buffer.from(writeRtp({ ...fields, extensions }, new Uint8Array(20)));
    expect(transportSequenceOf(packet, 3)).toBe(0xabcd);
    expect(transportSequenceOf(packet, 1)).toBe(-1);
    expect(transportSequenceOf(packet, 5)).toBe(-1);
    expect(transportSequenceOf(Buffer.from(writeRtp(fields, new Uint8Array(20))), 3)).toBe(-1);
    for (let bytes = 0; bytes < 20; bytes++) expect(transportSequenceOf(packet.subarray(0, bytes), 3)).toBe(-1);
  });
});

describe('an answer', () => {
  const offer = writeOffer({ ice: newIceCredentials(), fingerprint: FINGERPRINT, transportCc: true });
  const candidates = [
    'a=candidate:1 1 udp 2130706431 192.0.2.2 4000 typ host',
    'a=candidate:2 1 udp 2130706430 127.0.0.1 4000 typ host',
    'a=candidate:3 1 tcp 2130706430 127.0.0.1 4000 typ host tcptype passive',
    'a=candidate:4 1 udp 2130706430 fd00::1 4000 typ host',
  ];
  const answer = offer.replace('a=rtcp-mux', ['a=rtcp-mux', ...candidates].join('\r\n'));

  it('tells where the server is, the likeliest first, and what packets will be', () => {
    const facts = readAnswer(answer.replaceAll('actpass', 'passive'), '127.0.0.1');
    expect(facts.endpoints).toEqual([
      { address: '127.0.0.1', port: 4000 },
      { address: '192.0.2.2', port: 4000 },
    ]);
    expect(facts).toMatchObject({ dtlsRole: 'client', transportCcId: 3 });
    expect(facts.fingerprints[0]).toEqual({ algorithm: 'sha-256', value: FINGERPRINT });
    expect(facts.payloads.get(111)).toMatchObject({ kind: 'audio', codec: 'opus', repeats: undefined });
    expect(facts.payloads.get(102)).toMatchObject({ kind: 'video', codec: 'h264', clockRate: 90_000 });
    expect(facts.payloads.get(103)).toMatchObject({ kind: 'video', codec: 'h264', repeats: 102 });
    expect(readAnswer(answer.replaceAll('actpass', 'active'), 'x').dtlsRole).toBe('server');
  });

  it('that is of no use says why', () => {
    expect(() => readAnswer('hello', 'x')).toThrow('no session description');
    expect(() => readAnswer(offer, 'x')).toThrow('no candidate');
    expect(() => readAnswer(answer.replace(/a=ice-pwd.*/g, 'a=x'), 'x')).toThrow('ICE credentials');
    expect(() => readAnswer(answer.replace(/m=(\w+) 9/g, 'm=$1 0'), 'x')).toThrow('neither sound nor picture');
  });
});
