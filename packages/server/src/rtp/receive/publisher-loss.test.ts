import { describe, expect, test } from 'vitest';
import { type LossyNetwork, lossyNetwork } from './testing/lossy-network.ts';
import { outOfOrder, pictures, sounds } from './testing/published.ts';
import { AUDIO, type Script, ScriptedPublisher, VIDEO } from './testing/scripted-publisher.ts';

/** What the way from the publisher is to be survived with: media, repetitions, requests and reports get lost alike. */
const WAY = { oneWayMs: 50, loss: 0.1 };
const SECONDS = 30;
/** Where the clock of a scripted publisher begins. */
const FIRST_MS = 1000;

/** How much of what was sent since the first picture, or piece of sound, is in the stream. */
function wholeShare(numbers: readonly number[]): number {
  const first = numbers[0] ?? Number.NaN;
  return numbers.length / ((numbers.at(-1) ?? Number.NaN) - first + 1);
}

function published(network: LossyNetwork, script: Script = {}): ScriptedPublisher {
  return new ScriptedPublisher({ ...lossyNetwork(network), ...script }).run(SECONDS * 1000);
}

describe('of what a publisher sends over a way that loses every tenth packet, 99 % of the pictures are whole', () => {
  const cases: [string, Partial<LossyNetwork>, Script?][] = [
    ['each for itself', {}],
    ['in bursts', { burst: 3 }],
    ['and doubles others, or brings them late', { late: { share: 0.05, byMs: 60 }, twice: 0.03 }],
    ['with a large picture', {}, { frameBytes: 10_000 }],
    ['with sixty pictures a second', {}, { frameRate: 60 }],
    ['with key frames far apart', {}, { keyInterval: 100_000 }],
    ['and takes 100 ms', { oneWayMs: 100 }],
    ['and takes 10 ms', { oneWayMs: 10 }],
    ['where the publisher takes the round trip for longer', {}, { resendIntervalMs: 112 }],
  ];
  test.each(cases)('%s', (_, network, script) => {
    for (const seed of [11, 12]) {
      const publisher = published({ ...WAY, ...network, seed }, script);
      expect(wholeShare(pictures(publisher)), `seed ${seed}`).toBeGreaterThanOrEqual(0.99);
      expect(pictures(publisher).at(-1)).toBeGreaterThan((SECONDS - 2) * (script?.frameRate ?? 30));
      expect(outOfOrder(publisher)).toEqual([]);
    }
  });

  test('where it, or the publisher, stands still for a second now and then', () => {
    const shares = [11, 12, 13, 14, 15, 16].map((seed) => {
      const network = lossyNetwork({ ...WAY, seed });
      /** How much longer it stands still, which it does for the last 1.2 s of every five. */
      const stillMs = (): number => {
        const intoMs = (publisher.nowMs - FIRST_MS) % 5000;
        return intoMs > 3800 ? 5000 - intoMs : 0;
      };
      const publisher: ScriptedPublisher = new ScriptedPublisher({
        ...network,
        delay: (sent) => {
          const ms = network.delay?.(sent);
          return typeof ms === 'number' ? ms + stillMs() : ms;
        },
        rtcpDelay: () => {
          const ms = network.rtcpDelay?.();
          return ms === undefined ? undefined : ms + stillMs();
        },
      });
      publisher.run(SECONDS * 1000);
      expect(outOfOrder(publisher)).toEqual([]);
      return wholeShare(pictures(publisher));
    });
    expect(shares.reduce((sum, share) => sum + share, 0) / shares.length, String(shares)).toBeGreaterThanOrEqual(0.99);
  });

  test('and so is 98 % of its sound, with redundancy as Chromium sends it', () => {
    const tracks = [VIDEO, { ...AUDIO, redPayloadType: 63 }];
    const publisher = published({ ...WAY, seed: 13 }, { tracks, redundancy: 1 });
    expect(wholeShare(sounds(publisher))).toBeGreaterThanOrEqual(0.98);
    expect(wholeShare(sounds(published({ ...WAY, seed: 13 })))).toBeLessThan(0.95);
  });
});

test('the round trip to a publisher that does not report it is known by what comes again', () => {
  const short = { ...WAY, oneWayMs: 20, seed: 15 };
  const publisher = new ScriptedPublisher({ ...lossyNetwork(short), answersXr: false }).run(5000);
  expect(publisher.media.stats().rttMs).toBeCloseTo(40, -1);
  const reported = new ScriptedPublisher({ ...lossyNetwork(short) }).run(5000);
  expect(reported.media.stats().rttMs).toBeCloseTo(40, -1);
});

test('viewers by WebRTC do not wait for what is missing', () => {
  const publisher = published({ ...WAY, seed: 14 });
  const video = publisher.lane.video.map(({ sequence }) => sequence);
  expect(video.some((sequence, index) => sequence < (video[index - 1] ?? 0))).toBe(true);

  const lossless = new ScriptedPublisher({ delay: () => 50 }).run(100);
  const before = lossless.lane.video.length;
  lossless.inject({
    ssrc: VIDEO.ssrc ?? 0,
    payloadType: VIDEO.payloadType,
    sequence: lossless.nextVideoSequence() + 5,
    timestamp: 90_000,
    payload: Uint8Array.of(0x41, 1, 2),
  });
  expect(lossless.lane.video.length).toBe(before + 1);
});
