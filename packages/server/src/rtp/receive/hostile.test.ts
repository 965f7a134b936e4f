import { ProtocolError, parseRtcp, parseRtp, type RtcpPacket } from '@sluice/media';
import { expect, test } from 'vitest';
import { mutate, prng } from '../../../../media/src/testing/mutate.ts';
import { redundantSound } from './testing/numbered-media.ts';
import { AUDIO, ScriptedPublisher, VIDEO, VIDEO_RTX_SSRC, VIDEO_SSRC } from './testing/scripted-publisher.ts';

const MAX_HELD_BYTES = 17 * 1024 * 1024;

/** Feeds packets for four seconds, a thousand a second; gives the RTCP bytes a second that we answered with. */
function flood(publisher: ScriptedPublisher, send: (index: number) => void): number {
  const before = publisher.media.stats().rtcp.bytes;
  let heldBytes = 0;
  for (let i = 0; i < 4000; i++) {
    send(i);
    if (i % 10 !== 0) continue;
    publisher.run(10);
    heldBytes = Math.max(heldBytes, publisher.media.stats().queuedBytes);
  }
  expect(heldBytes).toBeLessThan(MAX_HELD_BYTES);
  return (publisher.media.stats().rtcp.bytes - before) / 4;
}

function quiet(): ScriptedPublisher {
  const publisher = new ScriptedPublisher({ keyInterval: 1000 }).run(1000);
  publisher.captures.video = false;
  publisher.captures.audio = false;
  return publisher;
}

const PAYLOAD = new Uint8Array(1000).fill(0x41);

test('packets of random sources are counted and change nothing', () => {
  const random = prng(1);
  const publisher = new ScriptedPublisher();
  const rate = flood(publisher, (i) =>
    publisher.inject({
      ssrc: Math.floor(random() * 2 ** 32),
      payloadType: i % 2 === 0 ? VIDEO.payloadType : Math.floor(random() * 128),
      sequence: i & 0xffff,
      timestamp: i,
      payload: PAYLOAD,
    }),
  );
  publisher.run(500);

  expect(publisher.published.filter(({ track }) => track.kind === 'video').length).toBeGreaterThan(110);
  expect(publisher.media.stats().drops.not_carried).toBeGreaterThan(3960);
  expect(rate).toBeLessThan(5000);
});

test('made-up gaps are not asked for without bound', () => {
  const publisher = quiet();
  let sequence = 0;
  const rate = flood(publisher, (i) => {
    sequence += 2 + (i % 400);
    publisher.inject({
      ssrc: VIDEO_SSRC,
      payloadType: VIDEO.payloadType,
      sequence: sequence & 0xffff,
      timestamp: i * 90,
      marker: true,
      payload: PAYLOAD,
    });
  });
  const { rtcp } = publisher.media.stats();
  expect(rtcp.nacks).toBeGreaterThan(1000);
  expect(rtcp.nacks).toBeLessThan(7000);
  expect(rtcp.plis).toBeLessThan(7);
  expect(rate).toBeLessThan(20_000);
});

test('sequence numbers and timestamps at random cost a bounded amount', () => {
  const random = prng(3);
  const publisher = quiet();
  const rate = flood(publisher, () =>
    publisher.inject({
      ssrc: VIDEO_SSRC,
      payloadType: VIDEO.payloadType,
      sequence: Math.floor(random() * 65_536),
      timestamp: Math.floor(random() * 2 ** 32),
      marker: random() < 0.5,
      payload: PAYLOAD,
    }),
  );
  expect(rate).toBeLessThan(20_000);
  expect(publisher.media.stats().rtcp.plis).toBeLessThan(7);
  expect(publisher.media.stats().tracks[0]?.rejected).toBeGreaterThan(1000);
});

test('a source that begins anew again and again costs a bounded amount', () => {
  const publisher = quiet();
  const rate = flood(publisher, (i) =>
    publisher.inject({
      ssrc: VIDEO_SSRC,
      payloadType: VIDEO.payloadType,
      sequence: ((i >> 1) * 20_011 + (i & 1)) & 0xffff,
      timestamp: i * 90,
      payload: PAYLOAD,
    }),
  );
  expect(rate).toBeLessThan(20_000);
  expect(publisher.media.stats().rtcp.plis).toBeLessThan(7);
});

test('retransmissions that lie about what they are harm nothing but the packets they replace', () => {
  const random = prng(5);
  const publisher = new ScriptedPublisher({
    delay: ({ kind, index }) => (kind === 'video' && index % 9 === 4 ? undefined : 10),
    retransmits: false,
  });
  const rate = flood(publisher, (i) => {
    const payload = PAYLOAD.slice();
    const near = (publisher.nextVideoSequence() - Math.floor(random() * 50)) & 0xffff;
    const number = i % 2 === 0 ? near : Math.floor(random() * 65_536);
    payload.set([number >> 8, number & 0xff]);
    const timestamp = Math.floor(random() * 2 ** 32);
    publisher.inject({ ssrc: VIDEO_RTX_SSRC, payloadType: 103, sequence: i & 0xffff, timestamp, payload });
  });
  const { tracks, clockBreaks } = publisher.media.stats();
  expect(tracks[0]?.recovered).toBeLessThan(60);
  expect(clockBreaks).toBe(0);
  expect(rate).toBeLessThan(20_000);
  for (const [index, { ptsUs }] of publisher.published.entries()) if (index > 0) expect(ptsUs).toBeLessThan(11_000_000);
});

test('a frame that never ends is bounded', () => {
  const publisher = quiet();
  const start = publisher.nextVideoSequence();
  flood(publisher, (i) =>
    publisher.inject({
      ssrc: VIDEO_SSRC,
      payloadType: VIDEO.payloadType,
      sequence: (start + i + (i > 5 ? 1 : 0)) & 0xffff,
      timestamp: 123_456,
      payload: Uint8Array.from([0x7c, i === 0 ? 0x85 : 0x05, ...PAYLOAD]),
    }),
  );
  expect(publisher.media.stats().rtcp.plis).toBeLessThan(7);
});

test('payloads and RTCP at random bring no error', () => {
  const random = prng(9);
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(random() * 256));
  const publisher = new ScriptedPublisher();
  flood(publisher, (i) => {
    const length = Math.floor(random() * 40);
    if (i % 3 === 0)
      publisher.media.onRtcp(randomRtcp(bytes(8 + 4 * Math.floor(random() * 12)), random), publisher.nowMs);
    else
      publisher.inject({
        ssrc: VIDEO_SSRC,
        payloadType: VIDEO.payloadType,
        sequence: publisher.nextVideoSequence() + i,
        timestamp: i * 300,
        marker: random() < 0.3,
        payload: bytes(length),
      });
  });
  expect(publisher.media.stats().tracks[1]?.frames).toBeGreaterThan(190);
});

test.each(['h264', 'h265', 'vp8', 'vp9', 'av1', 'opus', 'pcmu', 'g722'] as const)(
  'payloads of %s at random bring no error and keep times in order',
  (codec) => {
    const random = prng(13);
    const video = !['opus', 'pcmu', 'g722'].includes(codec);
    const track = { ...(video ? VIDEO : AUDIO), codec };
    const publisher = new ScriptedPublisher({ tracks: [track], options: { strictness: 'TOLERANT' } });
    publisher.captures.video = false;
    publisher.captures.audio = false;
    flood(publisher, (i) => {
      const payload = Uint8Array.from({ length: 10 + Math.floor(random() * 60) }, () => Math.floor(random() * 256));
      // Half of them begin as payloads of that codec often do.
      if (random() < 0.5) payload.set(USUAL_BEGINNINGS[i % USUAL_BEGINNINGS.length] ?? [], 0);
      const marker = random() < 0.4;
      const sequence = (i + (random() < 0.02 ? 3 : 0)) & 0xffff;
      publisher.inject({
        ssrc: track.ssrc ?? 0,
        payloadType: track.payloadType,
        sequence,
        timestamp: i * 90,
        marker,
        payload,
      });
    });
    const { published } = publisher;
    expect(published.filter(({ dtsUs }, index) => dtsUs < (published[index - 1]?.dtsUs ?? 0))).toEqual([]);
    if (!video) expect(published.length).toBeGreaterThan(100);
  },
);

test('redundancy at random, with made-up numbers and times, brings no error and keeps times in order', () => {
  const random = prng(17);
  const track = { ...AUDIO, redPayloadType: 63 };
  const publisher = new ScriptedPublisher({ tracks: [track] });
  publisher.captures.audio = false;
  const usual = redundantSound(3, 3, AUDIO.payloadType);
  flood(publisher, (i) =>
    publisher.inject({
      ssrc: AUDIO.ssrc ?? 0,
      payloadType: 63,
      sequence: (i + Math.floor(random() * 4)) & 0xffff,
      timestamp: random() < 0.1 ? Math.floor(random() * 2 ** 32) : i * 960,
      payload: random() < 0.3 ? usual : mutate(usual, random),
    }),
  );
  const { published } = publisher;
  expect(published.length).toBeGreaterThan(100);
  expect(published.filter(({ dtsUs }, index) => dtsUs < (published[index - 1]?.dtsUs ?? 0))).toEqual([]);
});

/** H.264 single, STAP-A and FU-A; H.265 AP and FU; VP8 and VP9 key frames; AV1 with a sequence. */
const USUAL_BEGINNINGS: readonly (readonly number[])[] = [
  [0x65, 0x88],
  [0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68],
  [0x7c, 0x85, 0x80],
  [0x60, 1, 0, 2, 0x40, 1],
  [0x62, 1, 0x93],
  [0x90, 0x80, 0x81, 0x10, 0, 0, 0x9d, 1, 0x2a],
  [0x8c, 0x83, 0x49, 0x83, 0x42],
  [0x18, 0x0a, 0x0b],
];

/** A packet of a kind that we know, of the video's source, with anything in it. */
function randomRtcp(bytes: Uint8Array, random: () => number): RtcpPacket[] {
  const usual = bytes.slice();
  usual[0] = 0x80 | Math.floor(random() * 2);
  usual[1] = 200 + Math.floor(random() * 8);
  usual[2] = 0;
  usual[3] = usual.length / 4 - 1;
  usual.set([0x11, 0x11, 0x11, 0x11], 4);
  try {
    return parseRtcp(usual);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [];
  }
}

test('transport-wide numbers at random get feedback of bounded size', () => {
  const random = prng(11);
  const publisher = quiet();
  const rate = flood(publisher, (i) => {
    const number = Math.floor(random() * 65_536);
    const header = Uint8Array.of(0x90, VIDEO.payloadType, i >> 8, i, 0, 0, 0, 0, 0x11, 0x11, 0x11, 0x11);
    const element = Uint8Array.of(0xbe, 0xde, 0, 1, 0x31, number >> 8, number & 0xff, 0);
    publisher.media.onRtp(parseRtp(Uint8Array.from([...header, ...element, 0x41, 1])), publisher.nowMs);
  });
  for (const { bytes } of publisher.rtcp) expect(bytes).toBeLessThan(1400);
  expect(rate).toBeLessThan(60_000);
});
