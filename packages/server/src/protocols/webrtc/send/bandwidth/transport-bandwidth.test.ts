import { describe, expect, test } from 'vitest';
import { SimulatedLink } from './testing/link-model.ts';

function log(link: SimulatedLink, seconds: number, every = 0.5): void {
  for (let i = 0; i < seconds / every; i++) {
    link.run(every);
    const f = link.bandwidth.facts(link.nowMs);
    console.log(
      (link.nowMs / 1000).toFixed(1), 'est', f?.estimateBps, 'ack', f?.acknowledgedBps, 'q', f?.delayMs, f?.limitedBy, 'loss', f?.lossFraction.toFixed(2),
      'worst', link.worstDelayMs(every).toFixed(0), 'carried', Math.round(link.carriedBps(every)), 'probes', f?.probes, f?.probesCarried,
    );
  }
}
describe('sim', () => {
  test('converge', () => {
    for (const rateBps of [300_000, 1_000_000, 5_000_000]) {
      console.log('== ', rateBps);
      log(new SimulatedLink({ rateBps }), 8);
    }
  });
  test('halved', () => {
    console.log('== halved');
    const link = new SimulatedLink({ rateBps: 2_000_000 });
    log(link, 6, 1);
    link.conditions.rateBps = 1_000_000;
    log(link, 4, 0.25);
    link.conditions.rateBps = 2_000_000;
    log(link, 8, 0.5);
  });
  test('loss', () => {
    console.log('== loss');
    log(new SimulatedLink({ rateBps: 2_000_000, loss: 0.05, delayMs: 50 }), 20, 1);
  });
  test('jitter', () => {
    console.log('== spikes');
    const link = new SimulatedLink({ rateBps: 2_000_000, heldUntilMs: (now) => (now % 2000 < 200 ? now - (now % 2000) + 200 : 0) });
    log(link, 20, 1);
    console.log('== random jitter');
    const l2 = new SimulatedLink({ rateBps: 2_000_000 });
    l2.conditions.jitterMs = () => 50 * l2.random();
    log(l2, 20, 1);
    console.log('== 3% packets with 200');
    const l3 = new SimulatedLink({ rateBps: 2_000_000 });
    l3.conditions.jitterMs = () => (l3.random() < 0.03 ? 200 : 0);
    log(l3, 20, 1);
  });
});
