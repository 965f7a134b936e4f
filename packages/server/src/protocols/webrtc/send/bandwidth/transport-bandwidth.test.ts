import type { TwccFeedback } from '@sluice/media';
import { describe, expect, test } from 'vitest';
import { SimulatedLink } from './testing/link-model.ts';
import { TransportBandwidth } from './transport-bandwidth.ts';

/** Least and most of the estimate while so many seconds pass. */
function range(link: SimulatedLink, seconds: number): { readonly least: number; readonly most: number } {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < seconds * 10; i++) {
    link.run(0.1);
    least = Math.min(least, link.estimateBps);
    most = Math.max(most, link.estimateBps);
  }
  return { least, most };
}

describe('the way to a viewer whose player tells when packets arrive', () => {
  test.each([300_000, 700_000, 2_000_000, 5_000_000])(
    'is used well within seconds when it carries %i bit/s',
    (rateBps) => {
      const link = new SimulatedLink({ rateBps }).run(5);
      link.run(10);
      expect(link.carriedBps(10)).toBeGreaterThan(rateBps * 0.8);
      expect(link.worstDelayMs(10)).toBeLessThan(350);
    },
  );

  test.each([300_000, 2_000_000, 5_000_000])(
    'is used as well when others number the packets, at %i bit/s',
    (rateBps) => {
      const link = new SimulatedLink({ rateBps }).askOthers().run(15);
      expect(link.carriedBps(10)).toBeGreaterThan(rateBps * 0.8);
      expect(link.worstDelayMs(10)).toBeLessThan(350);
      if (rateBps > 2_000_000) expect(link.bandwidth.probes.carried).toBeGreaterThan(0);
      link.conditions.rateBps = rateBps / 2;
      link.run(2.5);
      expect(link.worstDelayMs(0.5)).toBeLessThan(200);
      expect(link.estimateBps).toBeLessThan(rateBps / 2);
      expect(link.bandwidth.isRoomy(rateBps * 0.7, 250, link.nowMs)).toBe(false);
      expect(link.bandwidth.isRoomy(rateBps * 0.2, 250, link.nowMs)).toBe(true);
    },
  );

  test('is no more believed in when nothing is heard of it, also when others number the packets', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 }).askOthers().run(8);
    const before = link.estimateBps;
    link.conditions.feedback = () => {};
    link.run(4);
    expect(link.estimateBps).toBeLessThan(before / 2);
    expect(link.bandwidth.isRoomy(1000, 250, link.nowMs)).toBe(false);
  });

  test('is believed to carry what it does when that becomes half, before half a second waits on it', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 }).run(8);
    link.conditions.rateBps = 1_000_000;
    link.run(1.5);
    expect(link.worstDelayMs(1.5)).toBeLessThan(500);
    expect(link.estimateBps).toBeLessThan(1_000_000);
    link.run(1);
    expect(link.worstDelayMs(0.5)).toBeLessThan(100);
    link.run(8);
    expect(link.carriedBps(8)).toBeGreaterThan(800_000);
  });

  test('is believed to carry all that it does some seconds after it has become wide again', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 }).run(8);
    link.conditions.rateBps = 800_000;
    link.run(20);
    link.conditions.rateBps = 2_000_000;
    link.run(6);
    expect(link.estimateBps).toBeGreaterThan(1_600_000);
    expect(link.carriedBps(1)).toBeGreaterThan(1_400_000);
  });

  test('that carries more than is sent is found to, when it is asked for, and not before', () => {
    const link = new SimulatedLink({ rateBps: 20_000_000 });
    link.wantsBps = 500_000;
    link.probes = false;
    link.run(15);
    const { sent } = link.bandwidth.probes;
    link.run(15);
    expect(link.bandwidth.probes.sent).toBe(sent);
    const idleBps = link.estimateBps;
    expect(idleBps).toBeLessThan(7_000_000);
    expect(link.bandwidth.probe(idleBps * 2, link.nowMs)).toBe(true);
    link.run(2);
    expect(link.estimateBps).toBeGreaterThan(idleBps * 1.7);
    expect(link.worstDelayMs(2)).toBeLessThan(150);
  });

  test('is not believed to carry more than twice what arrives unless it was probed', () => {
    const link = new SimulatedLink({ rateBps: 20_000_000 });
    link.bandwidth.canProbe = () => false;
    link.wantsBps = 400_000;
    expect(range(link.run(2), 20).most).toBeLessThanOrEqual(1_100_000);
    expect(link.bandwidth.probe(2_000_000, link.nowMs)).toBe(false);
  });

  test('that loses a twentieth at random carries as much as one that loses nothing, all but that', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000, loss: 0.05, delayMs: 50 }).run(5);
    const { least } = range(link, 40);
    expect(least).toBeGreaterThan(1_200_000);
    expect(link.carriedBps(40)).toBeGreaterThan(2_000_000 * 0.95 * 0.8);
  });

  test('that loses much at random is not believed to be narrower than it is', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000, loss: 0.15, delayMs: 50 }).run(10);
    link.run(20);
    expect(link.carriedBps(20)).toBeGreaterThan(2_000_000 * 0.85 * 0.6);
  });

  test('that drops what is too much at once, without a queue, is not overrun', () => {
    const link = new SimulatedLink({ rateBps: 1_000_000, queueMs: 15 }).run(10);
    link.run(10);
    expect(link.bandwidth.facts(link.nowMs)?.lossFraction).toBeLessThan(0.15);
    expect(link.carriedBps(10)).toBeGreaterThan(650_000);
  });

  test('that holds packets back for a fifth of a second now and then is not believed to be narrow for long', () => {
    const link = new SimulatedLink({
      rateBps: 2_000_000,
      heldUntilMs: (nowMs) => (nowMs % 2000 < 200 ? nowMs - (nowMs % 2000) + 200 : 0),
    }).run(5);
    expect(range(link, 40).least).toBeGreaterThan(900_000);
    expect(link.carriedBps(40)).toBeGreaterThan(1_400_000);
  });

  test('whose packets come now and then late or in another order is used well', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 });
    link.conditions.jitterMs = () => (link.random() < 0.03 ? 200 : 30 * link.random());
    link.run(35);
    expect(link.carriedBps(30)).toBeGreaterThan(1_300_000);
  });

  test('that takes longer from one moment to the next is another route, not a full one', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 }).run(8);
    link.conditions.delayMs = 225;
    link.run(8);
    expect(link.carriedBps(2)).toBeGreaterThan(1_300_000);
  });

  test('of which another flow takes half leaves the other half, and all of it again afterwards', () => {
    const link = new SimulatedLink({
      rateBps: 2_000_000,
      crossBps: (nowMs) => (nowMs > 10_000 && nowMs < 25_000 ? 1_000_000 : 0),
    }).run(14);
    link.run(10);
    expect(link.carriedBps(10)).toBeGreaterThan(700_000);
    expect(link.worstDelayMs(10)).toBeLessThan(300);
    link.run(10);
    expect(link.carriedBps(3)).toBeGreaterThan(1_400_000);
  });

  test('is measured alike by a clock that runs slower or faster', () => {
    for (const driftPpm of [-500, 500]) {
      const link = new SimulatedLink({ rateBps: 2_000_000, driftPpm }).run(30);
      expect(link.carriedBps(20)).toBeGreaterThan(1_600_000);
    }
  });

  test.each([0.3, 0.9, 2.5])('is not taken for thin after it was cut for %d seconds', (seconds) => {
    const link = new SimulatedLink({ rateBps: 20_000_000 });
    link.wantsBps = 800_000;
    link.run(5);
    link.conditions.loss = 1;
    link.run(seconds);
    link.conditions.loss = 0;
    link.run(1);
    expect(link.bandwidth.facts(link.nowMs)?.limitedBy).toBeUndefined();
    expect(link.estimateBps).toBeGreaterThan(1_000_000);
  });
});

describe('feedback', () => {
  test('that is lost, late, doubled or in another order is harmless', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 });
    link.conditions.feedback = (feedback, deliver) => {
      if (link.random() < 0.2) return;
      deliver(feedback, link.random() < 0.3 ? 150 * link.random() : 0);
      if (link.random() < 0.2) deliver(feedback, 400);
    };
    link.run(30);
    expect(link.carriedBps(20)).toBeGreaterThan(1_300_000);
  });

  test('that stops lowers the estimate in steps, and it is back soon after it goes on', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 }).run(8);
    const deliverAll = link.conditions.feedback;
    link.conditions.feedback = () => {};
    link.run(4);
    expect(link.estimateBps).toBeLessThan(1_000_000);
    expect(link.bandwidth.facts(link.nowMs)?.limitedBy).toBe('silence');
    link.conditions.feedback = deliverAll;
    link.run(4);
    expect(link.carriedBps(2)).toBeGreaterThan(1_300_000);
  });

  test('that never comes leaves it to what the player says otherwise', () => {
    const link = new SimulatedLink();
    link.conditions.feedback = () => {};
    expect(link.run(1).bandwidth.estimate(link.nowMs)).toMatchObject({ bps: 1_000_000, measured: false });
    link.run(5);
    expect(link.bandwidth.estimate(link.nowMs).bps).toBeUndefined();
    expect(link.bandwidth.pacingBps(link.nowMs)).toBe(Number.POSITIVE_INFINITY);
    expect(link.bandwidth.facts(link.nowMs)).toBeUndefined();
  });

  test('of any content does no more than make the estimate a wrong number', () => {
    const bandwidth = new TransportBandwidth(1_000_000);
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed % below;
    };
    for (let i = 0; i < 5000; i++) {
      const nowMs = 1000 + i * 3;
      bandwidth.onPacket(100 + random(1200), nowMs);
      const baseSequence = random(0x10000);
      const count = random(30);
      const feedback: TwccFeedback = {
        senderSsrc: 1,
        mediaSsrc: 2,
        baseSequence,
        packetCount: random(2) === 0 ? 0xffff : count,
        referenceTimeMs: (random(2 ** 24) - 2 ** 23) * 64,
        feedbackCount: random(256),
        arrivals: Array.from({ length: count }, () => ({
          sequence: (baseSequence + random(0xffff)) & 0xffff,
          arrivalUs: (random(2 ** 31) - 2 ** 30) * 250,
        })),
      };
      bandwidth.onFeedback(feedback, nowMs);
      const { bps } = bandwidth.estimate(nowMs);
      expect(bps).toBeGreaterThanOrEqual(30_000);
      expect(bps).toBeLessThanOrEqual(200_000_000);
      expect(bandwidth.probes.owedBytes(nowMs)).toBeLessThanOrEqual(64_000);
    }
  });

  test('of REMB is a cap while it is told', () => {
    const link = new SimulatedLink({ rateBps: 2_000_000 }).run(5);
    link.bandwidth.onRemb(300_000, link.nowMs);
    expect(link.bandwidth.estimate(link.nowMs)).toMatchObject({
      bps: 300_000,
      reason: 'the player estimates 300 kbit/s',
    });
    link.run(6);
    expect(link.estimateBps).toBeGreaterThan(300_000);
  });
});
